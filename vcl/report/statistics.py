"""The statistics of the PFNR paper: variance and spectra of feature maps, and spectra of frames.

All are by session, in the order of the sessions, as the network decodes some frames of a session's video after the
last session. ``RUN/statistics.json`` keeps them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from vcl.datasets.stream import open_stream
from vcl.decode import Decoder
from vcl.errors import ConfigError, RunFolderError, VideoError
from vcl.evaluate import check_same_frames
from vcl.metrics.quality import to_unit
from vcl.metrics.spectrum import frequencies, radial_amplitude, relative_log_amplitude
from vcl.report.feature_maps import Curve, FeatureMaps, MapNumbers
from vcl.rundir import RunFolder
from vcl.video.cache import Clip
from vcl.video.pixels import stored_frames, to_uint8
from vcl.wording import printable

log = logging.getLogger(__name__)

FRAMES = 8
"""Frames of each video that are looked at, evenly spaced from the first to the last, by default."""

_VERSION = 1
"""Of the definitions below; statistics of another are out of date."""

_DIGITS = 5

Curves = Sequence[Mapping[str, Any]]
"""``spectra`` or ``frames`` of ``statistics_of``."""

TRUTH, DECODED, RESIDUAL = "truth", "decoded", "residual"


def statistics_of(folder: RunFolder, frames: int | None = None) -> dict[str, Any]:
    """The statistics that the folder keeps; made and kept where they are missing, out of date or damaged.

    They are made anew also where they lack the truth.

    Args:
        folder: the run, finished or not, with one closed session or more.
        frames: of each video at most, 1 or more; default as many as those that are kept are of, else ``FRAMES``.

    Returns:
        ``layers``: ``name`` and ``variance``, by session the mean over frames of ``map_variance``. ``spectra``: of the
        blocks as of ``FeatureMaps``, ``name``, ``group`` (the block), ``frequency`` (``frequencies``) and
        ``log_amplitude``, by session the natural logarithm of A(f) / A(0): A is the mean over frames of
        ``radial_amplitude``, and A(0) that of the block's whole output, so that the curves of a block can be compared.
        ``frames``: the same of ``truth``, ``decoded`` and ``residual``, which is truth minus decoded, of RGB in [0, 1]
        rounded to 8 bits; their A(0) is that of the truth. Without the truth, ``decoded`` alone, by its own A(0). None
        stands for what is not finite, and for amplitudes that are rounding errors.

    Raises:
        VclError: nothing can be decoded, or the statistics cannot be written.
    """
    try:
        kept = _fresh(folder)
    except RunFolderError as error:
        log.warning("%s; its statistics are made anew", error)
        kept = None
    count = frames or (kept or {"frame_count": FRAMES})["frame_count"]
    if kept is None or kept["frame_count"] != count or not any(curve["name"] == TRUTH for curve in kept["frames"]):
        kept = _measured(folder, count)
        folder.write_statistics(kept)
    return _public(kept)


def read_statistics(folder: RunFolder) -> dict[str, Any] | None:
    """The statistics that the folder keeps, as of ``statistics_of``; None where there are none of its present state.

    Raises:
        RunFolderError: their file is damaged.
    """
    kept = _fresh(folder)
    return None if kept is None else _public(kept)


def evenly_spaced(length: int, count: int) -> list[int]:
    """Indices of ``count`` frames from the first to the last, or of all where there are no more; of one, the middle."""
    if count == 1:
        return [length // 2]
    count = min(length, count)
    return [round(number * (length - 1) / max(1, count - 1)) for number in range(count)]


def missing_share(frames: Curves) -> dict[str, Any]:
    """By frequency, the amplitude of the residual over that of the truth; 1 where all of a frequency is missing.

    Args:
        frames: as of ``statistics_of``, with the truth.

    Returns:
        A curve with these shares in the place of its logarithms.
    """
    curves = {curve["name"]: curve for curve in frames}
    pairs = zip(curves[RESIDUAL]["log_amplitude"], curves[TRUTH]["log_amplitude"], strict=True)
    shares = [
        [None if a is None or b is None else math.exp(a - b) for a, b in zip(residual, truth, strict=True)]
        for residual, truth in pairs
    ]
    return {**curves[RESIDUAL], "log_amplitude": shares}


def mean_over_sessions(curve: Mapping[str, Any]) -> list[float | None]:
    """Of each frequency, the mean over the sessions that have a number there; None where none has."""
    columns = zip(*curve["log_amplitude"], strict=True)
    numbers = [[number for number in column if number is not None] for column in columns]
    return [fmean(column) if column else None for column in numbers]


@dataclass(frozen=True)
class _SessionNumbers:
    maps: MapNumbers
    frames: Mapping[str, Tensor]


def _fresh(folder: RunFolder) -> dict[str, Any] | None:
    kept = folder.statistics()
    state = {"version": _VERSION, "state_sha256": _state(folder, folder.sessions())}
    return kept if kept is not None and all(kept[key] == value for key, value in state.items()) else None


def _state(folder: RunFolder, sessions: int) -> list[str | None]:
    """Hashes of the numbers that the sessions sealed; None where it is unknown, as in older runs."""
    hashes = {event["session"]: event.get("state_sha256") for event in folder.events("session")}
    return [hashes.get(session) for session in range(sessions)]


def _public(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {key: kept[key] for key in ("layers", "spectra", "frames")}


def _measured(folder: RunFolder, frames: int) -> dict[str, Any]:
    decoder = Decoder.of_run(folder)
    state = _state(folder, len(decoder.videos))
    clips = _clips(folder)
    with FeatureMaps(decoder.network) as maps:
        sessions = []
        for video, notes in enumerate(decoder.videos):
            moments, clip = evenly_spaced(notes.frames, frames), None if clips is None else clips[video]
            sessions.append(_session_numbers(decoder, maps, video, moments, clip))
    size = folder.config().stream.size
    return {
        "version": _VERSION,
        "frame_count": frames,
        "state_sha256": state,
        "layers": [
            {"name": name, "variance": [_plain(numbers.maps.variance[name]) for numbers in sessions]}
            for name in sessions[0].maps.variance
        ],
        "spectra": _block_spectra([numbers.maps for numbers in sessions]),
        "frames": _frame_spectra([numbers.frames for numbers in sessions], frequencies(size)),
    }


def _clips(folder: RunFolder) -> list[Clip] | None:
    """The true videos; None, with a line that says why, where they are not at hand."""
    try:
        clips = open_stream(folder.own_stream(folder.config().stream), folder.appended())
        check_same_frames(folder, clips)
    except (ConfigError, VideoError, RunFolderError) as error:
        log.warning(
            "%s: spectra of the truth and of the residual are left out: %s",
            *(printable(str(text)) for text in (folder.path, error)),
        )
        return None
    return clips


def _session_numbers(
    decoder: Decoder, maps: FeatureMaps, video: int, moments: Sequence[int], clip: Clip | None
) -> _SessionNumbers:
    amplitudes: dict[str, list[Tensor]] = {}
    first = 0
    for decoded in decoder.frames(video, moments):
        for name, pictures in _pictures(decoded, clip, moments[first : first + len(decoded)]):
            amplitudes.setdefault(name, []).append(radial_amplitude(pictures))
        first += len(decoded)
    return _SessionNumbers(maps.take(), {name: torch.cat(rows).mean(0) for name, rows in amplitudes.items()})


def _pictures(decoded: Tensor, clip: Clip | None, moments: Sequence[int]) -> Iterator[tuple[str, Tensor]]:
    shown = to_unit(to_uint8(decoded.cpu()))  # Rounded, as measured frames are.
    if clip is not None:
        truth = to_unit(torch.stack([stored_frames(clip.frames, t) for t in moments]))
        yield TRUTH, truth
        yield DECODED, shown
        yield RESIDUAL, truth - shown
    else:
        yield DECODED, shown


def _block_spectra(sessions: Sequence[MapNumbers]) -> list[dict[str, Any]]:
    references: dict[str, Curve] = {}
    for curve in sessions[0].amplitude:  # The whole output comes first.
        references.setdefault(curve.group, curve)
    return [
        {
            **{"name": curve.name, "group": curve.group, "frequency": _rounded(frequency)},
            "log_amplitude": [
                _relative(maps.amplitude[curve][1], maps.amplitude[references[curve.group]][1]) for maps in sessions
            ],
        }
        for curve, (frequency, _) in sessions[0].amplitude.items()
    ]


def _frame_spectra(sessions: Sequence[Mapping[str, Tensor]], frequency: Tensor) -> list[dict[str, Any]]:
    reference = next(iter(sessions[0]))
    return [
        {
            **{"name": name, "frequency": _rounded(frequency)},
            "log_amplitude": [_relative(frames[name], frames[reference]) for frames in sessions],
        }
        for name in sessions[0]
    ]


def _relative(amplitude: Tensor, reference: Tensor) -> list[float | None]:
    return _rounded(relative_log_amplitude(amplitude, reference[0].item()))


def _rounded(numbers: Tensor) -> list[float | None]:
    return [None if (plain := _plain(number)) is None else round(plain, _DIGITS) for number in numbers.tolist()]


def _plain(number: float) -> float | None:
    return number if math.isfinite(number) else None
