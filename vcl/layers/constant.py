"""Fixed numbers of a network."""

from collections.abc import Callable

import torch
from torch import Tensor


def constant(compute: Callable[[], Tensor]) -> Tensor:
    """Numbers that are computed on the CPU, on the device where new tensors are.

    Arithmetic on the meta device, where networks are built to be measured, would import torch's compiler, which takes
    seconds.
    """
    with torch.device("cpu"):
        numbers = compute()
    return numbers.to(torch.get_default_device())
