"""Coding of quantised weights and of masks, against zlib and against their entropy."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcl import backbones
from vcl.codec.masks import pack_mask, unpack_mask
from vcl.codec.symbols import pack_integers, unpack_integers
from vcl.config import RunConfig
from vcl.device import prepared
from vcl.layers.init import DRAWN_BITS
from vcl.profiling.table import Row, Table, setting_of
from vcl.profiling.timing import Measured, take_turns, timed

BITS = 4, 6, 8
CAPACITIES = 0.1, 0.3, 0.5

ROUNDS = 5


@dataclass(frozen=True)
class Coder:
    """A coder, and symbols to code.

    Args:
        entropy: of the symbols, empirical, in the mask's contexts where it has any, bits.
        write: gives their bytes.
        read: takes these bytes.
    """

    entropy: float
    write: Callable[[], bytes]
    read: Callable[[bytes], Any]


def measure(config: RunConfig, rounds: int) -> Table:
    """Time writing and reading of as many integers, or entries of a mask, as the network has weights.

    Weights follow a normal or a Laplace distribution. Masks are drawn by chance; the last one are the highest scores
    after training has moved them, coded given the initial ones.
    """
    config, device = prepared(config)
    count = sum(math.prod(shape) for shape in backbones.of_run(config, 1).shapes().values())
    rng = np.random.default_rng(config.train.seed)
    coders: dict[str, Coder] = {}
    for name, draw in _draws(rng).items():
        for bits in BITS:
            coders |= _weights(f"{name} {bits} bit", draw(count), bits)
    for capacity in CAPACITIES:
        coders |= _mask(f"mask {capacity}", rng.random(count) < capacity, np.zeros(count, np.uint8))
    coders |= _mask("mask 0.3, initial scores", *_learned_mask(rng, count))
    sections = {name: coder.write() for name, coder in coders.items()}
    writing = {f"{name} writes": timed(coder.write) for name, coder in coders.items()}
    reading = {f"{name} reads": timed(partial(coder.read, sections[name])) for name, coder in coders.items()}
    measured = take_turns({**writing, **reading}, rounds)
    times = {name: (measured[f"{name} writes"], measured[f"{name} reads"]) for name in coders}
    rows = []
    for name, coder in coders.items():
        theirs = times[name.replace(": vcl", ": zlib")]
        rows.append(coder_row(name, count, len(sections[name]), coder.entropy, times[name], theirs))
    setting = setting_of(config, device, rounds=rounds, symbols=count)
    return Table("codec", "zlib at level 9 on the same symbols", "milliseconds to write and read", tuple(rows), setting)


def _draws(rng: np.random.Generator) -> dict[str, Callable[[int], NDArray[np.float64]]]:
    """Distributions of weights; their largest magnitude is about 1."""
    return {
        "Gauss": lambda count: rng.normal(scale=1 / 4, size=count),
        "Laplace": lambda count: rng.laplace(scale=1 / 8, size=count),
    }


def _weights(name: str, weights: NDArray[np.float64], bits: int) -> dict[str, Coder]:
    """Coders of weights as signed integers of so many bits; zlib has a byte for each."""
    highest = 2 ** (bits - 1) - 1
    values = np.rint(weights * highest).clip(-highest, highest).astype(np.int8)
    ours = Coder(_entropy(values), partial(pack_integers, values), partial(unpack_integers, count=values.size))
    return {f"{name}: zlib": _zlib(values.tobytes(), ours.entropy), f"{name}: vcl": ours}


def _mask(name: str, mask: NDArray[np.bool_], context: NDArray[np.uint8]) -> dict[str, Coder]:
    """Coders of a mask; zlib has a byte for eight entries."""
    contexts = int(context.max()) + 1
    entropy = sum(_entropy(mask[context == number]) for number in range(contexts))
    write = partial(pack_mask, mask, context, contexts)
    ours = Coder(entropy, write, partial(unpack_mask, context=context, contexts=contexts))
    return {f"{name}: zlib": _zlib(np.packbits(mask).tobytes(), entropy), f"{name}: vcl": ours}


def _zlib(raw: bytes, entropy: float) -> Coder:
    return Coder(entropy, partial(zlib.compress, raw, 9), zlib.decompress)


def _learned_mask(rng: np.random.Generator, count: int) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """The highest 30 % of scores, of which two thirds are among the highest initial ones, too; and bins of these."""
    initial = rng.integers(0, 1 << DRAWN_BITS, count)
    scores = initial / (1 << DRAWN_BITS) + rng.normal(scale=0.25, size=count)
    return scores > np.quantile(scores, 0.7), (initial >> (DRAWN_BITS - 5)).astype(np.uint8)


def _entropy(symbols: NDArray[Any]) -> float:
    """Empirical entropy of all symbols together, bits."""
    counts = np.unique(symbols, return_counts=True)[1]
    return float((counts * np.log2(symbols.size / counts)).sum())


def coder_row(
    name: str,
    count: int,
    size: int,
    entropy: float,
    times: tuple[Measured, Measured],
    theirs: tuple[Measured, Measured],
) -> Row:
    """Times to write and read, together and apart, and the size in bytes, of so many symbols."""
    wall, their_wall = (np.add(writes.wall, reads.wall) for writes, reads in (times, theirs))
    cpu, their_cpu = (np.add(writes.cpu, reads.cpu) for writes, reads in (times, theirs))
    more = {
        "bits_per_symbol": 8 * size / count,
        "percent_over_entropy": 100 * (8 * size / entropy - 1),
        "million_written_per_cpu_second": count / min(times[0].cpu) / 1e6,
        "million_read_per_cpu_second": count / min(times[1].cpu) / 1e6,
    }
    milliseconds = 1e3 * float(np.median(wall))
    return Row(name, milliseconds, float(np.median(wall / their_wall)), float(np.median(cpu / their_cpu)), more=more)
