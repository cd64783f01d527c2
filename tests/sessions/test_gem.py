from types import SimpleNamespace

import torch
from torch import nn

from vcl.config import (
    AgemConfig,
)
from vcl.sessions.methods.gem import AgemPlugin


def two_weights(*values):
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([values]))
    return model


def test_a_gradient_that_would_raise_the_loss_of_kept_frames_loses_that_part():
    plugin = AgemPlugin(AgemConfig(buffer=1))
    plugin.buffers, plugin.reference_gradients = [1], torch.tensor([0.0, -2.0])
    model = two_weights(0.0, 0.0)
    model.weight.grad = torch.tensor([[3.0, 4.0]])
    plugin.after_backward(SimpleNamespace(model=model, device="cpu"))
    assert model.weight.grad.tolist() == [[3.0, 0.0]]
    model.weight.grad = torch.tensor([[3.0, -4.0]])
    plugin.after_backward(SimpleNamespace(model=model, device="cpu"))
    assert model.weight.grad.tolist() == [[3.0, -4.0]]
