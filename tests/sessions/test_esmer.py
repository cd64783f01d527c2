from types import SimpleNamespace

import torch
from torch import nn

from vcl.config import (
    EsmerConfig,
)
from vcl.sessions.methods.esmer import EsmerPlugin, error_weights
from vcl.subnet.ledger import Ledger


def two_weights(*values):
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([values]))
    return model


def test_frames_that_surprise_the_teacher_count_less():
    weights = error_weights(torch.tensor([1.0, 2.0, 4.0]), torch.tensor(2.0), margin=1.0)
    assert weights.tolist() == [1.0, 1.0, 0.5]
    assert error_weights(torch.tensor([4.0]), torch.tensor(2.0), margin=2.0).tolist() == [1.0]


def teacher_after(step, **knobs):
    plugin = EsmerPlugin(EsmerConfig(**knobs), Ledger({}, "shared_latest"))
    plugin.stable = two_weights(0.0, 1.0).requires_grad_(False)
    plugin.after_update(SimpleNamespace(model=two_weights(10.0, 1.0), session=0, step=step))
    return plugin.stable.weight.tolist()[0]


def test_the_teacher_is_a_moving_average_and_at_first_the_mean_of_all_so_far():
    assert teacher_after(100, decay=0.9, update_probability=1.0) == [1.0, 1.0]
    assert teacher_after(2, decay=0.9, update_probability=1.0) == [5.0, 1.0]
    assert teacher_after(1, decay=0.9, update_probability=1.0) == [10.0, 1.0]


def test_the_teacher_moves_as_often_as_asked():
    moved = sum(teacher_after(step, update_probability=0.3) != [0.0, 1.0] for step in range(1, 401))
    assert abs(moved - 120) < 5 * 9.2
