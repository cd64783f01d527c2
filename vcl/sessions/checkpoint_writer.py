"""Writing checkpoints beside training."""

from collections.abc import Callable, Mapping
from threading import Thread

import torch
from torch import Tensor


class CheckpointWriter:
    """Copies the state of training to host memory, and leaves what is slow, the disk, to a thread.

    Training waits for the copies to begin and no longer: on CUDA they lie in the current stream, behind the last step
    and before the next. One write is under way at a time.

    The copies take as much host memory as the state takes on its device, and are kept for the next save. For a state on
    CUDA that memory is pinned, and as PyTorch pins powers of two, it may be up to twice as much.
    """

    def __init__(self) -> None:
        self._copies: dict[str, Tensor] = {}
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a write is under way."""
        return self._thread is not None and self._thread.is_alive()

    def reserve(self, state: Mapping[str, Tensor]) -> None:
        """Take the memory for the copies of a state; no write may be under way.

        Pinning takes about a second for 2 GB, in which the device stands still.
        """
        self._copies = {name: self._memory_for(name, tensor) for name, tensor in state.items()}

    def start(self, state: Mapping[str, Tensor], write: Callable[[Mapping[str, Tensor]], None]) -> None:
        """Copy a state and begin to write it, once a write that is under way has ended.

        Args:
            state: tensors by name, which may change as soon as this returns.
            write: called with the copies in the thread; it must make no CUDA call.

        Raises:
            BaseException: what the write before raised.
        """
        self.wait()
        self.reserve(state)
        with torch.no_grad():
            for name, copy in self._copies.items():
                copy.copy_(state[name], non_blocking=True)
        thread = Thread(target=self._run, args=(write, _copied(state)), name="checkpoint")
        thread.start()
        self._thread = thread

    def wait(self) -> None:
        """Wait until nothing is being written, and raise what the last write raised."""
        self.close()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Wait until nothing is being written, and leave errors for ``wait``."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _memory_for(self, name: str, tensor: Tensor) -> Tensor:
        copy = self._copies.get(name)
        if copy is not None and (copy.shape, copy.dtype) == (tensor.shape, tensor.dtype):
            return copy
        return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)

    def _run(self, write: Callable[[Mapping[str, Tensor]], None], copied: torch.cuda.Event | None) -> None:
        try:
            if copied is not None:
                copied.synchronize()
            write(self._copies)
        except BaseException as error:  # Whatever it is, training must not go on as if the state were on disk.
            self._error = error


def _copied(state: Mapping[str, Tensor]) -> torch.cuda.Event | None:
    """An event behind the copies in their stream; None where no tensor is on CUDA."""
    device = next((tensor.device for tensor in state.values() if tensor.is_cuda), None)
    if device is None:
        return None
    event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event
