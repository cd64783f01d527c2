import copy

import pytest
from torch import nn

from vcl.layers.fourier import FourierOperator
from vcl.layers.masked import WeightRule, mask_weights, weights_of


def masked(layer, **rule):
    """A layer whose weights are masked by one rule."""
    mask_weights(layer, lambda name: WeightRule(**rule))
    return layer


def test_dense_layers_have_no_scores():
    assert [name for name, _ in masked(nn.Linear(3, 2, bias=False)).named_parameters()] == ["weight.value"]


@pytest.mark.parametrize(
    ("layer", "name", "kernel", "channel"),
    [
        (nn.Conv2d(4, 6, 3, groups=2, bias=False), "weight", (6, 2, 1, 1), (6, 1, 1, 1)),
        (nn.ConvTranspose2d(4, 6, 3, bias=False), "weight", (4, 6, 1, 1), (1, 6, 1, 1)),
        (nn.Linear(4, 6, bias=False), "weight", (6, 4), (6, 1)),
        (FourierOperator(4, 6, (8, 10)), "positive_imag", (1, 1, 4, 6), (1, 1, 1, 6)),
    ],
)
def test_a_kernel_joins_two_channels_and_a_channel_is_an_output_in_any_layer(layer, name, kernel, channel):
    for unit, shape in (("kernel", kernel), ("row", channel)):
        network = masked(nn.Sequential(copy.deepcopy(layer)), capacity=0.5, unit=unit)
        weight = weights_of(network)[f"0.{name}"]
        assert weight.score.shape == shape
        weight.reset_scores(0)
        assert int(weight.mask().sum()) == round(weight.score.numel() / 2)
        weight.reset_values(1)
        weight().sum().backward()
        assert weight.score.grad.shape == shape
