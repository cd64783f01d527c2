"""The time that measuring a video adds to decoding it."""

import hashlib
from collections.abc import Callable
from typing import Any

from vcl import backbones
from vcl.config import RunConfig
from vcl.device import prepared
from vcl.evaluate import measure_video
from vcl.profiling.subjects import closed_ledger, noise
from vcl.profiling.table import Table, rows_of, setting_of
from vcl.profiling.timing import Subject, take_turns, timed
from vcl.render import BATCH, Renderer
from vcl.video.pixels import to_uint8

FRAMES = BATCH

ROUNDS = 3


def measure(config: RunConfig, rounds: int) -> Table:
    """Time decoding of a video of noise: alone, with rounding and hashing, and with all metrics as in a row."""
    config, device = prepared(config)
    clip, renderer = noise(config, FRAMES), Renderer(backbones.of_run(config, 1).to(device))
    renderer.load(closed_ledger(config, device=device).subnetwork(0))

    def decode() -> None:
        for _ in renderer.frames(0, FRAMES):
            pass

    def decode_and_hash() -> None:
        digest = hashlib.sha256()
        for frames in renderer.frames(0, FRAMES):
            digest.update(to_uint8(frames).contiguous().cpu().numpy().tobytes())

    work: dict[str, Callable[[], Any]] = {
        "decode": decode,
        "decode, round, hash": decode_and_hash,
        "decode, round, hash, measure": lambda: measure_video(renderer.frames(0, FRAMES), clip),
    }
    subjects: dict[str, Subject] = {name: timed(function) for name, function in work.items()}
    rows = rows_of(take_turns(subjects, rounds, device), "decode", FRAMES)
    setting = setting_of(config, device, rounds=rounds, frames=FRAMES)
    return Table("evaluate", "decoding alone", "milliseconds per frame", rows, setting)
