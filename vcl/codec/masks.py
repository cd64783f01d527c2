"""Masks as a section of bytes, coded by conditional probabilities given a context that the decoder has, too.

A section is: a byte for each context that occurs, in ascending order, and a stream of symbols (``rans``). Of the byte, bit 7
says whether ones are the majority, and are taken for zeros in what follows; bits 0 to 6 are the level of the probability of
a one, 0 where there is none. A level ``l`` means ``max(1, l*l * 2**13 // 127**2)`` of 2**14: steps as fine as they have to be
for a cost that is the same everywhere. Entries of the contexts with a level above 0, sorted by context and otherwise in
their order, are cut into groups; the last group of a context is filled up with zeros. A group is a symbol, its first entry
the lowest bit, and symbols are coded by the table of their context. Without any there is no stream.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vcl.codec.rans import decode, encode
from vcl.codec.tables import PRECISION, TOTAL, normalise
from vcl.errors import BitstreamError, VclError

MAX_CONTEXTS = 256

SCORE_BITS = 24
"""Initial scores are uniform integers in ``[0, 2**SCORE_BITS)``."""

_MAJORITY = 1 << 7
_LEVELS = _MAJORITY - 1
_LEAST_FOR_EIGHT = TOTAL >> 3
"""Probability of a one from which on groups have eight entries, else four: no symbol has a frequency below 1, so of groups
with rare ones few may be possible."""


def score_context(initial: NDArray[np.integer], bins: int = 32) -> NDArray[np.uint8]:
    """Bins of equal width over the initial scores, a context from which a mask can be foretold.

    Args:
        initial: any shape, integers in [0, 2**24).
        bins: a power of two up to 256.

    Returns:
        uint8 of the same shape, in [0, bins).

    Raises:
        VclError: the bins or a score are out of range.
    """
    if not 1 <= bins <= MAX_CONTEXTS or bins & (bins - 1):
        raise VclError(f"bins must be a power of two up to {MAX_CONTEXTS}, got {bins}")
    if initial.size and not 0 <= initial.min() <= initial.max() < 1 << SCORE_BITS:
        raise VclError(f"initial scores must lie in [0, 2**{SCORE_BITS}), got {initial.min()} to {initial.max()}")
    return (initial >> (SCORE_BITS - bins.bit_length() + 1)).astype(np.uint8)


def pack_mask(mask: NDArray[np.bool_], context: NDArray[np.uint8], contexts: int) -> bytes:
    """Code a mask by how often its entries are set in each context.

    Args:
        mask: any shape, in C order.
        context: of the same shape, in [0, contexts).
        contexts: how many there are, from 1 to 256.

    Returns:
        A section; without entries no bytes.

    Raises:
        VclError: the shapes differ, or a context is out of range.
    """
    if mask.shape != context.shape:
        raise VclError(f"a mask and its contexts must have one shape, got {mask.shape} and {context.shape}")
    order, sizes = _sorted(context, contexts)
    runs = np.split(mask.ravel()[order], np.cumsum(sizes)[:-1])
    codes = [_code(int(run.sum()), run.size) for run in runs if run.size]
    coded = [(code, run) for code, run in zip(codes, (run for run in runs if run.size), strict=True) if code & _LEVELS]
    probabilities = bytes(codes)
    if not coded:
        return probabilities
    groups = [_group(run ^ (code >= _MAJORITY), _group_size(code)) for code, run in coded]
    which = np.repeat(np.arange(len(groups)), [group.size for group in groups])
    return probabilities + encode(np.concatenate(groups), _tables([code for code, _ in coded]), which)


def unpack_mask(data: bytes | memoryview, context: NDArray[np.uint8], contexts: int) -> NDArray[np.bool_]:
    """The mask of a section; ``data`` ends where the section ends.

    A section carries no checksum. Damage that its stream does not show gives another mask of the same shape.

    Args:
        data: what ``pack_mask`` returned.
        context: that of the encoder.
        contexts: that of the encoder.

    Returns:
        bool, of the shape of ``context``.

    Raises:
        BitstreamError: this is no section of a mask with these contexts.
        VclError: a context is out of range.
    """
    order, sizes = _sorted(context, contexts)
    used = sizes[sizes > 0].tolist()
    if len(data) < len(used):
        raise BitstreamError(f"a mask has a probability for each of {len(used)} contexts, got {len(data)} bytes")
    codes = list(data[: len(used)])
    coded = [(code, _group_size(code), size) for code, size in zip(codes, used, strict=True) if code & _LEVELS]
    lengths = [-(-size // group) for _, group, size in coded]
    which = np.repeat(np.arange(len(coded)), lengths)
    symbols = decode(data[len(used) :], sum(lengths), _tables([code for code, _, _ in coded]), which)
    groups = iter(np.split(symbols.astype(np.uint8), np.cumsum(lengths)[:-1]))
    runs = [
        _ungroup(next(groups), _group_size(code), size) if code & _LEVELS else np.zeros(size, bool)
        for code, size in zip(codes, used, strict=True)
    ]
    mask = np.empty(context.size, bool)
    for code, run, entries in zip(codes, runs, np.split(order, np.cumsum(used)[:-1]), strict=False):
        mask[entries] = run ^ (code >= _MAJORITY)
    return mask.reshape(context.shape)


def _sorted(context: NDArray[np.uint8], contexts: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of entries sorted by context, and the number of entries in each context."""
    if not 1 <= contexts <= MAX_CONTEXTS:
        raise VclError(f"a mask has 1 to {MAX_CONTEXTS} contexts, got {contexts}")
    if context.size and not 0 <= context.min() <= context.max() < contexts:
        raise VclError(f"contexts of a mask must lie in [0, {contexts}), got {context.min()} to {context.max()}")
    flat = context.ravel().astype(np.uint8, copy=False)
    return np.argsort(flat, kind="stable"), np.bincount(flat, minlength=contexts)


def _code(ones: int, size: int) -> int:
    """The byte of a context: whether ones are the majority, and the level nearest to the share of the rarer value."""
    majority = 2 * ones > size
    rarer = size - ones if majority else ones
    level = math.isqrt(8 * _LEVELS**2 * rarer // size) + 1 >> 1
    return majority * _MAJORITY | (max(1, level) if rarer else 0)


def _probability(code: int) -> int:
    level = code & _LEVELS
    return max(1, level * level * (TOTAL >> 1) // _LEVELS**2)


def _group_size(code: int) -> int:
    return 8 if _probability(code) >= _LEAST_FOR_EIGHT else 4


def _tables(codes: list[int]) -> NDArray[np.int64]:
    """A table of groups for each context, int64[contexts, 256].

    Groups of ``g`` entries with ``k`` ones count as ``p**k * (2**14 - p)**(g - k)``, shifted to a sum of about 2**28.
    """
    tables = np.zeros((len(codes), 256), np.int64)
    for table, code in zip(tables, codes, strict=True):
        one, size = _probability(code), _group_size(code)
        weights = [one**ones * (TOTAL - one) ** (size - ones) >> PRECISION * (size - 2) for ones in range(size + 1)]
        counts = np.array([max(1, weights[group.bit_count()]) for group in range(1 << size)], np.int64)
        table[: counts.size] = normalise(counts)
    return tables


def _group(run: NDArray[np.bool_], size: int) -> NDArray[np.uint8]:
    """Entries as symbols of ``size`` bits each, the first entry lowest."""
    octets = np.packbits(run, bitorder="little")
    if size == 8:
        return octets
    parts = octets[:, None] >> np.arange(0, 8, size, dtype=np.uint8) & np.uint8((1 << size) - 1)
    return parts.ravel()[: -(-run.size // size)]


def _ungroup(groups: NDArray[np.uint8], size: int, count: int) -> NDArray[np.bool_]:
    """The ``count`` entries of ``_group``'s symbols."""
    bits = np.unpackbits(groups, bitorder="little").reshape(-1, 8)[:, :size]
    return bits.ravel()[:count].view(bool)
