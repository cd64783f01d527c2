"""Scores to an exact top-c mask, and the gradient back."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


def entries_kept(capacity: float, entries: float) -> int:
    """How many of some entries are the ``capacity`` share: the nearest whole number, at least 1."""
    return max(1, round(capacity * entries))


def top_mask(score: Tensor, capacity: float, signed: bool = False) -> Tensor:
    """Keep the ``capacity`` share of entries with the largest score.

    The count is exact and ties are broken by position, so equal scores give equal masks.

    Args:
        score: any shape, any float type.
        capacity: share to keep, in (0, 1].
        signed: rank scores by value; by default by magnitude.

    Returns:
        Boolean mask of the shape of ``score`` with ``entries_kept`` of its entries set.

    Source:
        Kang et al., ICLR 2024, arXiv:2306.11305, which keeps scores at or above a percentile.
    """
    return _select(score.detach(), capacity, signed).to(torch.bool)


def masked_weight(value: Tensor, score: Tensor, capacity: float, signed: bool = False) -> Tensor:
    """The weights of the subnetwork that the scores choose: ``value`` where masked in, 0 elsewhere.

    The gradient goes to the chosen values as they are, and to every score as if the mask were the ranked score itself
    (straight-through): ``grad * value``, summed over the weights that it ranks, times the score's sign where magnitudes
    are ranked.

    Args:
        value: weights, any shape.
        score: the shape of ``value``, or one that broadcasts to it: then one score ranks several weights.
        capacity: share of the scores to keep, in (0, 1].
        signed: rank scores by value; by default by magnitude.

    Returns:
        The shape of ``value``.

    Source:
        Kang et al., ICLR 2024, section 3.
    """
    product: Tensor = _MaskedWeight.apply(value, score, capacity, signed)
    return product


class _MaskedWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, score: Tensor, capacity: float, signed: bool) -> Tensor:
        mask = _select(score, capacity, signed)
        ctx.save_for_backward(value, score, mask)
        ctx.signed = signed
        return value * mask

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        value, score, mask = ctx.saved_tensors  # type: ignore[attr-defined]
        if score.shape != value.shape:
            through = (grads[0] * value).sum_to_size(score.shape)
            through = through if ctx.signed else through.mul_(score.sign())  # type: ignore[attr-defined]
        else:
            through = grads[0] * value if ctx.signed else score.sign().mul_(value).mul_(grads[0])  # type: ignore[attr-defined]
        return grads[0] * mask, through, None, None


def _select(score: Tensor, capacity: float, signed: bool) -> Tensor:
    """The mask as ones and zeros of the score's type: a CPU multiplies by those several times faster than by bools."""
    rank = score.clone() if signed else score.abs()
    keep = entries_kept(capacity, rank.numel())
    threshold, tied = _kth_largest(rank, keep)
    if not tied:
        return torch.ge(rank, threshold, out=rank)
    above = (rank > threshold).flatten()
    equal = (rank == threshold).flatten()
    first = equal.cumsum(0) <= keep - above.sum()
    return (above | (equal & first)).view(score.shape).to(score.dtype)


def _kth_largest(rank: Tensor, keep: int) -> tuple[Tensor, bool]:
    """The value of the last entry to keep, and whether others that are not kept may have the same.

    A CPU is served best by NumPy's partition, several times faster than ``torch.kthvalue``. Elsewhere the bits of the
    value are found one by one, each by counting: nothing is sorted, and the host never waits for the device.
    """
    index = rank.numel() - keep
    if rank.device.type != "cpu":
        exact = rank.dtype == torch.float64
        return rank.flatten().kthvalue(index + 1).values if exact else _kth_largest_by_bits(rank, keep), True
    parted = rank.flatten().to(rank.dtype if rank.dtype == torch.float64 else torch.float32).numpy()
    parted = np.partition(parted, index)
    threshold = parted[index]
    return torch.as_tensor(threshold).to(rank.dtype), bool(index and parted[:index].max() == threshold)


def _kth_largest_by_bits(rank: Tensor, keep: int) -> Tensor:
    """The value of ``_kth_largest`` by 32 counts on the device; float32 or smaller."""
    bits = rank.float().view(torch.int32)
    # Floats are ordered as the integers of their bits are, the negative ones the other way round.
    order = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    threshold = torch.full((), -(2**31), dtype=torch.int32, device=rank.device)
    for step in (-(2**31), *(2**bit for bit in reversed(range(31)))):
        candidate = threshold + step  # The first one wraps round to 0.
        threshold = torch.where((order >= candidate).sum() >= keep, candidate, threshold)
    return torch.where(threshold < 0, threshold ^ 0x7FFFFFFF, threshold).view(torch.float32).to(rank.dtype)
