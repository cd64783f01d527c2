"""Out-of-memory errors of every library, as one line for the user."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from vcl.errors import MemoryLimitError, VclError

_OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|can(no|')t allocate memory|bad_alloc|ALLOC_FAILED|unable to allocate"
    r"|storage size calculation overflowed|failed to map segment from shared object$",
    re.IGNORECASE,
)
"""The words of PyTorch, CUDA, NumPy, the system's loader and safetensors."""

_AMOUNT = re.compile(r"(?:tried to allocate|unable to allocate) ([\d.]+ ?\w*i?B(?:ytes)?)", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # PyTorch raises a RuntimeError, as it does for nearly everything else.
    return isinstance(error, MemoryError) or bool(_OUT_OF_MEMORY.search(str(error)))


@contextmanager
def memory_explained() -> Iterator[None]:
    """Turn the exception of memory that ran out inside into an error that suggests what to lower.

    Raises:
        MemoryLimitError: memory ran out; states the size that could not be allocated where the library did.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, VclError) or not is_out_of_memory(error):
            raise
        match = _AMOUNT.search(str(error))
        amount = f": {match[1]} at once could not be allocated" if match else ""
        raise MemoryLimitError(
            f"not enough memory{amount}; a run takes less with a lower train.batch or stream.size or with narrower "
            "layers of the backbone, and vcl plan says how much"
        ) from error
