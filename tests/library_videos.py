"""Videos for libraries, and settings so small that a session takes a second."""

from fractions import Fraction

import torch
from on_device import DEVICE

from vcl.library import decode
from vcl.video.write import write_video

SMALL = [
    *("train.epochs=2", "train.batch=2", "train.threads=1", "train.checkpoint_seconds=0", f"train.device={DEVICE}"),
    *("backbone.levels=6", "backbone.stem_width=12", "backbone.channels=6", "backbone.lower_width=4"),
]


def own_videos(stream, names=("clip0", "clip1", "clip2")):
    """Paths of the tiny clips, folders of frames of 32 x 48."""
    return [f"{stream['root']}/{name}" for name in names]


def save(path, frames, rate=25):
    """Write frames ``(T, 3, H, W)`` uint8 as a video file that keeps every pixel."""
    write_video(path, iter([torch.from_numpy(frames)]), Fraction(rate))
    return path


def frames_of(library, session):
    return torch.cat(list(decode(library, session))).numpy()


class Stop(Exception):
    """What a test stops a compilation with."""
