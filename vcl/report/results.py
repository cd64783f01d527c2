"""What runs came to, in small files that outlive the run folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from vcl import config as configs
from vcl.atomic_file import atomic_file
from vcl.errors import VclError
from vcl.report.summary import Summary


def save_results(folder: Path, summaries: Sequence[Summary]) -> list[Path]:
    """Write a JSON file for each run, named after it: its numbers, and the settings that can change them.

    Args:
        folder: made if need be; files of the same names are replaced.
        summaries: of runs, finished or not.

    Returns:
        The files.

    Raises:
        VclError: they cannot be written.
    """
    paths = [folder / f"{summary.run.replace('/', '-')}.json" for summary in summaries]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, summary in zip(paths, summaries, strict=True):
            with atomic_file(path) as draft:
                draft.file.write(f"{json.dumps(_to_json(summary), indent=1)}\n".encode())
    except OSError as error:
        raise VclError(f"--save must name a folder that can be written, got {folder} ({error.strerror})") from error
    return paths


def read_results(paths: Sequence[Path]) -> list[Summary]:
    """Read what ``save_results`` wrote.

    Args:
        paths: files, and folders of which every ``.json`` is read.

    Returns:
        In the order of the paths, and within a folder of the names; a run is named after its file.

    Raises:
        VclError: a file cannot be read or holds something else, or two have one name.
    """
    files = json_files(paths)
    results = {file.stem: _from_json(read_json(file), file) for file in files}
    if len(results) < len(files):
        twice = next(file for file in files if sum(other.stem == file.stem for other in files) > 1)
        raise VclError(f"results must have names that differ, got {twice.stem} twice")
    return list(results.values())


def json_files(paths: Sequence[Path]) -> list[Path]:
    """The files among paths, and those that end in ``.json`` in the folders among them, however deep, by name."""
    return [
        file
        for path in paths
        for file in (sorted(path.rglob("*.json"), key=lambda found: found.parts) if path.is_dir() else [path])
    ]


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON object.

    Raises:
        VclError: there is none.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VclError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise VclError(f"{path} is not JSON") from error
    if not isinstance(values, dict):
        raise VclError(f"{path} must hold a JSON object")
    return values


def _to_json(summary: Summary) -> dict[str, Any]:
    plain = {item.name: getattr(summary, item.name) for item in fields(Summary) if item.name != "run"}
    return {**plain, "config": configs.identity(summary.config)}


def _from_json(values: Mapping[str, Any], path: Path) -> Summary:
    try:
        lists = {key: tuple(values[key]) for key in ("planned", "videos", "frames", "last")}
        summary = Summary(**{**values, **lists, "run": path.stem, "config": configs.from_dict(values["config"])})
        fits = len(summary.videos) == len(summary.frames) == len(summary.last) <= len(summary.planned)
        if not fits or not all(isinstance(psnr, int | float) for psnr in summary.last):
            raise ValueError("its videos, frames and PSNRs do not fit one another")
    except (KeyError, TypeError, ValueError, VclError) as error:
        raise VclError(f"{path} is not a result as vcl compare --save writes them: {error}") from error
    return summary
