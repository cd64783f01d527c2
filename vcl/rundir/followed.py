"""The folder of a run that another process writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vcl.rundir.events import Event
from vcl.rundir.folder import RunFolder
from vcl.rundir.tensors import SessionNotes

if TYPE_CHECKING:
    from torch import Tensor


class FollowedFolder(RunFolder):
    """A run folder that another process writes on behalf of this one too: what this one has to write is dropped."""

    def record(self, event: Event) -> None:
        """Nothing."""

    def write_session(self, session: int, tensors: Mapping[str, Tensor], notes: SessionNotes) -> None:
        """Nothing."""

    def write_checkpoint(self, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Nothing."""

    def _write_text(self, name: str, text: str) -> None:
        """Nothing."""
