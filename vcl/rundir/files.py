"""Reading and writing the files of a run folder; what goes wrong is a RunFolderError of one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import safetensors

from vcl.atomic_file import atomic_file
from vcl.errors import RunFolderError
from vcl.memory import is_out_of_memory


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all; raises RunFolderError."""
    with explained(path), atomic_file(path) as draft:
        draft.file.write(content)


def exists(path: Path) -> bool:
    """Whether there is such a file or folder; raises RunFolderError where that cannot be told."""
    with explained(path):
        return path.exists()


@contextlib.contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn what the system says about a file into one line."""
    try:
        yield
    except OSError as error:
        raise RunFolderError(f"{error.filename or path}: {error.strerror or error}") from error
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        if is_out_of_memory(error):
            raise
        raise RunFolderError(f"{path} is damaged: {error}") from error


def not_a_run(path: Path) -> RunFolderError:
    """Say why a path is no run folder, and which may have been meant."""
    hint = ""
    with contextlib.suppress(OSError):  # What cannot be looked into gives no hint.
        if not path.exists():
            return RunFolderError(f"{path} does not exist")
        around = [folder for folder in path.absolute().parents[:2] if (folder / "config.yaml").is_file()]
        if around:
            hint = f"; did you mean {around[0]}?"
        elif runs := [run for run in sorted(path.glob("*")) if (run / "config.yaml").is_file()]:
            hint = f"; it holds {', '.join(map(str, runs[:5]))}{', ...' if len(runs) > 5 else ''}"
    return RunFolderError(f"{path} is not a run folder: it has no config.yaml{hint}")
