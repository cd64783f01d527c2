"""What ranks do together: share out work, average, agree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vcl.errors import RanksError

if TYPE_CHECKING:
    from torch import Tensor


_LARGE = 2**18
"""Numbers of a tensor that is worth a message of its own."""


class DisconnectedError(Exception):
    """Ranks cannot reach each other."""


@dataclass(frozen=True)
class Part:
    """What one rank takes of some items that all take together.

    Args:
        items: which of them; never empty, so that every rank computes something.
        weight: of the mean over them: the average of all ranks' weighted means is the mean over all items.
    """

    items: slice
    weight: float


@dataclass(frozen=True)
class Ranks:
    """One of the processes that train a run together; by default the only one.

    Whatever talks to the others must be called by all of them, in the same order.

    Args:
        rank: of this process, from 0.
        world: how many there are.
        local: number of this process on its machine, from 0.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def part(self, count: int) -> Part:
        """What this rank takes of ``count`` items, in runs as equal as can be.

        Where there are fewer items than ranks, one that gets none takes the first with weight 0.
        """
        first, last = (count * rank // self.world for rank in (self.rank, self.rank + 1))
        return Part(slice(first, last) if first < last else slice(0, 1), self.world * (last - first) / count)

    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over the ranks into tensors of one type and device; the same bits on every rank.

        Large ones travel as they are, and all small ones in one message.
        """
        if self.world == 1 or not tensors:
            return
        import torch
        from torch import distributed

        large = [tensor for tensor in tensors if tensor.numel() >= _LARGE]
        small = [tensor for tensor in tensors if tensor.numel() < _LARGE]
        messages = [tensor.contiguous() for tensor in large]  # A copy only where it is not.
        if small:
            messages.append(torch.cat([tensor.flatten() for tensor in small]))
        with _talking():
            for work in [distributed.all_reduce(message, async_op=True) for message in messages]:
                work.wait()
        for message in messages:
            message /= self.world
        means = messages[: len(large)]
        if small:
            means += torch.split(messages[-1], [tensor.numel() for tensor in small])
        for tensor, mean in zip((*large, *small), means, strict=True):
            if tensor is not mean:
                tensor.copy_(mean.view_as(tensor))

    def gather(self, value: Any) -> list[Any]:
        """What every rank gives, by rank; anything that JSON holds."""
        if self.world == 1:
            return [value]
        import torch
        from torch import distributed

        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        with _talking():
            lengths = [torch.zeros(1, dtype=torch.long) for _ in range(self.world)]
            distributed.all_gather(lengths, torch.tensor([len(text)]))
            longest = int(max(lengths))
            texts = [torch.zeros(longest, dtype=torch.uint8) for _ in range(self.world)]
            distributed.all_gather(texts, torch.cat((text, text.new_zeros(longest - len(text)))))
        return [json.loads(bytes(t[:length].numpy())) for t, length in zip(texts, map(int, lengths), strict=True)]

    def broadcast_(self, tensor: Tensor, source: int) -> None:
        """Put the numbers that one rank has into a tensor of host memory, which must have the same shape everywhere."""
        if self.world > 1:
            from torch import distributed

            with _talking():
                distributed.broadcast(tensor, source)

    def wait_for_all(self) -> None:
        """Go on once every rank has come here."""
        self.gather(None)

    def check_alike(self, what: str, value: Any) -> None:
        """Refuse to go on where something differs that must be the same on every rank.

        Raises:
            RanksError: names the first rank that differs from rank 0.
        """
        values = self.gather(value)
        for rank, other in enumerate(values):
            if other != values[0]:
                raise RanksError(f"{what} must be the same on every rank: rank 0 has {values[0]}, rank {rank} {other}")


ALONE = Ranks()
"""A run in one process."""


class Agreement:
    """A question that ranks answer in every step: yes if one of them says so.

    The answer is that to the question of the step before, so that no step waits for it; it travels between hosts and
    never waits for a device.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._under_way: tuple[Tensor, Any] | None = None

    def anyone(self, answer: bool) -> bool:
        """Give this rank's answer; gives what all said in the step before, and at once where there is one rank."""
        if self._ranks.world == 1:
            return answer
        import torch
        from torch import distributed

        number, before = torch.tensor([int(answer)]), False
        with _talking():
            if self._under_way is not None:
                of_all, work = self._under_way
                work.wait()
                before = bool(of_all)
            self._under_way = number, distributed.all_reduce(number, distributed.ReduceOp.MAX, async_op=True)
        return before


@contextmanager
def _talking() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # All that PyTorch says of a rank that is gone, whatever carries the messages.
        raise DisconnectedError(" ".join(str(error).split())[:300]) from error
