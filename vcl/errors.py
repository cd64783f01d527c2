"""Every error that vcl raises on purpose.

The command line prints such an error as one line and exits with 2. Anything else that escapes is a bug and keeps
its traceback. A message names the thing, the rule and what was found: ``capacity must lie in (0, 1], got 1.5``.
"""


class VclError(Exception):
    """Something the user can put right."""


class ConfigError(VclError):
    """A setting that is unknown, of the wrong type or out of range."""


class VideoError(VclError):
    """A video that is missing, unreadable or not what its benchmark says."""


class RunFolderError(VclError):
    """A run folder that is damaged, in use, not writable or made by another config."""


class RunFolderInUseError(RunFolderError):
    """A run folder that another process works in."""


class TrainingError(VclError):
    """Training that cannot go on, such as a loss that is no longer finite."""


class ForgettingError(VclError):
    """A method that promises no forgetting decoded an earlier video differently."""


class MemoryLimitError(VclError):
    """What was asked for does not fit into memory."""


class OutputError(VclError):
    """Standard output that cannot be written to."""


class OutputClosedError(OutputError):
    """Nobody reads standard output any more, such as ``head`` that has its lines."""


class Interrupted(VclError):
    """The user asked a run to stop; everything needed to go on is saved."""
