"""What a library's numbers take in the plain way.

Weights have 8 bits, from the smallest to the largest of its layer, through zlib; each mask has one bit a weight.

    python experiments/equal_bytes/plain.py LIBRARY.vcl...
"""

import sys
import zlib
from pathlib import Path

import numpy as np

from vcl.codec.library import Library


def plain_bytes(library: Library) -> tuple[int, int]:
    """Bytes of the masks and of the rest; the scale and the offset of a layer are float32."""
    masks = others = 0
    for record in library.ledger().records():
        masks += sum(packed.numel() for packed in record.masks.values())
        for values in (*record.values.values(), *record.session.values(), *record.frame.values()):
            numbers = values.numpy().ravel()
            if numbers.size:
                lowest, span = float(numbers.min()), max(float(np.ptp(numbers)), 1e-12)
                levels = np.rint((numbers - lowest) * (255 / span)).astype(np.uint8)
                others += len(zlib.compress(levels.tobytes(), 9)) + 8
    return masks, others


if __name__ == "__main__":
    for word in sys.argv[1:]:
        path = Path(word)
        masks, others = plain_bytes(Library.open(path))
        ours, plain = path.stat().st_size, masks + others
        sys.stdout.write(f"{path.stem}: plain {plain} bytes, {masks} of masks; library {ours}, {ours / plain:.3f}\n")
