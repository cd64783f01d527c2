"""Finding run folders, such as those of a grid."""

import os
from collections.abc import Sequence
from pathlib import Path

from vcl.rundir.files import exists, explained, not_a_run
from vcl.rundir.folder import RunFolder


def run_folders(paths: Sequence[Path]) -> list[RunFolder]:
    """Run folders as they are, and of folders that are none, such as a grid's, all within that have a row; by name.

    Raises:
        RunFolderError: there is none, or a folder cannot be looked into.
    """
    runs: list[Path] = []
    for path in paths:
        within = [path] if exists(path / "config.yaml") else _runs_within(path)
        if not within:
            raise not_a_run(path)
        runs += within
    return [RunFolder.existing(path) for path in runs]


def _runs_within(path: Path) -> list[Path]:
    runs: list[Path] = []
    with explained(path):
        if path.is_file():
            return runs
        for place, folders, files in os.walk(path, onerror=_refuse_unreadable):
            if "matrix.json" in files:
                runs.append(Path(place))
                folders.clear()
    return sorted(runs)


def _refuse_unreadable(error: OSError) -> None:
    """Let a folder that has just been removed, such as one of the W&B client's, be none."""
    if not isinstance(error, FileNotFoundError):
        raise error
