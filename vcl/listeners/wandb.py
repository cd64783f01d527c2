"""A run on Weights & Biases.

Every number comes from an event that the run folder has too. A resumed run is therefore logged from its beginning,
without what the server already has. Nothing is sent unless the config says online and there is an API key.

The listener never ends training: whatever the client raises, the run continues without it, after one warning.
"""

from __future__ import annotations

import io
import logging
import netrc
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from matplotlib.figure import Figure
from PIL import Image

from vcl import config as configs
from vcl.config import RunConfig
from vcl.home import lend_home
from vcl.metrics.registry import METRICS, PSNR
from vcl.report.figures.frames import frames_figure, saved_frame
from vcl.report.figures.run import matrix_figure, shares_of
from vcl.report.figures.style import figure_bytes
from vcl.report.summary import label, read_matrix, session_matrix
from vcl.rundir import Event, RunFolder
from vcl.wording import printable

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)

_AXES = {
    "epoch": "train/step",
    "session": "shares/session",
    "row": "matrix/session",
    "probe": "transfer/session",
    "scratch": "scratch/session",
}
"""Kind of event to the horizontal axis of its charts. W&B drops what is logged at a smaller step than before, and a
run that resumes from a checkpoint logs some events twice; on these axes repeated events are recognised and skipped."""


def wandb_sink(folder: RunFolder, config: RunConfig, grid: Path | None = None) -> list[WandbListener]:
    """Open the listener that a config asks for.

    Args:
        folder: the run.
        config: its config; ``wandb.mode`` online becomes offline where there is no API key.
        grid: folder of the grid that the run is a cell of. Its name becomes the group on W&B, and the run is named by
            its path from there on, ``methods/pfnr/0``; a run outside a grid is named like its folder.

    Returns:
        The listener, or an empty list where the mode is disabled or W&B does not start.
    """
    if config.wandb.mode == "disabled":
        return []
    lend_home()
    # Must be set before its service starts: without it, crash reports would go out even offline.
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    mode = config.wandb.mode
    try:
        if mode == "online" and not _has_key():
            log.info("W&B has no API key: the run is logged offline, into its own folder")
            mode = "offline"
        return [WandbListener(folder, config, mode, grid)]
    except Exception as error:
        log.warning("W&B does not start, the run goes on without it: %s", _line(error))
        return []


class WandbListener:
    """Logs the events of a run to W&B, until the run ends.

    Earlier events of the folder are logged first: offline all of them, so that the newest offline folder holds the
    whole run; online those that the server lacks.

    Args:
        folder: the run.
        config: its config.
        mode: offline or online.
        grid: as ``wandb_sink`` has it.
    """

    def __init__(
        self, folder: RunFolder, config: RunConfig, mode: Literal["offline", "online"], grid: Path | None = None
    ) -> None:
        self._folder = folder
        self._title = label(config.method)
        self._steps: dict[int, int] = {}
        self._run: wandb.Run | None = _start(folder, config, mode, grid)
        self.offline_folder = Path(self._run.dir).parent if mode == "offline" else None
        """What ``wandb sync`` sends."""
        for axis in _AXES.values():
            self._run.define_metric(axis, hidden=True)
            self._run.define_metric(f"{axis.split('/')[0]}/*", step_metric=axis)
        summary: Any = self._run.summary
        self._logged: dict[str, float] = {axis: summary.get(axis, -1) for axis in _AXES.values()}
        earlier = folder.events()
        last_row = max((index for index, event in enumerate(earlier) if event["kind"] == "row"), default=-1)
        for index, event in enumerate(earlier):
            # Pictures of the rows before the last would take long and show little.
            self._log(event, pictures=index == last_row)

    def __call__(self, event: Event) -> None:
        """Log an event of the run; the event of its end closes the listener."""
        try:
            self._log(event, pictures=True)
        except Exception as error:
            self._give_up(error)
        if event["kind"] == "end":
            self.close()

    def close(self) -> None:
        """Finish the run on W&B; a second call does nothing."""
        if self._run is not None:
            run: Any = self._run
            self._run = None
            try:
                run.finish()
            except Exception as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        log.warning("W&B stopped, the run goes on without it: %s", _line(error))
        self._run = None

    def _log(self, event: Event, pictures: bool) -> None:
        kind = "scratch" if event.get("scratch") else event["kind"]
        if kind not in _AXES or self._run is None:
            return
        axis, position = _AXES[kind], event["session"]
        if kind == "epoch":
            self._steps[event["session"]] = event["steps"]
            position = event["step"] + sum(steps for s, steps in self._steps.items() if s < event["session"])
        if position <= self._logged[axis]:
            return
        self._logged[axis] = position
        self._run.log({axis: position, **self._values(kind, event, pictures)})

    def _values(self, kind: str, event: Event, pictures: bool) -> dict[str, Any]:
        if kind == "epoch":
            return {f"train/{key}": event[key] for key in ("loss", "psnr", "lr")}
        if kind == "session":
            return _shares(event["layers"])
        if kind == "row":
            return self._row(event["session"], pictures)
        return {f"{_AXES[kind].split('/')[0]}/psnr": event["psnr"]}

    def _row(self, session: int, pictures: bool) -> dict[str, Any]:
        """The matrix after a session: numbers, table and, if wanted, a figure of it and a frame of the new video."""
        import wandb

        latest = read_matrix(self._folder)
        assert latest is not None, "the event of a row follows its place in the matrix"
        matrix = {**latest, "rows": latest["rows"][: session + 1]}
        values: dict[str, Any] = {}
        for metric in METRICS:
            numbers = session_matrix(matrix, metric)
            cells = zip(matrix["videos"], numbers.rows[-1][: session + 1], strict=False)
            values |= {f"matrix/{metric}/{name}": cell for name, cell in cells if cell is not None}
            if metric == PSNR.name:
                transfer = {"bwt": numbers.backward_transfer(), "forgetting": numbers.forgetting()}
                values |= {f"matrix/{name}": value for name, value in transfer.items() if value is not None}
            if numbers.average() is not None:
                values["matrix/average" if metric == PSNR.name else f"matrix/average_{metric}"] = numbers.average()
        rows: list[Any] = [[row["session"], *row["psnr"]] for row in matrix["rows"]]
        values["matrix/table"] = wandb.Table(columns=["after session", *matrix["videos"]], data=rows)
        learned = matrix["rows"][-1]["psnr"][session] is not None
        return values | (self._pictures(matrix, session) if pictures and learned else {})

    def _pictures(self, matrix: dict[str, Any], session: int) -> dict[str, Any]:
        """Figures of the matrix and of the new video's middle frame, which the run saved: nothing is decoded here."""
        name = matrix["videos"][session]
        values = {}
        try:
            values["matrix/figure"] = _image(matrix_figure(matrix, "psnr", self._title))
            panel = saved_frame(self._folder, session, name)
            values[f"frames/{name}"] = _image(frames_figure([panel], f"{self._title}: {name} after session {session}"))
        except Exception as error:
            log.warning("W&B gets no frames of session %d: %s", session, _line(error))
        return values


def _start(folder: RunFolder, config: RunConfig, mode: Literal["offline", "online"], grid: Path | None) -> wandb.Run:
    import wandb

    group = None if grid is None else printable(grid.resolve().name)
    name = printable(folder.path.resolve().name if grid is None else folder.path.relative_to(grid).as_posix())
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
        name=name if group is None else f"{group}/{name}",
        group=group,
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


def _line(error: Exception) -> str:
    """The message of an error on one line, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


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


def _shares(layers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {
        f"shares/{layer['name']}/{name.replace(' ', '_')}": share
        for layer in layers
        for name, share in shares_of(layer).items()
    }


def _image(figure: Figure) -> wandb.Image:
    import wandb

    return wandb.Image(Image.open(io.BytesIO(figure_bytes(figure, "png"))))
