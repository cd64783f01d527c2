"""Plugins that carry something from session to session."""

from collections.abc import Mapping

from avalanche.core import SupervisedPlugin
from torch import Tensor


class StatefulPlugin(SupervisedPlugin):  # type: ignore[misc]
    """A plugin that carries something from one session to the next, or trains on more than the session's frames.

    ``session_state`` is stored with each session, counted as the buffer of the method, and given back to a run that
    goes on; ``state_dict`` is stored with each checkpoint.
    """

    def rehearsed(self, session: int) -> int:
        """Frames of earlier videos that each step of a session trains on beside its own."""
        return 0

    def session_state(self) -> dict[str, Tensor]:
        """What the next session needs, once this one has ended; by name."""
        return {}

    def load_session_state(self, state: Mapping[str, Tensor], session: int) -> None:
        """Take what ``session_state`` gave when the session before this one ended; empty before the first."""

    def state_dict(self) -> dict[str, Tensor]:
        """What has changed since the session began; by name."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what ``state_dict`` gave; called after ``before_training_exp``."""
