from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vcl.config import (
    BufferConfig,
    ReplayConfig,
)
from vcl.errors import ConfigError
from vcl.query import Output, Query
from vcl.report.summary import summarise
from vcl.sessions.methods.icarl import herded
from vcl.sessions.rehearsal import Reservoir, balanced, decoded


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


def test_what_a_network_makes_of_frames_is_rounded_and_clamped_like_every_decoded_frame():
    strategy = SimpleNamespace(
        ask=lambda network, query: Output(torch.tensor([[-0.01, 0.5, 1.01]]).repeat(len(query), 1))
    )
    assert decoded(strategy, None, Query.of_video(0, range(5), 5)).tolist() == [[0, 128, 255]] * 5


def test_a_reservoir_and_a_balanced_buffer_are_both_to_be_had(ran):
    balanced_run = ran("replay", {"buffer": 2}, "balanced").read_session(1)[0]["buffer/query"]
    reservoir_run = ran("replay", {"buffer": 2, "policy": "reservoir"}, "reservoir").read_session(1)[0]
    assert sorted(balanced_run[:, 0].tolist()) == [0, 1]
    assert int(reservoir_run["buffer/seen"]) == 9
    assert ReplayConfig().policy == "balanced"
