from types import SimpleNamespace

import torch

from vcl import backbones
from vcl.config import (
    NervConfig,
    PacknetConfig,
)
from vcl.sessions.methods.packnet import PackNetPlugin
from vcl.subnet.ledger import Ledger


def test_packnet_keeps_the_largest_free_weights_and_seals_them(ran):
    folder = ran("packnet", {"kept": 0.25})
    shares = [event["layers"] for event in folder.events("session")]
    for first, second in zip(*shares, strict=True):
        assert first["new"] == round(0.25 * first["total"])
        assert second["reused"] == first["new"]
        assert second["new"] == round(0.25 * (first["total"] - first["new"]))
    rows = folder.matrix()["rows"]
    assert rows[1]["sha256"][0] == rows[0]["sha256"][0]


def test_pruning_takes_the_smallest_and_they_stay_at_zero():
    network = backbones.build(NervConfig(levels=1, stem_width=2, channels=1, strides=(1,), lower_width=1), (16, 16), 1)
    network.reset_parameters(0)
    plugin = PackNetPlugin(PacknetConfig(kept=0.5, prune_at=0.5), Ledger(network.layout(), "shared_masked"))
    strategy = SimpleNamespace(model=network, session=0, epoch=0, passes=2)
    plugin.before_training_exp(strategy)
    before = network.fc1.weight.detach().clone().flatten()
    strategy.epoch = 1
    plugin.before_training_epoch(strategy)
    after = network.fc1.weight.detach().flatten()
    largest = before.abs().argsort(descending=True)
    assert torch.equal(after[largest[:4]], before[largest[:4]])
    assert after[largest[4:]].tolist() == [0.0] * 4
