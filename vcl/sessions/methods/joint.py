"""All videos at once."""

from __future__ import annotations

from typing import Any

from avalanche.benchmarks.utils.data import AvalancheDataset
from avalanche.benchmarks.utils.utils import concat_datasets

from vcl.sessions.strategy import VideoStrategy


class Joint(VideoStrategy):
    """One dense network, trained on all videos together once the last has arrived; nothing is sequential here.

    Each frame is trained on as often as in every other method. Sessions before the last only wait.
    """

    @property
    def waiting(self) -> bool:
        """Whether videos are still to come."""
        return self.session + 1 < len(self.clips)

    def frames_to_train_on(self) -> AvalancheDataset:
        """All videos, when all have come."""
        if self.waiting:
            return self.adapted_dataset
        stream = self.experience.origin_stream
        return concat_datasets([experience.dataset for experience in stream])

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        if self.waiting:
            self.train_epochs = 0


class Cumulative(VideoStrategy):
    """One dense network that may go back to all videos so far, at the work of one session: replay without a limit.

    A pass has as many frames as the session's video, drawn from all videos so far. Frames are read from the stream
    again and not counted as stored bytes.
    """

    def frames_to_train_on(self) -> AvalancheDataset:
        """All videos so far."""
        stream = self.experience.origin_stream
        return concat_datasets([experience.dataset for experience in stream[: self.session + 1]])

    def frames_per_pass(self, frames: AvalancheDataset) -> int:
        """Those of the session's video."""
        return len(self.adapted_dataset)
