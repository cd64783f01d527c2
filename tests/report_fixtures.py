import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_run import NAMES, PSNR, SIZE, T, a_matrix, fill
from published_numbers import VIDEOS

from vcl.config import FinetuneConfig, NervConfig, RunConfig, StreamConfig, TrainConfig, WsnConfig
from vcl.report.comparison import compare_runs
from vcl.rundir import RunFolder


@pytest.fixture
def make_run(tmp_path):
    def make(
        name="run",
        method=None,
        psnr=PSNR,
        done=None,
        size=SIZE,
        state_kind="shared_masked",
        scale=1,
        names=None,
        **sections,
    ):
        config = RunConfig(stream=StreamConfig(size=size, frames=T), method=method or WsnConfig(capacity=0.3))
        config = dataclasses.replace(config, **sections)
        with RunFolder.opened(tmp_path / name, config) as folder:
            fill(folder, a_matrix(psnr, done, size, names), state_kind, scale)
        return folder

    return make


@pytest.fixture
def masked(make_run):
    return make_run()


@pytest.fixture
def dense(make_run):
    return make_run("dense", FinetuneConfig(), state_kind="shared_latest")


@pytest.fixture
def videos(monkeypatch):
    """Videos and a decoder in the place of the real ones; decoded frames are 0.05 darker, and once more a session."""
    draw = np.random.default_rng(0)
    clips = [
        SimpleNamespace(name=n, sha256=n, frames=draw.integers(90, 200, (T, 3, *SIZE), dtype=np.uint8))
        for n in NAMES[: len(PSNR)]
    ]
    for clip in clips:
        clip.frames.flags.writeable = False

    class FakeDecoder:
        def __init__(self, folder, state):
            self.state = state
            self.videos = [folder.session_notes(session) for session in range(state + 1)]

        @classmethod
        def of_run(cls, folder, state):
            assert state < folder.sessions()
            return cls(folder, state)

        def frame(self, video, t):
            truth = torch.from_numpy(np.array(clips[video].frames[t])).float() / 255
            return truth - 0.05 * (1 + self.state - video)

    monkeypatch.setattr("vcl.report.figures.frames.open_stream", lambda config, appended: clips)
    monkeypatch.setattr("vcl.report.figures.frames.Decoder", FakeDecoder)
    return clips


@pytest.fixture
def published_runs(tmp_path):
    """Call with what differs from the source of ``published_numbers``; returns the runs of one comparison."""

    def make(method=None, stream=None, train=None, backbone=None, names=VIDEOS, done=None, runs=("run",)):
        folders = []
        for seed, name in enumerate(runs):
            config = RunConfig(
                stream=StreamConfig(**{"benchmark": "uvg17", "size": SIZE, **(stream or {})}),
                train=TrainConfig(**{"seed": seed, "epochs": 150, "lr": 5e-4, **(train or {})}),
                method=method or WsnConfig(),
                backbone=backbone or NervConfig(),
            )
            psnr = [[None if cell is None else cell + seed for cell in row] for row in PSNR]
            with RunFolder.opened(tmp_path / name, config) as folder:
                fill(folder, a_matrix(psnr, done, config.stream.size, names))
            folders.append(folder)
        return compare_runs(folders).groups

    return make
