"""Memory that runs out, whoever it is that says so, becomes one line."""

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
"""How PyTorch, CUDA, NumPy, the system's loader and safetensors put it."""

_AMOUNT = re.compile(r"(?:tried to allocate|unable to allocate) ([\d.]+ ?\w*i?B(?:ytes)?)", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # PyTorch's own kind is a RuntimeError, as is nearly everything else that its libraries raise.
    return isinstance(error, MemoryError) or bool(_OUT_OF_MEMORY.search(str(error)))


@contextmanager
def memory_explained() -> Iterator[None]:
    """Turn memory that runs out into an error that says what to try.

    Raises:
        MemoryLimitError: memory ran out.
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
