from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from vcl.config import (
    EwcConfig,
)
from vcl.errors import TrainingError
from vcl.sessions.methods.consolidation import EwcPlugin
from vcl.subnet.ledger import Ledger


def two_weights(*values):
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([values]))
    return model


def test_the_penalty_of_ewc_is_strength_times_importance_times_the_square_of_the_way_moved():
    plugin = EwcPlugin(EwcConfig(strength=2.0), Ledger({}, "shared_latest"))
    plugin.load_session_state({"importance/weight": torch.tensor([[3.0, 5.0]])}, session=1)
    strategy = SimpleNamespace(
        model=two_weights(1.0, 2.0), loss=torch.zeros(1), device="cpu", clock=SimpleNamespace(train_exp_counter=1)
    )
    plugin.saved_params[0] = {
        "weight": plugin.importances[0]["weight"].__class__("w", (1, 2), init_tensor=torch.zeros(1, 2))
    }
    plugin.before_backward(strategy)
    assert float(strategy.loss.detach()) == 2 * (3 * 1**2 + 5 * 2**2)


def test_importances_of_sessions_add_up_with_decay():
    plugin = EwcPlugin(EwcConfig(decay=0.5), Ledger({}, "shared_latest"))
    plugin.load_session_state({"importance/weight": torch.tensor([[3.0, 5.0]])}, session=1)
    new = plugin.importances[0]["weight"].__class__("w", (1, 2), init_tensor=torch.tensor([[1.0, 1.0]]))
    plugin.update_importances({"weight": new}, 1)
    assert plugin.session_state()["importance/weight"].tolist() == [[2.5, 3.5]]


def test_gauss_newton_importances_are_mean_squared_gradients_of_every_output_and_know_no_loss():
    model = nn.Linear(2, 3, bias=False)
    data = [(torch.tensor([1.0, 2.0]), torch.zeros(1)), (torch.tensor([3.0, 0.0]), torch.zeros(1))]
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    found = torch.zeros(3, 2)
    for seed in range(3):
        plugin = EwcPlugin(EwcConfig(importance="gauss_newton"), Ledger({}, "shared_latest"), seed)
        found += plugin.compute_importances(model, None, optimiser, data, "cpu", 1)["weight"].data / 3
    # Each weight feeds one output, so that its sign does not matter: x² by three outputs, mean over two frames.
    assert torch.allclose(found, torch.tensor([[(1 + 9) / 2 / 3, (4 + 0) / 2 / 3]] * 3))


def test_gauss_newton_importances_sum_the_squares_of_outputs_that_share_a_weight_on_average():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return self.w * torch.tensor([[3.0, 4.0]])

    model, data = Shared(), [(torch.zeros(1), torch.zeros(1))]
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    found = []
    for seed in range(200):
        plugin = EwcPlugin(EwcConfig(importance="gauss_newton"), Ledger({}, "shared_latest"), seed)
        found.append(float(plugin.compute_importances(model, None, optimiser, data, "cpu", 1)["w"].data))
    # (±3 ± 4)² / 2 is 24.5 or 0.5; its mean is (9 + 16) / 2, with a standard deviation of 12 for one draw.
    assert set(np.round(found, 3)) == {24.5, 0.5}
    assert abs(np.mean(found) - 12.5) < 5 * 12 / 200**0.5


def test_a_penalty_that_makes_the_loss_overflow_is_told_with_what_to_do(ran):
    with pytest.raises(
        TrainingError, match=r"session 1, epoch 0: the loss is no longer finite; .* lower method.strength"
    ):
        ran("ewc", {"strength": 1e300}, train={"epochs": 2})
