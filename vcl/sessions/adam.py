"""Adam that leaves ``torch.compile`` alone, and can be recorded in a CUDA graph."""

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
    """Adam of parameters, or of groups of them, without weight decay; one kernel for all tensors.

    On CUDA its rates are tensors on the device, in float32, from which a recorded step reads them anew.
    """
    groups = parameters if isinstance(parameters[0], dict) else [{"params": parameters}]
    device = groups[0]["params"][0].device
    if device.type == "cuda":
        groups = [{**group, "lr": torch.tensor(lr, device=device)} for group in groups]
    return EagerAdam(groups, lr=lr, betas=betas, fused=True, capturable=device.type == "cuda")


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Set the learning rate of a group of an optimiser's parameters; ``rate`` of the group has it as a number."""
    group["rate"] = rate
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
