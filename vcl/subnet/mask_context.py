"""What is known of a mask before it is read: the scores that its session began with, and what is sealed by then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcl.layers import init

BINS = 32
"""Bins of the first scores, by magnitude or by value."""

CONTEXTS = 2 * BINS
"""Values of a context."""


def sealed_units(sealed: Tensor, mask_shape: Sequence[int]) -> Tensor:
    """Boolean, of the shape of a mask: where any of the weights that a unit stands for is sealed."""
    shared = [dim for dim, size in enumerate(mask_shape) if size != sealed.shape[dim]]
    return sealed.amax(shared, keepdim=True) if shared else sealed


def mask_context(sealed: Tensor, mask_shape: Sequence[int], signed: bool, *purpose: int | str) -> NDArray[np.uint8]:
    """A context for each unit of a mask: twice the bin of its first score, and one more where it is sealed.

    Bins are equally wide. Integers alone decide, so that every reader of a file has the same contexts.

    Args:
        sealed: boolean, the shape of the weights: those that earlier sessions use.
        mask_shape: of the session's mask.
        signed: whether scores are ranked by value, not by magnitude.
        purpose: of the draw of the scores, as in ``init.drawn_integers``.

    Returns:
        ``(units,)``, in [0, ``CONTEXTS``).
    """
    units = sealed_units(sealed, mask_shape).cpu().numpy().ravel()
    scores = init.drawn_integers(units.size, *purpose)
    rank = (scores + 2**init.DRAWN_BITS) >> 1 if signed else np.abs(scores)
    context: NDArray[np.uint8] = (2 * (rank // (2**init.DRAWN_BITS // BINS)) + units).astype(np.uint8)
    return context


def score_purpose(seed: int, name: str, session: int) -> tuple[int | str, ...]:
    """The purpose of the scores of a weight that a session begins with, where each session draws its own."""
    return (seed, "score", name, session) if session else (seed, "score", name)


def code_lengths(mask: Tensor, context: Tensor) -> Tensor:
    """What the bits of a mask cost: by context, the bits of a unit in the mask less those of one outside.

    Args:
        mask: boolean, any shape.
        context: int64, of the same number of entries, on the same device.

    Returns:
        ``(CONTEXTS,)`` float32; a share is taken to be at least that of half a unit.
    """
    count = torch.zeros(CONTEXTS, device=mask.device).scatter_add_(
        0, context, torch.ones_like(context, dtype=torch.float32)
    )
    chosen = torch.zeros_like(count).scatter_add_(0, context, mask.flatten().float())
    return ((count - chosen + 0.5) / (chosen + 0.5)).log2()
