"""Random numbers that depend on what they are for, and on nothing drawn before.

A run that is killed and goes on must draw what an undisturbed run draws, so every draw has a generator of its own,
seeded by its purpose. Only ``torch.rand`` and ``torch.randperm`` are used: they give the same values on every CPU,
which ``torch.randn`` and ``kaiming_uniform_`` do not. First weights and scores, which the decoder of a library draws
again, come from integers that are specified here (``drawn_integers``), whatever PyTorch does in a later version.
"""

import hashlib
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def generator(*purpose: int | str) -> torch.Generator:
    """A CPU generator for one purpose, such as ``generator(seed, "score", session, name)``."""
    return torch.Generator().manual_seed(seed_of(*purpose))


def seed_of(*purpose: int | str) -> int:
    """The seed of one purpose, in [0, 2^64)."""
    return int.from_bytes(hashlib.sha256(repr(purpose).encode()).digest()[:8], "big")


class LeaveUndrawn(TorchFunctionMode):
    """A context in which modules leave the content of new parameters undefined, to be drawn by their purpose later.

    At the size of the paper, what PyTorch draws for a network takes as long as decoding several frames.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Skip what fills a parameter at random."""
        arguments = kwargs or {}
        if func in (Tensor.uniform_, Tensor.normal_) or getattr(func, "__module__", "") == nn.init.__name__:
            target = args[0] if args else arguments["tensor"]
            if isinstance(target, nn.Parameter):
                return target
        return func(*args, **arguments)


DRAWN_BITS = 24
"""Bits of a drawn integer, so that float32 holds it exactly."""

_DRAWN_AT_ONCE = 2**14
"""Integers that are drawn together, few enough to stay in the cache."""


def drawn_values(count: int, bound: float, *purpose: int | str) -> NDArray[np.float32]:
    """Numbers evenly spread within ±bound: ``drawn_integers`` times ``bound / 2^24``, in float32."""
    return drawn_integers(count, *purpose).astype(np.float32) * np.float32(bound * 2.0**-DRAWN_BITS)


def drawn_integers(count: int, *purpose: int | str) -> NDArray[np.int32]:
    """Random integers: odd, evenly spread over ±2^24, the same on every machine for ever.

    Number i is ``2 u - 2^24 + 1``, where u are the highest 24 bits of output i of SplitMix64 seeded with
    ``seed_of(*purpose)``.

    Args:
        count: how many, by position in the tensor.
        purpose: as in ``generator``.

    Source:
        Steele, Lea and Flood, OOPSLA 2014 (SplitMix), with the constants of its 64-bit variant 13.
    """
    drawn, seed = np.empty(count, np.int32), np.uint64(seed_of(*purpose))
    for first in range(0, count, _DRAWN_AT_ONCE):
        piece = drawn[first : first + _DRAWN_AT_ONCE]
        state = np.arange(first + 1, first + 1 + piece.size, dtype=np.uint64)
        state *= np.uint64(0x9E3779B97F4A7C15)  # Unsigned integers wrap around, as is meant.
        state += seed
        state ^= state >> np.uint64(30)
        state *= np.uint64(0xBF58476D1CE4E5B9)
        state ^= state >> np.uint64(27)
        state *= np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
        piece[:] = state >> np.uint64(64 - DRAWN_BITS)
    drawn *= 2
    drawn -= np.int32(2**DRAWN_BITS - 1)
    return drawn


@torch.no_grad()
def fill_uniform(target: Tensor, fan_in: float, source: torch.Generator) -> None:
    """Fill ``target`` evenly within ±1/√fan_in, as Kaiming's uniform rule with a = √5 does.

    Args:
        target: any shape, any device.
        fan_in: inputs that feed one output.
        source: a CPU generator, so that every device gets the same numbers.
    """
    target.copy_(torch.rand(target.shape, generator=source).mul_(2).sub_(1).mul_(1 / math.sqrt(fan_in)))
