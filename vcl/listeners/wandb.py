"""A run on Weights & Biases. Nothing is sent unless the config says online and there is an API key."""

from __future__ import annotations

import io
import logging
import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from PIL import Image

from vcl import config as configs
from vcl.config import RunConfig
from vcl.home import lend_home
from vcl.listeners.sink import AXES, Picture, Table, Value
from vcl.rundir import RunFolder
from vcl.wording import printable

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)


def open_wandb(folder: RunFolder, config: RunConfig, grid: Path | None = None) -> WandbSink | None:
    """Start a run on W&B, or go on with it.

    Args:
        folder: the run.
        config: its config; ``wandb.mode`` online becomes offline where there is no API key.
        grid: folder of the grid that the run is a cell of. Its name becomes the group on W&B, and the run is named by
            its path from there on, ``methods/pfnr/0``; a run outside a grid is named like its folder.

    Returns:
        None where the mode is disabled.
    """
    mode = config.wandb.mode
    if mode == "disabled":
        return None
    lend_home()
    # Must be set before its service starts: without it, crash reports would go out even offline.
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    if mode == "online" and not _has_key():
        log.info("W&B has no API key: the run is logged offline, into its own folder")
        mode = "offline"
    return WandbSink(_start(folder, config, mode, grid), offline=mode == "offline")


class WandbSink:
    """Logs values to W&B; see ``Sink``.

    Online it has what the server has. Offline every start makes a folder of its own, which has nothing yet, so that the
    newest one comes to hold the whole run.

    Args:
        run: that was started.
        offline: whether it goes into the run's folder.
    """

    title = "W&B"

    def __init__(self, run: wandb.Run, offline: bool) -> None:
        self._run = run
        folder = Path(run.dir).parent
        self.hint = f"W&B: logged offline; to send it: wandb sync {quote(str(folder))}" if offline else None
        for axis in AXES.values():
            run.define_metric(axis, hidden=True)
            run.define_metric(f"{axis.split('/')[0]}/*", step_metric=axis)
        summary: Any = run.summary
        self.logged: dict[str, float] = {axis: summary.get(axis, -1) for axis in AXES.values()}

    def write(self, axis: str, position: int, values: Mapping[str, Value]) -> None:
        """Log values in one line, with their position."""
        self._run.log({axis: position, **{name: _as_logged(value) for name, value in values.items()}})

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def _as_logged(value: Value) -> Any:
    import wandb

    if isinstance(value, Picture):
        return wandb.Image(Image.open(io.BytesIO(value.png)))
    if isinstance(value, Table):
        return wandb.Table(columns=list(value.columns), data=[list(row) for row in value.rows])
    return value


def _start(folder: RunFolder, config: RunConfig, mode: Literal["offline", "online"], grid: Path | None) -> wandb.Run:
    import wandb

    if grid is not None:
        folder.keep_wandb_name(printable(f"{grid.resolve().name}/{folder.path.relative_to(grid).as_posix()}"))
    # That of a cell also where it goes on by itself, as in ``vcl append``.
    name = folder.wandb_name() or printable(folder.path.resolve().name)
    # Only the run's numbers: no console output, code, machine, packages or system load.
    settings: dict[str, Any] = {
        "silent": True,
        "console": "off",
        "disable_code": True,
        "disable_git": True,
        "save_code": False,
        "symlink": False,
        "x_disable_machine_info": True,
        "x_disable_meta": True,
        "x_disable_stats": True,
        "x_save_requirements": False,
    }
    run = wandb.init(
        project=config.wandb.project,
        tags=config.wandb.tags,
        name=name,
        group=name.split("/")[0] if "/" in name else None,
        id=folder.wandb_id(),
        dir=folder.path,
        config=configs.to_dict(config),
        allow_val_change=True,
        mode=mode,
        resume="allow",
        reinit="create_new",
        # Settings with an x are internal to the client, whose next version may lack them.
        settings=wandb.Settings(**{key: settings[key] for key in settings if key in wandb.Settings.model_fields}),
    )
    if mode == "online":
        log.info("W&B: %s", run.url)
    return run


def _has_key() -> bool:
    """Whether there is an API key where the client looks for one; never asks the user."""
    import wandb

    if os.environ.get("WANDB_API_KEY"):
        return True
    server = urlsplit(os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url).netloc
    netrc_path = os.environ.get("NETRC")
    for path in [netrc_path] if netrc_path else ["~/.netrc", "~/_netrc"]:
        try:
            if netrc.netrc(Path(path).expanduser()).authenticators(server):
                return True
        except (OSError, RuntimeError, ValueError, netrc.NetrcParseError):
            continue  # Also without a home folder, and where the file is not text.
    return False
