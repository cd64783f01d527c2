"""The errors of the videos of a stream, collected and raised together."""

from collections.abc import Iterator
from contextlib import contextmanager

from vcl.errors import CacheError, ShortVideoError, VideoError

_MAX_LISTED = 10


class Faults:
    """Collects the errors of one video after another."""

    def __init__(self) -> None:
        self._errors: list[VideoError] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an error of a video for later; one of the cache is raised at once, since it concerns all videos."""
        try:
            yield
        except CacheError:
            raise
        except VideoError as error:
            self._errors.append(error)

    def raise_any(self) -> None:
        """Raise what was collected as one error, with a hint on videos that are too short.

        Raises:
            VideoError: something was collected; each error has a line, the first ten of them.
        """
        if not self._errors:
            return
        lines = [str(error) for error in self._errors]
        hint = self._hint()
        if len(lines) == 1:
            raise VideoError(f"{lines[0]}; {hint}" if hint else lines[0]) from self._errors[0]
        rest = [f"and {len(lines) - _MAX_LISTED} more"] if len(lines) > _MAX_LISTED else []
        head = f"{len(lines)} videos of the stream cannot be used:"
        raise VideoError("\n  ".join([head, *lines[:_MAX_LISTED], *rest, *([hint] if hint else [])]))

    def _hint(self) -> str:
        lengths = [error.frames for error in self._errors if isinstance(error, ShortVideoError)]
        if not lengths:
            return ""
        shortest = min(lengths)
        common_length = f", stream.frames={shortest} fits the shortest" if shortest else ""
        return f"stream.frames=null takes each as long as it is{common_length}"
