"""Triton kernels for CUDA, beside plain PyTorch that gives the same; their modules import Triton, this one does not."""

import logging
from functools import cache
from subprocess import SubprocessError

from torch import Tensor

log = logging.getLogger(__name__)


def runs_on(*tensors: Tensor) -> bool:
    """Whether kernels can take these tensors: all are on CUDA, and Triton works here."""
    return all(tensor.is_cuda for tensor in tensors) and _triton_works()


@cache
def _triton_works() -> bool:
    """Triton needs a C compiler and Python's headers to launch a kernel, so a machine may have it in vain."""
    try:
        from triton.runtime import driver

        driver.active.get_current_device()
    except (ImportError, OSError, RuntimeError, SubprocessError) as error:
        log.warning("Triton does not work here, so PyTorch does its work, more slowly: %s", error)
        return False
    return True
