"""The largest scores by radix selection, and weights masked by them, without a mask that is stored.

A score becomes an unsigned integer, its key, in the order of the scores: NaN is the largest, and both zeros are one.
Four passes count the digits of the keys, from the highest byte to the lowest, among the keys that begin as that of the
last score to keep does; a pass begins with what the counts of the one before say, so the host need not know it. Every
program then has the threshold, and finds up to which place the scores that are equal to it are kept: the last pass
leaves the counts of each program. A score is kept if its key is above the threshold, or equal and not behind that cut.

Only integers are summed across programs, so every run gives the same bits.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

# Scores in a block: what a program works on at a time.
BLOCK = 4096
# Programs that share the scores of a tensor, each a run of whole blocks; four for each of an H100's processors.
PROGRAMS = 528
# Numbers of entries are int32, and so are places, which may overshoot by a block.
MOST_ENTRIES = 2**30
# A product that is fused with a sum has other bits.
OPTIONS = {"num_warps": 8, "enable_fp_fusion": False}


def takes(*tensors: Tensor) -> bool:
    """Whether the kernels are for these tensors: float32 of one shape, not too many for an int32."""
    first = tensors[0]
    alike = all(tensor.dtype == torch.float32 and tensor.shape == first.shape for tensor in tensors)
    return alike and 0 < first.numel() <= MOST_ENTRIES


def mask(score: Tensor, keep: int, signed: bool) -> Tensor:
    """Boolean, the shape of ``score``: its ``keep`` largest entries, the first of equal ones.

    Args:
        score: float32, 1 to ``MOST_ENTRIES`` entries.
        keep: 1 up to the number of entries.
        signed: rank by value instead of by magnitude.
    """
    chosen = torch.empty(score.shape, dtype=torch.bool, device=score.device)
    _select(None, score, chosen.view(torch.uint8), keep, signed)
    return chosen


def masked(value: Tensor, score: Tensor, keep: int, signed: bool) -> tuple[Tensor, Tensor]:
    """``value`` times ``mask(score, keep, signed)``, and the choice that ``masked_backward`` needs to repeat it.

    Args:
        value: float32, the shape of ``score``.
        score: as for ``mask``.
        keep: as for ``mask``.
        signed: as for ``mask``.
    """
    product = torch.empty(value.shape, dtype=value.dtype, device=value.device)
    return product, _select(value.contiguous(), score, product, keep, signed)


def masked_backward(grad: Tensor, value: Tensor, score: Tensor, choice: Tensor, signed: bool) -> tuple[Tensor, Tensor]:
    """The gradients of ``value``, ``grad`` times the mask, and of ``score``, as if the mask were the ranked score.

    Args:
        grad: float32, the shape of ``value``; the gradient of the product.
        value: as it was for ``masked``.
        score: as it was for ``masked``.
        choice: what ``masked`` returned.
        signed: as it was for ``masked``.
    """
    to_value, to_score = (torch.empty(value.shape, dtype=value.dtype, device=value.device) for _ in range(2))
    entries = value.numel()
    with torch.cuda.device_of(value):
        _pass_back[(triton.cdiv(entries, BLOCK),)](
            grad.contiguous(),
            value.contiguous(),
            score.contiguous(),
            to_value,
            to_score,
            entries,
            choice,
            signed,
            BLOCK,
            **OPTIONS,
        )
    return to_value, to_score


def _select(value: Tensor | None, score: Tensor, out: Tensor, keep: int, signed: bool) -> Tensor:
    """Fill ``out`` with the masked values, or with the mask where there are none; gives threshold and cut, int32."""
    score = score.contiguous()
    entries = score.numel()
    share = triton.cdiv(triton.cdiv(entries, PROGRAMS), BLOCK) * BLOCK
    grid = (triton.cdiv(entries, share),)
    counts = torch.zeros(4, 256, dtype=torch.int32, device=score.device)
    progress, choice, ties = (
        torch.empty(size, dtype=torch.int32, device=score.device) for size in ((4, 2), (2,), (grid[0], 256))
    )
    with torch.cuda.device_of(score):
        for turn in range(4):
            _count[grid](score, entries, share, keep, turn, counts, progress, ties, signed, BLOCK, **OPTIONS)
        _apply[grid](value, score, out, entries, share, counts, progress, ties, choice, signed, BLOCK, **OPTIONS)
    return choice


@triton.jit
def _keys(score, place, inside, SIGNED: tl.constexpr):
    bits = tl.load(score + place, mask=inside, other=0.0).to(tl.uint32, bitcast=True)
    magnitude = bits & 0x7FFFFFFF
    if SIGNED:
        key = tl.where((bits != magnitude) & (magnitude != 0), 0x80000000 - magnitude, 0x80000000 + magnitude)
    else:
        key = magnitude
    return tl.where(magnitude > 0x7F800000, 0xFFFFFFFF, key)


@triton.jit
def _narrowed(counts, progress, keep, turn):
    """What is known before a turn, 0 to 4.

    Returns:
        The first ``turn`` bytes of the threshold, how many of the keys that begin like that are to be kept, and how
        many there are (0 if all).
    """
    prefix = tl.zeros((), tl.uint32)
    alike = 0
    if turn > 0:
        digit = tl.arange(0, 256)
        count = tl.load(counts + (turn - 1) * 256 + digit)
        prefix = tl.load(progress + (turn - 1) * 2).to(tl.uint32, bitcast=True)
        keep = tl.load(progress + (turn - 1) * 2 + 1)
        found = tl.max(tl.where(tl.cumsum(count, 0, reverse=True) >= keep, digit, 0), 0)
        prefix |= found.to(tl.uint32) << (32 - 8 * turn)
        keep -= tl.sum(tl.where(digit > found, count, 0), 0)
        alike = tl.sum(tl.where(digit == found, count, 0), 0)
    return prefix, keep, alike


@triton.jit(do_not_specialize=["keep", "turn"])
def _count(score, entries, share, keep, turn, counts, progress, ties, SIGNED: tl.constexpr, BLOCK: tl.constexpr):
    """Count the next digit of the keys that begin as the threshold does."""
    prefix, keep, _ = _narrowed(counts, progress, keep, turn)
    if tl.program_id(0) == 0:
        tl.store(progress + turn * 2, prefix.to(tl.int32, bitcast=True))
        tl.store(progress + turn * 2 + 1, keep)
    shift = 24 - 8 * turn
    # A shift by all 32 bits, which is undefined, in two.
    known = prefix >> shift >> 8
    digit = tl.arange(0, 256)
    count = tl.zeros((256,), tl.int32)
    first = tl.program_id(0) * share
    last = tl.minimum(first + share, entries)
    for start in range(first, last, BLOCK):
        place = start + tl.arange(0, BLOCK)
        key = _keys(score, place, place < last, SIGNED)
        alike = (place < last) & ((key >> shift >> 8) == known)
        number = tl.sum(alike.to(tl.int32), 0)
        if number > 0:  # Seldom so in the last turn.
            count += tl.histogram(tl.where(alike, (key >> shift) & 255, 0).to(tl.int32), 256)
            count -= tl.where(digit == 0, BLOCK - number, 0)
    tl.atomic_add(counts + turn * 256 + digit, count, mask=count > 0, sem="relaxed")
    if turn == 3:
        tl.store(ties + tl.program_id(0) * 256 + digit, count)


@triton.jit
def _last_tie(score, first, last, threshold, keep, ties, SIGNED: tl.constexpr, BLOCK: tl.constexpr):
    """The place of the last score at the threshold that is kept, if this program has it.

    Returns:
        The place; where another program has it, one before all of this program's scores or behind them. And whether it
        is this program's.
    """
    program = tl.program_id(0)
    ties += (threshold & 255).to(tl.int32)
    before = 0
    for start in range(0, program, 256):
        other = start + tl.arange(0, 256)
        before += tl.sum(tl.load(ties + other * 256, mask=other < program, other=0), 0)
    here = (before < keep) & (before + tl.load(ties + program * 256) >= keep)
    cut = tl.where(before < keep, last, first - 1)
    if here:
        for start in range(first, last, BLOCK):
            place = start + tl.arange(0, BLOCK)
            equal = (place < last) & (_keys(score, place, place < last, SIGNED) == threshold)
            number = before + tl.cumsum(equal.to(tl.int32), 0)
            cut = tl.minimum(cut, tl.min(tl.where(equal & (number == keep), place, last), 0))
            before += tl.sum(equal.to(tl.int32), 0)
    return cut, here


@triton.jit
def _chosen(score, place, inside, threshold, cut, SIGNED: tl.constexpr):
    key = _keys(score, place, inside, SIGNED)
    return (key > threshold) | ((key == threshold) & (place <= cut))


@triton.jit
def _apply(
    value, score, out, entries, share, counts, progress, ties, choice, SIGNED: tl.constexpr, BLOCK: tl.constexpr
):
    """Write the masked values, or the mask where there are none, and the choice: threshold and cut."""
    threshold, keep, equal = _narrowed(counts, progress, 0, 4)
    first = tl.program_id(0) * share
    last = tl.minimum(first + share, entries)
    cut = entries
    here = tl.program_id(0) == 0
    if equal > keep:
        cut, here = _last_tie(score, first, last, threshold, keep, ties, SIGNED, BLOCK)
    if here:
        tl.store(choice, threshold.to(tl.int32, bitcast=True))
        tl.store(choice + 1, cut)
    for start in range(first, last, BLOCK):
        place = start + tl.arange(0, BLOCK)
        inside = place < last
        chosen = _chosen(score, place, inside, threshold, cut, SIGNED)
        if value is None:
            tl.store(out + place, chosen.to(tl.uint8), mask=inside)
        else:
            tl.store(out + place, tl.load(value + place, mask=inside) * chosen.to(tl.float32), mask=inside)


@triton.jit
def _pass_back(grad, value, score, to_value, to_score, entries, choice, SIGNED: tl.constexpr, BLOCK: tl.constexpr):
    """Write the gradients of the values and of the scores."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < entries
    threshold = tl.load(choice).to(tl.uint32, bitcast=True)
    chosen = _chosen(score, place, inside, threshold, tl.load(choice + 1), SIGNED)
    gradient = tl.load(grad + place, mask=inside)
    tl.store(to_value + place, gradient * chosen.to(tl.float32), mask=inside)
    through = tl.load(value + place, mask=inside)
    if not SIGNED:
        ranked = tl.load(score + place, mask=inside)
        through *= tl.where(ranked > 0, 1.0, tl.where(ranked < 0, -1.0, 0.0))
    tl.store(to_score + place, through * gradient, mask=inside)
