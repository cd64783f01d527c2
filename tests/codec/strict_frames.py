"""A small network whose numbers are the same on every machine; as a program, prints the hashes of its strict frames."""

import json
import math
import sys

import numpy as np
import torch

from vcl.backbones import build
from vcl.codec.strict import StrictNetwork, calibrate
from vcl.config import NervConfig
from vcl.subnet.ledger import Subnetwork

SIZE = (36, 56)
LENGTH = 6
SESSION = 1
SESSIONS = 3
KNOBS = {"levels": 5, "stem_width": 24, "channels": 20, "strides": (2, 2), "lower_width": 10}


def network_of(size=SIZE, **knobs):
    """A config and a subnetwork of it, three in ten weights of which are in use."""
    config = NervConfig(**{**KNOBS, **knobs})
    with torch.device("meta"):
        layout = build(config, size, SESSIONS).layout()
    numbers = np.random.Generator(np.random.Philox(13))

    def drawn(shape, gain):
        """Whole numbers of 24 bits times a power of two: no library's function has a part in them."""
        inputs = 2 * shape[2] if len(shape) == 4 and shape[3] != 3 else math.prod(shape[1:])
        whole = numbers.integers(-(2**23), 2**23 + 1, shape) * (numbers.integers(0, 10, shape) < 3)
        return torch.from_numpy(np.ldexp(whole.astype(np.float32), gain - 22 - inputs.bit_length() // 2))

    weights = {name: drawn(shape, 1) for name, shape in layout.weights.items()}
    return config, Subnetwork(weights, {name: drawn(shape, 1) for name, shape in layout.session.items()}, {})


def strict_of(config, subnetwork, size=SIZE, exponents=None, **options):
    """The network in whole numbers, by default calibrated."""
    exponents = exponents or calibrate(config, size, SESSIONS, subnetwork, SESSION, LENGTH)
    return StrictNetwork(config, size, SESSIONS, subnetwork, exponents, **options)


def hashes(threads=1, device="cpu", **knobs):
    """Of all frames, hexadecimal."""
    torch.set_num_threads(threads)
    config, subnetwork = network_of(**knobs)
    network = strict_of(config, subnetwork, device=device)
    return [frame.hex() for frame in network.frame_hashes(SESSION, LENGTH)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps([hashes(int(sys.argv[1])), hashes(int(sys.argv[1]), operator_block=1)]))
