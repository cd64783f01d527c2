"""Taking a folder for a run: whose it is, and that nobody else uses it."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from vcl import config as configs
from vcl.atomic_file import TEMPORARY_SUFFIX, remove_drafts
from vcl.config import RunConfig
from vcl.config.rules import shown
from vcl.errors import RunFolderError, RunFolderInUseError
from vcl.folder_lock import LOCK_NAME, exclusive_lock
from vcl.rundir.files import explained

logger = logging.getLogger(__name__)

_BEFORE_CONFIG = re.compile(rf"{re.escape(LOCK_NAME)}|\.config\.yaml\..*{re.escape(TEMPORARY_SUFFIX)}")
"""Files that a run folder may hold before its config."""


class Takeable(Protocol):
    """As much of a ``RunFolder`` as is needed to take it."""

    path: Path
    frames: Path

    def config(self) -> RunConfig:
        """The config that the folder belongs to."""

    def write_config(self, config: RunConfig) -> None:
        """Make it belong to another."""

    def trained(self) -> bool:
        """Whether anything was trained, which another config may not continue."""


@contextlib.contextmanager
def take(folder: Takeable, config: RunConfig) -> Iterator[None]:
    """Make or continue a run folder, and hold its lock; see ``RunFolder.opened``."""
    with contextlib.ExitStack() as stack:
        with explained(folder.path):
            check_ours(folder, config)  # Nothing is written to a folder of somebody else's.
            folder.path.mkdir(parents=True, exist_ok=True)
            locked = stack.enter_context(exclusive_lock(folder.path, RunFolderInUseError))
            check_ours(folder, config, locked=True)
            _start(folder, config)
            subfolders = (folder.path / "sessions", folder.frames)
            for subfolder in subfolders:  # After the config: without one, the folder would be somebody else's.
                subfolder.mkdir(exist_ok=True)
            if locked:
                for drafted in (folder.path, *subfolders):
                    remove_drafts(drafted)
        yield


def check_ours(folder: Takeable, config: RunConfig, locked: bool = False) -> None:
    """Refuse a folder that holds another run, or something else.

    Args:
        folder: to be used.
        config: of the run that it should belong to.
        locked: whether the lock is held. If not, another run may be making the folder at this moment, and files that
            are not a run's are refused only later, under the lock.
    """
    path = folder.path
    if (path / "config.yaml").exists():
        difference = configs.first_difference(folder.config(), config)
        if difference is not None and folder.trained():
            key, stored, requested = difference
            recipe = folder.config().train.recipe
            cure = "choose another folder with --out"
            if recipe != config.train.recipe:
                cure = f"its recipe is {recipe}: go on with train.recipe={recipe}, or {cure}"
            raise RunFolderError(
                f"{path} belongs to another config: it has {key} = {shown(stored)}, "
                f"this run asks for {shown(requested)}; {cure}"
            )
    elif path.exists():
        others = [item.name for item in path.iterdir() if not _BEFORE_CONFIG.fullmatch(item.name)]
        # A run makes the lock before anything else.
        if others and (locked or not (path / LOCK_NAME).exists()):
            raise RunFolderError(f"{path} must be empty or a run folder, but it holds {min(others)}")


def _start(folder: Takeable, config: RunConfig) -> None:
    """Write the config, unless the folder has it."""
    path = folder.path
    if (path / "config.yaml").exists():
        difference = configs.first_difference(folder.config(), config)
        if difference is None:
            return
        key, stored, _ = difference
        logger.info("%s had %s = %s; nothing was trained with it, so it is started again", path, key, shown(stored))
        for name in ("events.jsonl", "resolved.yaml", "versions.json", "wandb_id", "wandb_name"):
            (path / name).unlink(missing_ok=True)
    folder.write_config(config)
