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
def fill_uniform(target: Tensor, fan_in: int, source: torch.Generator) -> None:
    """Fill ``target`` evenly from ±1/√fan_in: Kaiming's uniform rule with a = √5, as in the paper.

    Args:
        target: any shape, any device.
        fan_in: inputs that feed one output.
        source: a CPU generator, so that every device gets the same numbers.
    """
    bound = 1 / math.sqrt(fan_in)
    target.copy_((2 * torch.rand(target.shape, generator=source) - 1) * bound)
