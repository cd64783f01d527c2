"""A stream so small that a session takes a second."""

import hashlib
import json
import logging
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from library_videos import SMALL as SMALL_LIBRARY
from library_videos import own_videos
from on_device import DEVICE, refuse_unknown_device
from small_backbones import SMALL

from vcl import config as configs
from vcl.config.backbones import BACKBONES
from vcl.config.benchmarks import BENCHMARKS
from vcl.config.methods import METHODS
from vcl.config.train import TrainConfig
from vcl.device import prepare_device
from vcl.video.cache import Clip
from vcl.video.pixels import write_png

pytest_plugins = ["report_fixtures", "video_fixtures"]

TINY = {
    "stream": {"size": [32, 48]},
    "train": {"recipe": "paper", "epochs": 3, "batch": 2, "lr": 5e-3, "threads": 1, "device": str(DEVICE)},
    "wandb": {"mode": "disabled"},
}


def pytest_configure():
    """Refuse a device that is not here before tests are collected; spare the disk; interpret kernels without CUDA."""
    refuse_unknown_device()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ignored in the background of a script, and inherited.
    os.fsync = lambda descriptor: None  # No test cuts the power, and a tiny run would mostly wait for the disk.
    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = "1"  # Read when Triton is imported.


def pytest_collection_modifyitems(items):
    """Skip what needs a GPU where there is none, and what is about the CPU where tests run on another device."""
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
        if item.get_closest_marker("cpu") and DEVICE.type != "cpu":
            item.add_marker(pytest.mark.skip(reason="is about the CPU"))


@pytest.fixture(autouse=True)
def process_settings():
    """A seed and one thread, and none of the settings that a command makes for its whole process but the device's."""
    torch.manual_seed(0)
    prepare_device(TrainConfig(device=str(DEVICE), threads=1))
    logger = logging.getLogger("vcl")
    level = logger.level
    yield
    logger.setLevel(level)


def moving_wave(frames, turn):
    """``(T, 3, 32, 48)`` uint8: stripes that drift, at another angle for each clip."""
    t, y, x = np.meshgrid(np.arange(frames), np.linspace(0, 1, 32), np.linspace(0, 1, 48), indexing="ij")
    waves = [np.sin(6 * (x * np.cos(turn) + y * np.sin(turn)) + 0.4 * t + colour) for colour in range(3)]
    return np.ascontiguousarray(np.round(127.5 + 100 * np.stack(waves, axis=1)).astype(np.uint8))


@pytest.fixture(autouse=True)
def registries(monkeypatch):
    """What a test registers is gone after it."""
    for registry in (METHODS, BACKBONES, BENCHMARKS):
        monkeypatch.setattr(registry, "known", registry.known.copy())
    for registry in (METHODS, BACKBONES):
        monkeypatch.setattr(registry.implementations, "data", registry.implementations.data.copy())


@pytest.fixture(scope="session")
def clips():
    """Three clips of unequal length."""
    made = []
    for number, length in enumerate((5, 4, 6)):
        frames = moving_wave(length, number)
        made.append(Clip(f"clip{number}", frames, hashlib.sha256(frames.tobytes()).hexdigest()))
    return made


@pytest.fixture(scope="session")
def tiny_config():
    """Call with a method's name and ``section={...}`` changes; gives a ``RunConfig``."""

    def make(name="pfnr", **sections):
        backbone = sections.pop("backbone", {})
        values = {section: {**knobs, **sections.pop(section, {})} for section, knobs in TINY.items()}
        values["backbone"] = {**SMALL[backbone.get("name", "nerv")], **backbone}
        values["method"] = {"name": name, **sections.pop("method", {})}
        if name == "pfnr":
            values["backbone"].setdefault("operator_block", 1)
        return configs.from_dict({**values, **sections})

    return make


@pytest.fixture(scope="session")
def stream(tmp_path_factory, clips):
    """The ``stream`` section of a config that reads the tiny clips from folders of PNGs."""
    root = tmp_path_factory.mktemp("stream")
    for clip in clips:
        folder = root / "videos" / clip.name
        folder.mkdir(parents=True)
        for t, frame in enumerate(clip.frames):
            write_png(folder / f"{t}.png", frame)
    return {"benchmark": "folder", "root": str(root / "videos"), "cache": str(root / "cache")}


@pytest.fixture
def clip_cache(monkeypatch, stream):
    """The cache of the tiny clips, in which they may be already."""
    monkeypatch.setenv("VCL_CACHE", stream["cache"])


@pytest.fixture
def clip_paths(stream, clip_cache):
    """Paths of the tiny clips, for libraries."""
    return own_videos(stream)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory, stream):
    """A library of the three clips, which is not to be changed."""
    from vcl.library import compile

    path = tmp_path_factory.mktemp("compiled") / "library.vcl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VCL_CACHE", stream["cache"])
        compile(own_videos(stream), path, settings=SMALL_LIBRARY)
    return path


@pytest.fixture
def library(compiled, tmp_path):
    """A copy of the library of the three clips."""
    return Path(shutil.copy(compiled, tmp_path / "library.vcl"))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, tiny_config, stream):
    """Call with a method's name and changes to the tiny config; gives the config and the finished folder.

    Equal calls share one run, so the folder must not be changed.
    """
    from vcl.run import run

    runs = {}

    def make(name="pfnr", **sections):
        key = json.dumps([name, sections], sort_keys=True)
        if key not in runs:
            config = tiny_config(name, stream=stream, **sections)
            runs[key] = config, run(config, tmp_path_factory.mktemp("finished") / name)
        return runs[key]

    return make
