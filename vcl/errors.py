"""Every error that vcl raises on purpose.

The command line prints such an error as one line and exits with 2. Anything else that escapes is a bug and keeps
its traceback. A message names the thing, the rule and what was found: ``capacity must lie in (0, 1], got 1.5``.
"""


class VclError(Exception):
    """Something that the user can correct."""


class ConfigError(VclError):
    """A setting that is unknown, of the wrong type or out of range."""


class VideoError(VclError):
    """A video that is missing, unreadable or not what its benchmark says."""


class ShortVideoError(VideoError):
    """A video with fewer frames than requested.

    Args:
        message: the line for the user.
        frames: how many of the requested frames it has.
    """

    def __init__(self, message: str, frames: int) -> None:
        super().__init__(message)
        self.frames = frames


class CacheError(VideoError):
    """The clip cache cannot be written, whatever the video."""


class RunFolderError(VclError):
    """A run folder that is damaged, in use, not writable or made by another config."""


class RunFolderInUseError(RunFolderError):
    """A run folder that another process works in."""


class BitstreamError(VclError):
    """A library file that is damaged, of an unknown version, or that cannot be read or written."""


class LibraryInUseError(VclError):
    """A library file that another process is writing to."""


class TrainingError(VclError):
    """Training that cannot go on, such as a loss that is no longer finite."""


class RanksError(VclError):
    """Processes that should train a run together, of which one is missing or unlike the others."""


class ForgettingError(VclError):
    """A method that promises no forgetting decoded an earlier video differently."""


class MemoryLimitError(VclError):
    """What was requested does not fit into memory."""


class OutputError(VclError):
    """Standard output that cannot be written to."""


class OutputClosedError(OutputError):
    """Standard output was closed by its reader, such as ``head``."""


class Interrupted(VclError):
    """The user stopped a run; everything needed to resume it is saved."""
