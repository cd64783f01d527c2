"""Plugins that carry something from session to session."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from avalanche.core import SupervisedPlugin
from torch import Tensor

from vcl.backbones import Backbone


class StatefulPlugin(SupervisedPlugin):  # type: ignore[misc]
    """A plugin that carries something from one session to the next, or trains on more than the session's frames.

    ``session_state`` is stored with each session, counted as the buffer of the method, and given back to a run that
    goes on; ``state_dict`` is stored with each checkpoint.
    """

    video_copies: ClassVar[int] = 0
    """How often the frames of a session's video are in memory once more when it ends, for ``vcl plan``."""

    @property
    def buffered(self) -> int:
        """Frames that are in memory from one session to the next."""
        return 0

    def rehearsed(self, session: int, lengths: Sequence[int]) -> int:
        """Frames of earlier videos that each step of a session trains on beside its own.

        Args:
            session: its index.
            lengths: frames of each video of the stream.
        """
        return 0

    def session_state(self) -> dict[str, Tensor]:
        """What the next session needs, once this one has ended; by name."""
        return {}

    def session_spec(self, session: int, lengths: Sequence[int], network: Backbone) -> dict[str, Tensor]:
        """What ``session_state`` will give when a session has ended: tensors of the same types and shapes.

        ``vcl plan`` calls it in the place of training, for one session after the other. It takes what is missing here
        from a short run, and warns that it does not know how that grows.

        Args:
            session: its index.
            lengths: frames of each video of the stream.
            network: as it is trained, on the meta device, with the tensors of all sessions so far.
        """
        return {}

    def load_session_state(self, state: Mapping[str, Tensor], session: int) -> None:
        """Take what ``session_state`` gave when the session before this one ended; empty before the first."""

    def state_dict(self) -> dict[str, Tensor]:
        """What has changed since the session began; by name."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what ``state_dict`` gave; called after ``before_training_exp``."""
