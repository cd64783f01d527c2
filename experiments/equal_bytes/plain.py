"""What a library's numbers take in the plain way.

Weights have 8 bits, from the smallest to the largest of its layer, through zlib; each mask has one bit a weight.

    python experiments/equal_bytes/plain.py LIBRARY.vcl...
"""

import sys
import zlib
from pathlib import Path

import numpy as np

from vcl.codec.encode import Draws, weight_places
from vcl.codec.library import Library
from vcl.subnet.ledger import Ledger


def bits_per_weight(library: Library) -> tuple[float, float]:
    """Entropy of the integers of a weight, layer by layer and session by session, and what the file has for one."""
    ledger, entropy, count = library.ledger(), 0.0, 0
    masked = Ledger(ledger.layout, ledger.state_kind)
    for record in ledger.records():
        masks = {name: record.mask(name, shape) for name, shape in ledger.shapes.items()} if record.masks else {}
        places = weight_places(masked, masks, Draws(0, 0))
        for name, values in record.values.items():
            steps = record.steps.get(f"weight/{name}")
            if steps is not None:
                integers = np.rint(values.numpy().ravel() / steps.numpy()[places[name].rows])
                counts = np.unique(integers, return_counts=True)[1]
                entropy += float((counts * -np.log2(counts / max(1, integers.size))).sum())
                count += integers.size
        masked.append(record)
    coded = 8 * sum(layer.get("weight", 0) for layer in library.footprint().by_layer().values())
    return entropy / max(1, count), coded / max(1, count)


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
        library = Library.open(path)
        masks, others = plain_bytes(library)
        ours, plain = path.stat().st_size, masks + others
        sys.stdout.write(f"{path.stem}: plain {plain} bytes, {masks} of masks; library {ours}, {ours / plain:.3f}\n")
        entropy, coded = bits_per_weight(library)
        sys.stdout.write(f"  bits per weight: {entropy:.2f} as integers by themselves, {coded:.2f} in the file\n")
