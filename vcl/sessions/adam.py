"""Adam that leaves ``torch.compile`` alone."""

from __future__ import annotations

import inspect
from typing import Any

import torch


class EagerAdam(torch.optim.Adam):
    """PyTorch's Adam without the wrappers that keep ``torch.compile`` out of it; it computes the same bits.

    The first call of such a wrapper imports the compiler, which takes longer than the import of PyTorch itself.
    """

    add_param_group: Any = inspect.unwrap(torch.optim.Adam.add_param_group)
    load_state_dict: Any = inspect.unwrap(torch.optim.Adam.load_state_dict)
    state_dict: Any = inspect.unwrap(torch.optim.Adam.state_dict)
    zero_grad: Any = inspect.unwrap(torch.optim.Adam.zero_grad)
    step: Any = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


def adam(parameters: list[Any], lr: float = 5e-4, betas: tuple[float, float] = (0.5, 0.999)) -> torch.optim.Optimizer:
    """Adam of parameters, or of groups of them, without weight decay; one kernel for all tensors."""
    return EagerAdam(parameters, lr=lr, betas=betas, fused=True)
