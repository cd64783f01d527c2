"""Batches of frames that are resident on the device."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from avalanche.benchmarks.utils.data import AvalancheDataset
from torch import Tensor

from vcl.query import Query
from vcl.video.cache import Clip


class ResidentFrames:
    """Iterates batches ``[x, y]``: ``Query.tensor`` and frames ``(B, 3, H, W)`` float32 in [0, 1].

    The device has all frames once, as uint8; a batch is a gather and a division there.

    Args:
        dataset: of ``video_stream``, or several of those joined, or a part of one.
        clips: of the whole stream, by session.
        batch: frames per batch; the last one of an epoch may be smaller.
        order: called at the start of each pass with the number of frames; gives their order.
        device: where the frames are.
        frames: of a whole pass; default all.
    """

    def __init__(
        self,
        dataset: AvalancheDataset,
        clips: Sequence[Clip],
        batch: int,
        order: Callable[[int], Tensor],
        device: torch.device,
        frames: int | None = None,
    ) -> None:
        sessions, times = list(dataset.session), list(dataset.t)
        lengths = [len(clips[session].frames) for session in sessions]
        self._x = Query(torch.tensor(sessions), torch.tensor(times), torch.tensor(lengths)).tensor().to(device)
        self._y = torch.from_numpy(_gather(clips, sessions, times)).to(device)
        self._frames = frames or len(times)
        self._batch = batch
        self._order = order

    def __len__(self) -> int:
        """Batches in a whole pass."""
        return -(-self._frames // self._batch)

    def __iter__(self) -> Iterator[list[Tensor]]:
        """Batches of one pass, in the order that ``order`` gives."""
        order = self._order(len(self._x)).to(self._x.device)
        for first in range(0, len(order), self._batch):
            chosen = order[first : first + self._batch]
            yield [self._x[chosen], self._y[chosen].float().div_(255)]


def _gather(clips: Sequence[Clip], sessions: list[int], times: list[int]) -> np.ndarray:
    """Frames in the data set's order; ``(n, 3, H, W)`` uint8, a copy."""
    frames = np.empty((len(times), *clips[sessions[0]].frames.shape[1:]), np.uint8)
    for session in sorted(set(sessions)):
        rows = [row for row, owner in enumerate(sessions) if owner == session]
        frames[rows] = clips[session].frames[[times[row] for row in rows]]
    return frames
