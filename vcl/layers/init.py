"""Random numbers that depend on what they are for, and on nothing drawn before.

A run that is killed and goes on must draw what an undisturbed run draws, so every draw has a generator of its own,
seeded by its purpose. Only ``torch.rand`` and ``torch.randperm`` are used: they give the same values on every CPU,
which ``torch.randn`` and ``kaiming_uniform_`` do not.
"""

import hashlib
import math

import torch
from torch import Tensor


def generator(*purpose: int | str) -> torch.Generator:
    """A CPU generator for one purpose, such as ``generator(seed, "score", session, name)``."""
    digest = hashlib.sha256(repr(purpose).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big"))


@torch.no_grad()
def fill_uniform(target: Tensor, fan_in: float, source: torch.Generator, gain: float = 1 / 3) -> None:
    """Fill ``target`` evenly around 0 with numbers of variance ``gain / fan_in``.

    Args:
        target: any shape, any device.
        fan_in: inputs that feed one output.
        source: a CPU generator, so that every device gets the same numbers.
        gain: the default is Kaiming's uniform rule with a = √5, whose bounds are ±1/√fan_in.
    """
    bound = math.sqrt(3 * gain) / math.sqrt(fan_in)
    target.copy_(torch.rand(target.shape, generator=source).mul_(2).sub_(1).mul_(bound))
