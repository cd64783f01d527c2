"""Batches of frames, or of parts of them, that are resident on the device."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from avalanche.benchmarks.utils.data import AvalancheDataset
from torch import Tensor

from vcl.query import Query
from vcl.ranks import ALONE, Ranks
from vcl.sessions.sampling import Sampler
from vcl.video.cache import Clip


class ResidentFrames:
    """Iterates batches ``[x, y]``: ``Query.tensor`` and what it asks for, float32 in [0, 1].

    For networks that encode something else than the target, ``[x, y, seen]`` with frames ``(B, C, 3, H, W)``, or
    ``(B, 3, H, W)`` of one each. The device has all frames once, as uint8; a batch is a gather and a division there.

    Args:
        dataset: of ``video_stream``, or several of those joined, or a part of one.
        clips: of the whole stream, by session.
        batch: frames per batch; the last one of an epoch may be smaller.
        order: called at the start of each pass with the number of frames; gives their order.
        device: where the frames are.
        frames: of a whole pass; default all.
        sampler: takes from the frames what a network trains on; default whole frames.
        ranks: who share the frames of a batch; this process gets its own part of each.
    """

    def __init__(
        self,
        dataset: AvalancheDataset,
        clips: Sequence[Clip],
        batch: int,
        order: Callable[[int], Tensor],
        device: torch.device,
        frames: int | None = None,
        sampler: Sampler | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        sessions, times = list(dataset.session), list(dataset.t)
        lengths = [len(clips[session].frames) for session in sessions]
        self._x = Query(torch.tensor(sessions), torch.tensor(times), torch.tensor(lengths)).tensor().to(device)
        self._y = torch.from_numpy(_gather(clips, sessions, times)).to(device)
        self._frames = frames or len(times)
        self._batch = batch
        self._order = order
        self._sampler = sampler
        self._ranks = ranks
        seen = sampler.frames_seen(times, lengths) if sampler else None
        self._seen = None if seen is None else _rows_of(seen, sessions, times).to(device)

    def __len__(self) -> int:
        """Batches in a whole pass."""
        return -(-self._frames // self._batch)

    def __iter__(self) -> Iterator[list[Tensor]]:
        """Batches of one pass, in the order that ``order`` gives."""
        order = self._order(len(self._x)).to(self._x.device)
        for first in range(0, len(order), self._batch):
            chosen = order[first : first + self._batch]
            x, own = self._x[chosen], self._ranks.part(len(chosen)).items
            x, y = self._sampler.parts(x, self._y, chosen, own) if self._sampler else (x[own], self._y[chosen[own]])
            seen = [] if self._seen is None else [self._y[self._seen[chosen[own]]]]
            yield [x, *(pixels.float().div_(255) for pixels in (y, *seen))]


def _rows_of(seen: Sequence[Sequence[int]], sessions: Sequence[int], times: Sequence[int]) -> Tensor:
    """Where in a data set the frames are that are seen of each of its frames, ``(n, C)``, or ``(n,)`` of one each."""
    rows = {frame: row for row, frame in enumerate(zip(sessions, times, strict=True))}
    found = torch.tensor([[rows[s, t] for t in of_frame] for s, of_frame in zip(sessions, seen, strict=True)])
    return found[:, 0] if found.shape[1] == 1 else found


def _gather(clips: Sequence[Clip], sessions: list[int], times: list[int]) -> np.ndarray:
    """Frames in the data set's order; ``(n, 3, H, W)`` uint8, a copy."""
    frames = np.empty((len(times), *clips[sessions[0]].frames.shape[1:]), np.uint8)
    for session in sorted(set(sessions)):
        rows = [row for row, owner in enumerate(sessions) if owner == session]
        frames[rows] = clips[session].frames[[times[row] for row in rows]]
    return frames
