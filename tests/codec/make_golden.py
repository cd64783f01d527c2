"""Makes ``golden/library_1.vcl``: two short videos in one network, learned by PFNR with integers, and strict frames.

Run it again only for a new version of the format, with another number in the file's name: a golden file never changes.
From the root of the repository: ``PYTHONPATH=.:tests python -m codec.make_golden``.
"""

import hashlib
import tempfile
from pathlib import Path

import numpy as np

from vcl import config as configs
from vcl.export import export
from vcl.run import run_clips
from vcl.video.cache import Clip

PATH = Path(__file__).parent / "golden" / "library_1.vcl"

CONFIG = {
    "stream": {"size": [16, 24]},
    "backbone": {
        "levels": 5,
        "stem_width": 8,
        "channels": 6,
        "strides": [2, 2],
        "lower_width": 5,
        "operator_block": 1,
    },
    "method": {"name": "pfnr", "bits": 5},
    "train": {"epochs": 40, "batch": 1, "lr": 5e-3, "threads": 1, "seed": 3},
    "wandb": {"mode": "disabled"},
}


def clip(name, frames, turn):
    """A clip of 16 x 24 coloured stripes that drift, at an angle of ``turn`` radians."""
    t, y, x = np.meshgrid(np.arange(frames), np.linspace(0, 1, 16), np.linspace(0, 1, 24), indexing="ij")
    waves = [np.sin(5 * (x * np.cos(turn) + y * np.sin(turn)) + 0.5 * t + colour) for colour in range(3)]
    levels = np.ascontiguousarray(np.round(127.5 + 100 * np.stack(waves, axis=1)).astype(np.uint8))
    return Clip(name, levels, hashlib.sha256(levels.tobytes()).hexdigest())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        clips = [clip("drift", 4, 0.3), clip("rise", 3, 1.4)]
        export(run_clips(configs.from_dict(CONFIG), clips, Path(folder) / "run"), PATH, overwrite=True)
