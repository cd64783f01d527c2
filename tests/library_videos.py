"""Videos for libraries, and settings so small that a session takes a second."""

from on_device import DEVICE

SMALL = [
    *("train.epochs=2", "train.batch=2", "train.threads=1", "train.checkpoint_seconds=0", f"train.device={DEVICE}"),
    *("backbone.levels=6", "backbone.stem_width=12", "backbone.channels=6", "backbone.lower_width=4"),
]


def own_videos(stream, names=("clip0", "clip1", "clip2")):
    """Paths of the tiny clips, folders of frames of 32 x 48."""
    return [f"{stream['root']}/{name}" for name in names]
