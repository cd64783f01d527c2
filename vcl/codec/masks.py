"""Masks as a section of bytes, coded by conditional probabilities given a context that the decoder has, too.

A section is: a byte for each context that occurs, in ascending order, and a stream of symbols (``rans``). Bit 7 of the
byte says whether ones are the majority, and are taken for zeros in what follows. Bits 0 to 6 are the level of the
probability of a one: 0 where there is none, and else ``max(1, level**2 * 2**13 // 127**2)`` of 2**14. Such steps cost
the same at any probability, at most 0.0002 bits an entry.

Entries of contexts with a level above 0, sorted by context and otherwise in their order, are cut into groups, and zeros
fill up the last group of a context. A group is one symbol, its first entry the lowest bit, coded by the table of its
context.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcl.codec.rans import decode, encode
from vcl.codec.tables import PRECISION, TOTAL, normalise
from vcl.errors import BitstreamError, VclError

MAX_CONTEXTS = 256

_MAJORITY = 1 << 7
_MAX_LEVEL = _MAJORITY - 1
_GROUP_SIZES = ((TOTAL >> 3, 8), (TOTAL >> 5, 6), (0, 4))
"""Probability of a one, of 2**14, from which on a group has so many entries. No frequency is below 1: where ones are
rare, a table of many improbable groups would take too much from the others."""


def pack_mask(mask: NDArray[np.bool_], context: NDArray[np.uint8], contexts: int = MAX_CONTEXTS) -> bytes:
    """Code a mask by how often its entries are set in each context, as ``pack_masks``."""
    return pack_masks([mask], [context], contexts)


def unpack_mask(
    data: bytes | memoryview, context: NDArray[np.uint8], contexts: int = MAX_CONTEXTS
) -> NDArray[np.bool_]:
    """The mask of a section, as ``unpack_masks``."""
    return unpack_masks(data, [context], contexts)[0][0]


def pack_masks(
    masks: Sequence[NDArray[np.bool_]], contexts: Sequence[NDArray[np.uint8]], most: int = MAX_CONTEXTS
) -> bytes:
    """Code masks in one stream, each by how often its entries are set in each context.

    Args:
        masks: any shapes, in C order.
        contexts: of the same shapes, in [0, most).
        most: contexts that there are, from 1 to 256.

    Returns:
        A section; without entries no bytes.

    Raises:
        VclError: the shapes differ, or a context is out of range.
    """
    runs: list[NDArray[np.bool_]] = []
    for mask, context in zip(masks, contexts, strict=True):
        if mask.shape != context.shape:
            raise VclError(f"a mask and its contexts must have one shape, got {mask.shape} and {context.shape}")
        order, sizes = _sorted(context, most)
        runs += _runs(mask.ravel()[order], sizes)
    codes = bytes(_code(int(run.sum()), run.size) for run in runs)
    mixed = [(code, run) for code, run in zip(codes, runs, strict=True) if code & _MAX_LEVEL]
    if not mixed:
        return codes
    groups = [_group(run ^ (code >= _MAJORITY), _group_size(code)) for code, run in mixed]
    frequencies, tables = _tables([code for code, _ in mixed], [group.size for group in groups])
    return codes + encode(np.concatenate(groups), frequencies, tables)


def unpack_masks(
    data: bytes | memoryview, contexts: Sequence[NDArray[np.uint8]], most: int = MAX_CONTEXTS
) -> tuple[list[NDArray[np.bool_]], list[float]]:
    """The masks of a section; ``data`` ends where the section ends.

    A section carries no checksum. Damage to its probabilities or its stream that does not show in the end of the stream
    gives other masks of the same shapes.

    Args:
        data: what ``pack_masks`` returned.
        contexts: those of the encoder.
        most: that of the encoder.

    Returns:
        Masks of the shapes of ``contexts``, and the bits that each of them took, without their probabilities.

    Raises:
        BitstreamError: this is no section of masks with these contexts.
        VclError: a context is out of range.
    """
    sorts = [_sorted(context, most) for context in contexts]
    sizes = [size for _, of_mask in sorts for size in of_mask]
    if len(data) < len(sizes):
        raise BitstreamError(f"a mask has a probability for each of {len(sizes)} contexts, got {len(data)} bytes")
    codes = bytes(data[: len(sizes)])
    mixed = [(code, size) for code, size in zip(codes, sizes, strict=True) if code & _MAX_LEVEL]
    lengths = [-(-size // _group_size(code)) for code, size in mixed]
    frequencies, tables = _tables([code for code, _ in mixed], lengths)
    symbols = decode(data[len(sizes) :], sum(lengths), frequencies, tables)
    groups = iter(_runs(symbols.astype(np.uint8), lengths))
    masks, bits, of_run = [], [], iter(codes)
    for context, (order, of_mask) in zip(contexts, sorts, strict=True):
        entries, spent = np.empty(context.size, bool), 0.0
        for run in _runs(entries, of_mask):
            code = next(of_run)
            rare = _ungroup(next(groups), _group_size(code), run.size) if code & _MAX_LEVEL else np.zeros(1, bool)
            spent += _bits(code, int(rare.sum()), run.size)
            run[:] = rare ^ (code >= _MAJORITY)
        mask = np.empty_like(entries)
        mask[order] = entries
        masks.append(mask.reshape(context.shape))
        bits.append(spent)
    return masks, bits


def mask_bits(mask: NDArray[np.bool_], context: NDArray[np.uint8]) -> float:
    """About what a mask takes given its contexts, their probabilities included."""
    flat = context.ravel()
    ones = np.bincount(flat[mask.ravel()], minlength=MAX_CONTEXTS)
    sizes = np.bincount(flat, minlength=MAX_CONTEXTS)
    return sum(
        8 + _bits(_code(rare, size), min(rare, size - rare), size)
        for rare, size in zip(ones.tolist(), sizes.tolist(), strict=True)
        if size
    )


def _sorted(context: NDArray[np.uint8], contexts: int) -> tuple[NDArray[np.intp], list[int]]:
    """Positions of entries sorted by context, and the number of entries of each context that occurs."""
    if not 1 <= contexts <= MAX_CONTEXTS:
        raise VclError(f"a mask has 1 to {MAX_CONTEXTS} contexts, got {contexts}")
    if context.size and not 0 <= context.min() <= context.max() < contexts:
        raise VclError(f"contexts of a mask must lie in [0, {contexts}), got {context.min()} to {context.max()}")
    flat = context.ravel().astype(np.uint8, copy=False)
    sizes = np.bincount(flat)
    return np.argsort(flat, kind="stable"), sizes[sizes > 0].tolist()


def _runs(values: NDArray[Any], sizes: list[int]) -> list[NDArray[Any]]:
    return [values[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]


def _code(ones: int, size: int) -> int:
    """The byte of a context: whether ones are the majority, and the level next to the share of the rarer value."""
    majority = 2 * ones > size
    rare = size - ones if majority else ones
    level = math.isqrt(8 * _MAX_LEVEL**2 * rare // size) + 1 >> 1
    return majority * _MAJORITY | (max(1, level) if rare else 0)


def _probability(code: int) -> int:
    level = code & _MAX_LEVEL
    return max(1, level**2 * (TOTAL >> 1) // _MAX_LEVEL**2)


def _group_size(code: int) -> int:
    return next(size for least, size in _GROUP_SIZES if _probability(code) >= least)


def _bits(code: int, rare: int, size: int) -> float:
    """Bits of a run of ``size`` entries of which ``rare`` have the rarer value."""
    if not code & _MAX_LEVEL:
        return 0.0
    one = _probability(code)
    return size * PRECISION - rare * math.log2(one) - (size - rare) * math.log2(TOTAL - one)


def _tables(codes: Sequence[int], lengths: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Frequencies of the codes that occur, and for every group of all runs the row of its code."""
    distinct = sorted({code & _MAX_LEVEL for code in codes})
    rows = np.searchsorted(distinct, [code & _MAX_LEVEL for code in codes])
    return _frequencies(distinct), np.repeat(rows, np.array(lengths, np.int64))


def _frequencies(codes: Iterable[int]) -> NDArray[np.int64]:
    """Frequencies of groups, int64[contexts, 256]."""
    return np.array([_group_frequencies(_probability(code)) for code in codes], np.int64).reshape(-1, 256)


@lru_cache(maxsize=_MAJORITY)
def _group_frequencies(one: int) -> NDArray[np.int64]:
    """Frequencies of groups, int64[256], in proportion to their probabilities in units of about 2**-28.

    The probability of ``size`` entries with ``ones`` ones is ``one**ones * (2**14 - one)**(size - ones)``, and 1 at
    least.
    """
    size = next(size for least, size in _GROUP_SIZES if one >= least)
    weights = [one**ones * (TOTAL - one) ** (size - ones) >> PRECISION * (size - 2) for ones in range(size + 1)]
    groups = [max(1, weights[bin(group).count("1")]) for group in range(1 << size)]
    return np.pad(normalise(np.array(groups, np.int64)), (0, 256 - len(groups)))


def _group(run: NDArray[np.bool_], size: int) -> NDArray[np.uint8]:
    """Entries as symbols of ``size`` bits, the first entry lowest."""
    whole = np.pad(run, (0, -run.size % size)).reshape(-1, size)
    return np.packbits(whole, axis=1, bitorder="little").ravel()


def _ungroup(groups: NDArray[np.uint8], size: int, count: int) -> NDArray[np.bool_]:
    """The first ``count`` entries of symbols."""
    entries = np.unpackbits(groups[:, None], axis=1, count=size, bitorder="little")
    return entries.ravel()[:count].astype(bool)
