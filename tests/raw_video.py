"""Small raw videos, and archives of them."""

import numpy as np
import py7zr

from vcl.video.transform import Transform

SIZE = 24, 32
SMALL = Transform(12, 16)


def planes(frames, bits=8):
    """Levels ``(T, H, W)`` of random planes 4:2:0, and their bytes as a raw file holds them."""
    rng = np.random.default_rng(1)
    unit = 2 ** (bits - 8)
    luma = rng.integers(16 * unit, 236 * unit, (frames, *SIZE))
    chroma = [np.broadcast_to(rng.integers(64 * unit, 192 * unit, (frames, 1, 1)), (frames, 12, 16)) for _ in "uv"]
    kind = "<u2" if bits > 8 else "u1"
    content = b"".join(plane[t].astype(kind).tobytes() for t in range(frames) for plane in (luma, *chroma))
    return luma, *chroma, content


def pack(path, members):
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(content, name)
