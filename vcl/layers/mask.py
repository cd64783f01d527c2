"""Scores to an exact top-c mask, and the gradient back."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


def top_mask(score: Tensor, capacity: float, signed: bool = False) -> Tensor:
    """Keep the ``capacity`` share of entries with the largest score.

    The count is exact and ties are broken by position, so equal scores give equal masks.

    Args:
        score: any shape, any float type.
        capacity: share to keep, in (0, 1].
        signed: rank scores by value; by default by magnitude.

    Returns:
        Boolean mask of the shape of ``score`` with ``max(1, round(capacity * score.numel()))`` entries set.

    Source:
        Kang et al., ICLR 2024, arXiv:2306.11305, which keeps scores at or above a percentile.
    """
    rank = (score if signed else score.abs()).detach()
    keep = max(1, round(capacity * rank.numel()))
    threshold = _kth_largest(rank, keep)
    mask = rank >= threshold
    if mask.device.type == "cpu" and int(torch.count_nonzero(mask)) == keep:
        return mask
    above = (rank > threshold).flatten()
    tied = (rank == threshold).flatten()
    first = tied.cumsum(0) <= keep - above.sum()
    return (above | (tied & first)).view(score.shape)


def masked_weight(value: Tensor, score: Tensor, capacity: float, signed: bool = False) -> Tensor:
    """The weights of the subnetwork that the scores choose: ``value`` where masked in, 0 elsewhere.

    The gradient goes to the chosen values as they are, and to every score as if the mask were the ranked score itself
    (straight-through): ``grad * value``, times the score's sign where magnitudes are ranked.

    Args:
        value: weights, any shape.
        score: the shape of ``value``.
        capacity: share to keep, in (0, 1].
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
        mask = top_mask(score, capacity, signed)
        ctx.save_for_backward(value, score, mask)
        ctx.signed = signed
        return value * mask

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        value, score, mask = ctx.saved_tensors  # type: ignore[attr-defined]
        through = grads[0] * value
        if not ctx.signed:  # type: ignore[attr-defined]
            through = through * score.sign()
        return grads[0] * mask, through, None, None


def _kth_largest(rank: Tensor, keep: int) -> Tensor:
    """Scalar tensor. NumPy's partition is several times faster than torch.kthvalue on a CPU."""
    flat = rank.flatten()
    place = flat.numel() - keep
    if flat.device.type != "cpu":
        return flat.kthvalue(place + 1).values
    if flat.dtype not in (torch.float32, torch.float64):
        flat = flat.float()
    return torch.as_tensor(np.partition(flat.numpy(), place)[place]).to(rank.dtype)
