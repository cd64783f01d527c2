import math

import pytest
import torch
from on_device import DEVICE

from vcl.sessions.experience import video_stream
from vcl.sessions.stateful import StatefulPlugin
from vcl.sessions.trainer import build


class Norms(StatefulPlugin):
    """Those of the gradients that the optimiser has used."""

    def __init__(self):
        super().__init__()
        self.norms = []

    def after_update(self, strategy, **_):
        parameters = [p for group in strategy.optimizer.param_groups for p in group["params"]]
        self.norms.append(math.sqrt(sum(float(p.grad.square().sum()) for p in parameters)))


def norms(config, clips):
    strategy, noted = build(config, clips, lambda _: None, DEVICE), Norms()
    strategy.plugins.append(noted)
    strategy.train(video_stream(clips).train_stream[0], eval_streams=[])
    return noted.norms, [parameter.detach().clone() for parameter in strategy.model.parameters()]


@pytest.mark.parametrize("method", ["single", "wsn"])
def test_a_gradient_is_scaled_down_to_the_longest_norm_and_a_shorter_one_stays(method, tiny_config, clips):
    free, parameters = norms(tiny_config(method), clips)
    assert min(free) > 1e-4
    clipped, _ = norms(tiny_config(method, train={"gradient_clip": 1e-4}), clips)
    assert clipped == pytest.approx([1e-4] * len(free), rel=1e-2)
    untouched, same = norms(tiny_config(method, train={"gradient_clip": 2 * max(free)}), clips)
    assert untouched == free
    assert all(torch.equal(*pair) for pair in zip(parameters, same, strict=True))
