from torch import nn

from vcl.layers.masked import WeightRule, mask_weights


def masked(layer, **rule):
    """A layer whose weights are masked by one rule."""
    mask_weights(layer, lambda name: WeightRule(**rule))
    return layer


def test_dense_layers_have_no_scores():
    assert [name for name, _ in masked(nn.Linear(3, 2, bias=False)).named_parameters()] == ["weight.value"]
