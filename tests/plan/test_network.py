"""How large a network is and what a frame costs, without its numbers."""

import pytest

from vcl import config as configs
from vcl.backbones import BACKBONES
from vcl.plan.network import macs_of


def test_operations_of_a_tiny_network_by_hand(tiny_config):
    stem = 24 * 16 + 16 * 768
    block_1 = (8 * 12) * 9 * 8 * 32
    operator = 2 * (4 * 6) * 4 * 8 * 8
    block_2 = (16 * 24) * 9 * 8 * 24
    head_before_the_shuffle = (16 * 24) * 24 * 12
    assert macs_of(tiny_config("wsn")) == stem + block_1 + block_2 + head_before_the_shuffle
    assert macs_of(tiny_config()) == macs_of(tiny_config("wsn")) + operator


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_work_of_every_backbone_is_counted(backbone, tiny_config):
    assert macs_of(tiny_config("wsn", backbone={"name": backbone})) > 0


@pytest.mark.parametrize(
    ("backbone", "preset", "size", "giga"),
    [
        ("snerv_b", "3M", [640, 1280], 90.1),
        ("snerv_b", "3M_960", [960, 1920], 167.0),
        ("snerv_t", "3M", [640, 1280], 202),
        ("snerv_t", "3M_2d", [640, 1280], 202),
        ("snerv_t", "3M_960", [960, 1920], 395),
        ("diffnerv", "3.4M_960", [960, 1920], 107.7),
        ("diffnerv", "2M_960", [960, 1920], 64.0),
    ],
)
def test_published_networks_do_the_published_work(backbone, preset, size, giga):
    config = configs.from_dict(
        {"stream": {"size": size}, "backbone": {"name": backbone, "preset": preset}, "method": {"name": "single"}}
    )
    assert macs_of(config) / 1e9 == pytest.approx(giga, abs=0.05 if giga % 1 else 0.5)
