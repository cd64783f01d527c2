"""Scores to an exact top-c mask, and the gradient back."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from vcl import kernels


def entries_kept(capacity: float, entries: float) -> int:
    """How many of some entries are the ``capacity`` share: the nearest whole number, at least 1."""
    return max(1, round(capacity * entries))


def top_mask(score: Tensor, capacity: float, signed: bool = False) -> Tensor:
    """Keep the ``capacity`` share of entries with the largest score.

    The count is exact and ties are broken by position, so equal scores give equal masks on every device. NaN is the
    largest score there is.

    Args:
        score: any shape, any float type.
        capacity: share to keep, in (0, 1].
        signed: rank scores by value; by default by magnitude.

    Returns:
        Boolean mask of the shape of ``score`` with ``entries_kept`` of its entries set.

    Source:
        Kang et al., ICLR 2024, arXiv:2306.11305, which keeps scores at or above a percentile.
    """
    score = score.detach()
    if _has_kernels(score):
        from vcl.kernels import masked

        return masked.mask(score, entries_kept(capacity, score.numel()), signed)
    return _select(score, capacity, signed).to(torch.bool)


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
    function = _FusedMaskedWeight if _has_kernels(value, score) else _MaskedWeight
    product: Tensor = function.apply(value, score, capacity, signed)
    return product


def _has_kernels(*tensors: Tensor) -> bool:
    """Whether kernels are for these tensors; else PyTorch gives the same bits."""
    if not kernels.runs_on(*tensors):
        return False
    from vcl.kernels import masked

    return masked.takes(*tensors)


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


class _FusedMaskedWeight(torch.autograd.Function):
    """``_MaskedWeight`` by kernels, which choose anew on the way back instead of storing a mask."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, score: Tensor, capacity: float, signed: bool) -> Tensor:
        from vcl.kernels import masked

        product, choice = masked.masked(value, score, entries_kept(capacity, score.numel()), signed)
        ctx.save_for_backward(value, score, choice)
        ctx.signed = signed
        return product

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        from vcl.kernels import masked

        value, score, choice = ctx.saved_tensors
        return *masked.masked_backward(grads[0], value, score, choice, ctx.signed), None, None


def _select(score: Tensor, capacity: float, signed: bool) -> Tensor:
    """The mask as ones and zeros of the score's type: a CPU multiplies by those several times faster than by bools.

    The threshold is the score of the last entry to keep. A CPU finds it best by NumPy's partition, several times faster
    than by ``torch.kthvalue``. Elsewhere, and where there is NaN, it is the least of ``topk``: nothing is sorted, and
    the host never waits for the device.
    """
    rank = score.clone() if signed else score.abs()
    keep = entries_kept(capacity, rank.numel())
    if rank.device.type == "cpu":
        parted = rank.flatten().to(rank.dtype if rank.dtype == torch.float64 else torch.float32).numpy()
        parted = np.partition(parted, -keep)
        others, kept = parted[:-keep], parted[-keep:]
        if not math.isnan(kept.max()):
            threshold = torch.as_tensor(kept[0]).to(rank.dtype)
            if others.size and others.max() == kept[0]:
                return _first_largest(rank, threshold, keep).to(score.dtype)
            return torch.ge(rank, threshold, out=rank)
    return _largest(rank, keep).to(score.dtype)


def _largest(rank: Tensor, keep: int) -> Tensor:
    """Boolean: the ``keep`` largest entries, NaN among them, the first of equal ones; without asking the device."""
    order = _order(rank)
    return _first_largest(order, torch.topk(order.flatten(), keep, sorted=False).values.min(), keep)


def _first_largest(rank: Tensor, threshold: Tensor, keep: int) -> Tensor:
    """Boolean: the ``keep`` largest entries, the first of those that equal the threshold."""
    above = (rank > threshold).flatten()
    equal = (rank == threshold).flatten()
    first = equal.cumsum(0) <= keep - above.sum()
    return (above | (equal & first)).view(rank.shape)


def _order(rank: Tensor) -> Tensor:
    """Integers in the order of the ranks: NaN is the largest, and both zeros are one."""
    wide = rank if rank.dtype == torch.float64 else rank.float()
    integer = torch.int64 if wide.dtype == torch.float64 else torch.int32
    largest = torch.iinfo(integer).max
    bits = (wide + 0).view(integer)  # The sum makes -0 to 0.
    # Floats are ordered as the integers of their bits are, the negative ones the other way round.
    return torch.where(bits < 0, bits ^ largest, bits).masked_fill_(rank.isnan(), largest)
