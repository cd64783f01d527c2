"""All videos at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vcl.sessions.strategy import VideoStrategy


class Joint(VideoStrategy):
    """One dense network, trained on all videos together once the last has arrived; nothing is sequential here.

    Each frame is trained on as often as in every other method. Sessions before the last only wait.
    """

    @classmethod
    def videos_of(cls, session: int, sessions: int) -> range:
        """All videos, when all have come."""
        return range(sessions) if session + 1 == sessions else super().videos_of(session, sessions)

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        if self.session + 1 < len(self.clips):
            self.train_epochs = 0


class Cumulative(VideoStrategy):
    """One dense network that may go back to all videos so far, at the work of one session: replay without a limit.

    A pass has as many frames as the session's video, drawn from all videos so far. Frames are read from the stream
    again and not counted as stored bytes.
    """

    @classmethod
    def videos_of(cls, session: int, sessions: int) -> range:
        """All videos so far."""
        return range(session + 1)

    @classmethod
    def frames_per_pass(cls, session: int, lengths: Sequence[int]) -> int:
        """Those of the session's video."""
        return lengths[session]
