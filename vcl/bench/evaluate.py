"""What measuring a video adds to decoding it."""

import hashlib
from collections.abc import Callable
from typing import Any

from vcl.bench.subjects import closed_ledger, noise
from vcl.bench.table import Table, rows_of, setting_of
from vcl.bench.timing import Subject, take_turns, timed
from vcl.config import RunConfig
from vcl.evaluate import measure_video
from vcl.render import BATCH, Decoder, Renderer
from vcl.run import prepare_device
from vcl.video.pixels import to_uint8

FRAMES = BATCH

ROUNDS = 3


def measure(config: RunConfig, rounds: int) -> Table:
    """Time decoding a video of noise alone, with rounding and hashing, and as a row of the matrix measures it."""
    device = prepare_device(config.train)
    clip, ledger = noise(config, FRAMES), closed_ledger(config)
    decoder = Decoder(Renderer.of_config(config, 1, device), ledger, [FRAMES])

    def decode() -> None:
        for _ in decoder.frames(0):
            pass

    def decode_and_hash() -> None:
        digest = hashlib.sha256()
        for frames in decoder.frames(0):
            digest.update(to_uint8(frames).contiguous().cpu().numpy().tobytes())

    work: dict[str, Callable[[], Any]] = {
        "decode": decode,
        "decode, round, hash": decode_and_hash,
        "decode, round, hash, measure": lambda: measure_video(decoder, clip, 0),
    }
    subjects: dict[str, Subject] = {name: timed(each) for name, each in work.items()}
    rows = rows_of(take_turns(subjects, rounds, device), "decode", FRAMES)
    setting = setting_of(config, device, rounds=rounds, frames=FRAMES)
    return Table("evaluate", "decoding alone", "milliseconds a frame", rows, setting)
