"""What counts as memory that ran out."""

import errno

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from vcl.errors import MemoryLimitError, RunFolderError
from vcl.memory import memory_explained

CPU = (
    "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to allocate {} bytes."
)


def raised(error):
    with pytest.raises(MemoryLimitError) as found, memory_explained():
        raise error
    return str(found.value)


@pytest.mark.parametrize(
    ("error", "amount"),
    [
        (MemoryError(), "not enough memory; a run takes less with a lower train.batch"),
        (RuntimeError(CPU.format(1536000000)), ": 1536000000 bytes at once could not be allocated; a run takes less"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total"), ": 2.00 GiB at"),
        (RuntimeError("CUDA error: out of memory"), "not enough memory; "),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "not enough memory; "),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory; "),
        (SafetensorError("I/O error: Cannot allocate memory (os error 12)"), "not enough memory; "),
        (ImportError("libtorch_cpu.so: cannot allocate memory in static TLS block"), "not enough memory; "),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "not enough memory; "),
    ],
)
def test_whoever_says_it_memory_that_runs_out_is_one_line(error, amount):
    line = raised(error)
    assert amount in line
    assert "\n" not in line


def test_arrays_and_tensors_beyond_any_memory_are_one_line():
    with pytest.raises(MemoryLimitError, match=r"not enough memory: [\d.]+ EiB at once"), memory_explained():
        np.empty(2**61, np.uint8)
    with pytest.raises(MemoryLimitError, match=r"not enough memory: \d+ bytes at once"), memory_explained():
        torch.empty(2**60, dtype=torch.uint8)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shapes do not match"), OSError(errno.ENOENT, "No such file"), RunFolderError("out of memory")],
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as found, memory_explained():
        raise error
    assert found.value is error
