"""All that is wrong with the videos of a stream, told at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from vcl.errors import CacheError, ShortVideoError, VideoError

_MOST_LISTED = 10


class Faults:
    """Collects what is wrong with one video after the other."""

    def __init__(self) -> None:
        self._errors: list[VideoError] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an error of a video for later; that of the cache is raised at once, as it concerns all of them."""
        try:
            yield
        except CacheError:
            raise
        except VideoError as error:
            self._errors.append(error)

    def raise_any(self) -> None:
        """Raise all that was collected as one error; its lines say what to do about videos that are too short.

        Raises:
            VideoError: something was collected.
        """
        if not self._errors:
            return
        lines = [str(error) for error in self._errors]
        hint = self._hint()
        if len(lines) == 1:
            raise VideoError(f"{lines[0]}; {hint}" if hint else lines[0]) from self._errors[0]
        more = [f"and {len(lines) - _MOST_LISTED} more"] if len(lines) > _MOST_LISTED else []
        head = f"{len(lines)} videos of the stream cannot be used:"
        raise VideoError("\n  ".join([head, *lines[:_MOST_LISTED], *more, *([hint] if hint else [])]))

    def _hint(self) -> str:
        lengths = [error.frames for error in self._errors if isinstance(error, ShortVideoError)]
        if not lengths:
            return ""
        shortest = min(lengths)
        fits = f", stream.frames={shortest} fits the shortest" if shortest else ""
        return f"stream.frames=null takes each as long as it is{fits}"
