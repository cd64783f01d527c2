"""One run as the page shows it, but for its pictures."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vcl.config import RunConfig
from vcl.errors import RunFolderError
from vcl.metrics.registry import METRICS
from vcl.report.figures.run import total_of
from vcl.report.page.kept import Kept
from vcl.report.page.provenance import machine_text, provenance
from vcl.report.proof import checks_of, sealed_row
from vcl.report.statistics import read_statistics
from vcl.report.subnetworks import subnetworks_of
from vcl.report.summary import Summary, label
from vcl.rundir import Event, RunFolder
from vcl.wording import printable

log = logging.getLogger(__name__)


def run_view(
    folder: RunFolder,
    name: str,
    matrix: Mapping[str, Any] | None,
    summary: Summary | None,
    most_epochs: int,
    kept: Kept,
) -> dict[str, Any]:
    """A run, finished or not, without its ``clips``.

    Args:
        folder: the run.
        name: of the run, unlike that of any other run of the page.
        matrix: as ``read_matrix`` gives it.
        summary: of the run; None before the first row.
        most_epochs: about how many epochs of its training to show; of more, every second, every third and so on.
        kept: what the page before this one left.

    Raises:
        VclError: the folder is damaged.
    """
    config = folder.config()
    matrix = matrix or {"videos": _planned(folder), "frames": [], "size": config.stream.size, "rows": []}
    return {
        "name": name,
        "title": run_title(config),
        "method": printable(config.method.name),
        "finished": folder.finished(),
        "planned": len(matrix["videos"]),
        "measured": len(matrix["rows"]),
        "videos": matrix["videos"],
        "frames": matrix["frames"],
        "size": list(matrix["size"]),
        "numbers": None if summary is None else _numbers(summary),
        "matrix": [_row(row) for row in matrix["rows"]],
        "proof": _proof(matrix["rows"]),
        "forgets": config.method.forgets,
        "training": _training(folder.events("epoch"), most_epochs),
        "capacity": _capacity(folder.events("session")),
        "subnetworks": _subnetworks(folder, kept),
        "statistics": _statistics(folder),
        "provenance": provenance(folder),
    }


def run_title(config: RunConfig) -> str:
    """Method, where its operator is, and the network where it is not NeRV: ``PFNR, c = 30 %, operator in block 1``."""
    parts = [label(config.method)]
    if config.backbone.operator:
        parts.append(f"operator in block {config.backbone.operator}")
    if config.backbone.name != RunConfig().backbone.name:
        parts.append(config.backbone.name)
    return printable(", ".join(parts))


def _planned(folder: RunFolder) -> list[str]:
    starts = folder.events("start")
    return [printable(name) for name in starts[-1]["videos"]] if starts else []


def _numbers(summary: Summary) -> dict[str, Any]:
    names = ("backward_transfer", "forgetting", "forward_transfer", "stored_bytes", "bits_per_pixel", "seconds")
    return {
        "average": dict(summary.averages),
        **{name: getattr(summary, name) for name in (*names, "updates_per_frame", "decode_fps")},
        "stored": dict(summary.stored),
    }


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    empty = [None] * len(row["psnr"])
    lists = (*METRICS, "sha256", "state_sha256")
    return {
        "session": row["session"],
        **{key: row.get(key) or empty for key in lists},
        "machine": machine_text(row.get("machine")),
    }


def _proof(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each learned video was when it was sealed, and its checks since."""
    proof = []
    for video in range(len(rows)):
        sealed = sealed_row(rows, video)
        if sealed is None:
            continue
        checks = [
            {"session": c.session, "kind": c.kind, "equal": c.equal, "machine": machine_text(c.machine)}
            for c in checks_of(rows, video)
        ]
        proof.append(
            {"video": video, "session": sealed["session"], "sealed": sealed["sha256"][video], "checks": checks}
        )
    return proof


def _training(epochs: Sequence[Event], most: int) -> dict[str, list[Any]]:
    """Columns of the epochs; steps and seconds count from the beginning of a session."""
    epochs = sorted(epochs, key=lambda event: (event["session"], event["epoch"]))
    # The last epoch of a session is always among those that are shown.
    stride = max(1, math.ceil(len(epochs) / most))
    after = [*(event["session"] for event in epochs[1:]), None]
    shown = [e for i, (e, s) in enumerate(zip(epochs, after, strict=False)) if i % stride == 0 or s != e["session"]]
    return {
        **{key: [event[key] for event in shown] for key in ("session", "epoch", "step")},
        "seconds": [round(event["seconds"], 2) for event in shown],
        "loss": [float(f"{event['loss']:.5g}") for event in shown],
        "psnr": [round(event["psnr"], 3) for event in shown],
        "lr": [float(f"{event['lr']:.5g}") for event in shown],
    }


def _capacity(sessions: Sequence[Event]) -> list[dict[str, Any]] | None:
    """Counts of weights by use after each session: of all layers, then of each; None for a method without masks."""
    by_session = {event["session"]: {layer["name"]: layer for layer in event["layers"]} for event in sessions}
    names = dict.fromkeys(name for layers in by_session.values() for name in layers)
    if not names:
        return None
    of_all = {session: total_of(layers.values()) for session, layers in by_session.items() if layers}
    of_each = ((name, {s: layers[name] for s, layers in by_session.items() if name in layers}) for name in names)
    return [
        _use("all layers", of_all),
        *(_use(printable(name.removesuffix(".weight")), counts) for name, counts in of_each),
    ]


def _use(name: str, by_session: Mapping[int, Mapping[str, int]]) -> dict[str, Any]:
    sessions = [
        {
            "session": session,
            **{key: counts[key] for key in ("reused", "new", "free")},
            "other": counts["total"] - counts["reused"] - counts["new"] - counts["free"],
        }
        for session, counts in by_session.items()
    ]
    return {"name": name, "total": max(counts["total"] for counts in by_session.values()), "sessions": sessions}


def _subnetworks(folder: RunFolder, kept: Kept) -> dict[str, Any] | None:
    """What the closed sessions share; None for a method without masks."""

    def shared() -> dict[str, Any] | None:
        subnetworks = subnetworks_of(folder)
        if subnetworks is None:
            return None
        return {"overlap": _rounded(subnetworks.overlap), "age": _rounded(subnetworks.age)}

    return kept.take(("subnetworks", folder.path.resolve(), folder.sessions()), shared)


def _rounded(matrix: Iterable[Iterable[float]]) -> list[list[float]]:
    return [[round(value, 4) for value in row] for row in matrix]


def _statistics(folder: RunFolder) -> dict[str, Any] | None:
    """What ``vcl stats`` measured, if it is of the run's present state; None, with a line, where it is damaged."""
    try:
        return read_statistics(folder)
    except RunFolderError as error:
        log.warning("%s; its statistics are left out", printable(str(error)))
        return None
