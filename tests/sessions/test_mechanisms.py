"""The mechanism of each method beside PFNR, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from vcl import backbones
from vcl import config as configs
from vcl.config import (
    AgemConfig,
    BufferConfig,
    EsmerConfig,
    EwcConfig,
    NervConfig,
    PacknetConfig,
    ReplayConfig,
)
from vcl.errors import ConfigError, TrainingError
from vcl.query import Output, Query
from vcl.report.summary import summarise
from vcl.sessions.methods.consolidation import EwcPlugin
from vcl.sessions.methods.esmer import EsmerPlugin, error_weights
from vcl.sessions.methods.gem import AgemPlugin
from vcl.sessions.methods.icarl import herded
from vcl.sessions.methods.packnet import PackNetPlugin
from vcl.sessions.rehearsal import Reservoir, balanced, decoded
from vcl.subnet.ledger import Ledger

# --- penalties


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


# --- buffers


def test_a_reservoir_gives_every_frame_the_same_chance():
    counts = np.zeros(10)
    for seed in range(3000):
        reservoir = Reservoir(BufferConfig("any", buffer=3), seed)
        first = reservoir.keep([], 0, 6)
        second = reservoir.keep([0, 0, 0], 1, 4)
        counts[[first[number] if number < 3 else number + 3 for number in second]] += 1
    # Three of ten: 900 each, with a standard deviation of 25.
    assert np.abs(counts - 900).max() < 5 * 25
    assert counts.sum() == 3 * 3000


def test_a_balanced_buffer_keeps_the_first_frames_of_each_video_and_the_rest_for_the_earliest():
    assert balanced([0, 0, 0, 1, 1, 2, 2, 2], 5) == [0, 1, 3, 4, 5]
    assert balanced([4, 4, 4], 2) == [0, 1]
    assert balanced([0, 1, 1, 1], 4) == [0, 1, 2]


def test_herding_takes_the_row_nearest_the_mean_then_what_brings_their_mean_nearest():
    rows = torch.tensor([[0], [10], [4], [6], [5]], dtype=torch.uint8)
    assert herded(rows[:4], 4).tolist()[:2] == [2, 3]
    assert herded(rows, 3).tolist() == [4, 2, 3]
    assert len(herded(rows, 9)) == 5


def test_a_buffer_is_stored_with_each_session_and_counted_once(ran):
    folder = ran("replay", {"buffer": 3})
    tensors = [folder.read_session(session)[0] for session in range(2)]
    assert [len(found["buffer/frame"]) for found in tensors] == [3, 3]
    assert sorted(tensors[1]["buffer/query"][:, 0].tolist()) == [0, 0, 1]
    assert summarise(folder).stored["buffer"] == 3 * 3 * 32 * 48 + 3 * 3 * 8 + 8


def test_kept_frames_are_those_of_the_video(ran, clips):
    found = ran("replay", {"buffer": 4}).read_session(1)[0]
    for (session, t, frames), frame in zip(found["buffer/query"].tolist(), found["buffer/frame"], strict=True):
        clip = clips[int(session)]
        assert frames == len(clip.frames)
        assert np.array_equal(frame.numpy(), clip.frames[int(t)])


def test_dark_replay_keeps_what_the_network_decodes_and_no_frame(ran, clips):
    folder = ran("der", {"buffer": 2})
    found = folder.read_session(0)[0]
    assert "buffer/frame" not in found
    truth = clips[0].frames[found["buffer/query"][:, 1].int().tolist()]
    error = found["buffer/output"].double().sub(torch.from_numpy(truth.astype(float))).square().mean()
    psnr = 10 * np.log10(255**2 / float(error))
    assert abs(psnr - folder.matrix()["rows"][0]["psnr"][0]) < 1.5  # Of two frames, and of all.


def test_learning_without_forgetting_keeps_nothing(ran):
    assert summarise(ran("lwf", {})).stored["buffer"] == 0


def test_a_buffer_larger_than_allowed_is_refused(tiny_config):
    with pytest.raises(
        ConfigError, match=r"method.buffer must fit into method.buffer_bytes = 9000, got 2 frames of 4,608"
    ):
        tiny_config("replay", method={"buffer": 2, "buffer_bytes": 9000})
    with pytest.raises(ConfigError, match="2 frames of 9,216 bytes"):
        tiny_config("der", method={"buffer": 2, "buffer_bytes": 10000, "truth": 1.0})


@pytest.mark.parametrize(("name", "why"), [("si", "does nothing on a CPU"), ("gdumb", "classes")])
def test_methods_that_cannot_work_are_refused_with_the_reason(name, why):
    with pytest.raises(ConfigError, match=f"method.name must be one of pfnr, .*{why}.*, got {name}"):
        configs.load(None, [f"method.name={name}"])


def test_what_a_network_makes_of_frames_is_rounded_and_clamped_like_every_decoded_frame():
    strategy = SimpleNamespace(
        ask=lambda network, query: Output(torch.tensor([[-0.01, 0.5, 1.01]]).repeat(len(query), 1))
    )
    assert decoded(strategy, None, Query.of_video(0, range(5), 5)).tolist() == [[0, 128, 255]] * 5


# --- ESMER


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


# --- gradients


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


# --- PackNet, joint, matched


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


def test_joint_training_waits_for_the_last_video_and_then_learns_all(ran):
    folder = ran("joint", {}, train={"epochs": 8, "batch": 1})
    first, last = folder.matrix()["rows"]
    assert first["psnr"] == [None, None]
    single = ran("single", {}, "single", train={"epochs": 8, "batch": 1}).matrix()["rows"][1]["psnr"]
    assert all(together > alone for together, alone in zip(last["psnr"], single, strict=True))
    found = summarise(folder)
    assert found.psnr == sum(last["psnr"]) / 2
    assert (found.backward_transfer, found.forgetting) == (None, None)


@pytest.mark.parametrize("factor", [0.2, 0.3, 1.0, 2.5])
def test_a_matched_network_takes_the_bytes_that_it_is_given(factor):
    size = ["stream.size=[180,320]", "backbone.stem_width=96", "backbone.channels=48", "backbone.strides=[5,2,2]"]
    size += ["backbone.lower_width=32", "method.name=single_matched"]
    asked = int(factor * 5_000_000)
    network = backbones.of_run(configs.load(None, [*size, f"method.session_bytes={asked}"]), 1)
    network.add_session(0)
    stored = 4 * sum(parameter.numel() for parameter in network.parameters())
    assert 0.985 * asked < stored <= asked


def test_a_network_that_cannot_be_small_enough_is_refused(tiny_config):
    with pytest.raises(ConfigError, match=r"method.session_bytes must hold the smallest network of this kind, got 10"):
        backbones.of_run(tiny_config("single_matched", method={"session_bytes": 10}), 1)


def test_a_reservoir_and_a_balanced_buffer_are_both_to_be_had(ran):
    balanced_run = ran("replay", {"buffer": 2}, "balanced").read_session(1)[0]["buffer/query"]
    reservoir_run = ran("replay", {"buffer": 2, "policy": "reservoir"}, "reservoir").read_session(1)[0]
    assert sorted(balanced_run[:, 0].tolist()) == [0, 1]
    assert int(reservoir_run["buffer/seen"]) == 9
    assert ReplayConfig().policy == "balanced"


def test_a_matched_network_whose_first_block_narrows_is_found(tiny_config):
    config = tiny_config("single_matched", method={"session_bytes": 30_000}, backbone={"expansion": 0.4})
    network = backbones.of_run(config, 1)
    assert 20_000 < 4 * sum(shape.numel() for shape in network.shapes().values()) <= 30_000
