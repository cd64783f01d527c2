"""Whether videos still decode as when they were sealed, by the hashes in the matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_HASHES = {"frames": "sha256", "sample": "sample_sha256", "numbers": "state_sha256"}
"""What is compared, the strongest first, to the hash of it in a row."""


@dataclass(frozen=True)
class Check:
    """A video after a later session, next to what it was when it was sealed.

    Args:
        session: the later one.
        kind: what was compared: all frames, a sample of them, or the numbers that decode them, where no frames were
            decoded or where they were on another machine, whose frames differ in last bits.
        equal: whether the hashes are.
        machine: where it was decoded, as rows have it; None in older runs.
    """

    session: int
    kind: str
    equal: bool
    machine: Mapping[str, Any] | None


def sealed_row(rows: Sequence[Mapping[str, Any]], video: int) -> Mapping[str, Any] | None:
    """The row in which a video was measured for the first time after its session; None where there is none yet."""
    return next((row for row in rows[video:] if row["psnr"][video] is not None), None)


def checks_of(rows: Sequence[Mapping[str, Any]], video: int) -> list[Check]:
    """A video's checks in all rows after the one that sealed it; a row that has no hash of it makes none."""
    sealed = sealed_row(rows, video)
    if sealed is None:
        return []
    checks = (_check(row, sealed, video) for row in rows[sealed["session"] + 1 :])
    return [check for check in checks if check is not None]


def _check(row: Mapping[str, Any], sealed: Mapping[str, Any], video: int) -> Check | None:
    equal = {
        kind: now == then
        for kind, key in _HASHES.items()
        if (now := _cell(row, key, video)) is not None and (then := _cell(sealed, key, video)) is not None
    }
    if not equal:
        return None
    kind = next(iter(equal))
    if not equal[kind] and equal.get("numbers") and row.get("machine") != sealed.get("machine"):
        kind = "numbers"
    return Check(row["session"], kind, equal[kind], row.get("machine"))


def _cell(row: Mapping[str, Any], key: str, video: int) -> str | None:
    return row[key][video] if row.get(key) else None
