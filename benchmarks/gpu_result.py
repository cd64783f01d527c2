"""What the parts of gpu.sh left in its folder, as one JSON file: ``gpu_result.py FOLDER FILE``."""

import json
import statistics
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch

from vcl.device import choose_device
from vcl.profiling.machine import describe

PUBLISHED = 33.63
"""PSNR of f-NeRV3 on Bunny as the first of 17 sessions, dB (Kang et al., ICLR 2024)."""


def result(work: Path) -> dict[str, Any]:
    """All that was measured, with the machine; None for a part that did not come to its end."""
    device = choose_device("auto")
    machine = {**describe(device), "driver_cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return {
        "machine": machine,
        "parts": _parts(work / "parts.tsv"),
        "tests": {name: _tests(work / f"{name}.xml") for name in ("gpu_tests", "promise")},
        "bunny": _run(work / "bunny"),
        "shared": _shared(work),
        "tables": {path.stem: json.loads(path.read_text()) for path in sorted((work / "tables").glob("*.json"))},
    }


def _parts(path: Path) -> dict[str, dict[str, Any]]:
    """Exit status (124: it took too long) and seconds of each part."""
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return {
        name: {"status": int(status) if status.isdigit() else status, "seconds": int(taken)}
        for name, status, taken in rows
    }


def _tests(path: Path) -> dict[str, Any] | None:
    """Counts, and the names and first lines of what failed."""
    if not path.exists():
        return None
    cases = ElementTree.parse(path).getroot().findall(".//testcase")
    faults = {
        f"{case.get('classname')}::{case.get('name')}": (fault.get("message") or "").splitlines()[:1]
        for case in cases
        for fault in (*case.findall("failure"), *case.findall("error"))
    }
    skipped = sum(1 for case in cases if case.find("skipped") is not None)
    return {"passed": len(cases) - skipped - len(faults), "skipped": skipped, "failed": faults}


def _run(folder: Path) -> dict[str, Any] | None:
    """Quality and seconds of a run of one session, and when its training first passed the published PSNR."""
    if not (folder / "events.jsonl").exists():
        return None
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    epochs = [event for event in events if event["kind"] == "epoch"]
    rows = [event for event in events if event["kind"] == "row"]
    seconds = [epoch["seconds"] for epoch in epochs]
    lengths = [later - earlier for earlier, later in pairwise(seconds)]
    return {
        "epochs": len(epochs),
        "training_seconds": seconds[-1] if seconds else None,
        "milliseconds_per_step": 1e3 * seconds[-1] / epochs[-1]["step"] if epochs else None,
        "longest_epoch_to_median": max(lengths) / statistics.median(lengths) if lengths else None,
        "seconds_to_published": next((epoch["seconds"] for epoch in epochs if epoch["psnr"] >= PUBLISHED), None),
        "row": rows[-1] if rows else None,
        "curve": [[epoch["seconds"], epoch["psnr"]] for epoch in epochs],
    }


def _shared(work: Path) -> dict[str, Any] | None:
    """Seconds of a small run alone and of four at once, and the throughput of those relative to one's.

    From the end of the first epoch on: in it kernels are compiled and a step is recorded.
    """
    runs = [_run(path) for path in (work / "alone", *sorted((work / "shared").glob("*")))]
    seconds = [run["curve"][-1][0] - run["curve"][0][0] for run in runs if run and run["row"]]
    if len(seconds) < 5:
        return None
    alone, *together = seconds
    return {"alone": alone, "together": together, "throughput": len(together) * alone / max(together)}


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(result(Path(sys.argv[1])), indent=1) + "\n")
