"""Frames against truth: one row of the session matrix, decoded from what is on disk."""

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from vcl.errors import ForgettingError
from vcl.metrics import quality
from vcl.render import Decoder
from vcl.rundir import RunFolder
from vcl.video.cache import Clip
from vcl.video.pixels import to_uint8


def measure_row(
    folder: RunFolder, clips: Sequence[Clip], state: int, upper: bool, device: torch.device
) -> dict[str, Any]:
    """Decode every video from the state that was saved after session ``state``, and measure it.

    What is measured is what a viewer gets: the decoded frames, rounded to uint8 once, against the true uint8 frames,
    both on [0, 1].

    Args:
        folder: the run.
        clips: the whole stream, by session.
        state: the latest closed session.
        upper: also decode videos that are still to come, with session ``state``'s mask and their own index.
        device: where to decode.

    Returns:
        ``session``; by video ``psnr`` (dB), ``ssim`` and ``ms_ssim`` (None where not measured or not defined),
        ``sha256`` of the decoded uint8 frames and ``state_sha256`` of the numbers that decode them (None for videos
        still to come); ``seconds``.
    """
    started = time.perf_counter()
    decoder = Decoder.of_run(folder, state, device)
    row: dict[str, Any] = {"session": state, "psnr": [], "ssim": [], "ms_ssim": [], "sha256": [], "state_sha256": []}
    for video, clip in enumerate(clips):
        seen = video <= state
        cell = _measure_cell(decoder, clip, video) if seen or upper else {}
        for metric in ("psnr", "ssim", "ms_ssim"):
            row[metric].append(cell.get(metric))
        row["sha256"].append(cell["sha256"] if seen else None)
        row["state_sha256"].append(decoder.sha256(video) if seen else None)
    return {**row, "seconds": round(time.perf_counter() - started, 3)}


def check_nothing_forgotten(rows: Sequence[dict[str, Any]], videos: Sequence[str]) -> None:
    """Compare the hashes of the latest row with those taken when each video's session was closed.

    Raises:
        ForgettingError: a video decodes differently; names the first.
    """
    latest = rows[-1]
    for video in range(latest["session"]):
        for what, hashes in (("frames", "sha256"), ("weights", "state_sha256")):
            sealed, now = rows[video][hashes][video], latest[hashes][video]
            if sealed != now:
                raise ForgettingError(
                    f"video {video} ({videos[video]}) must decode after session {latest['session']} as it did when it "
                    f"was sealed, but the SHA-256 of its {what} was {sealed[:12]} and is {now[:12]}"
                )


def _measure_cell(decoder: Decoder, clip: Clip, video: int) -> dict[str, Any]:
    sums: dict[str, float | None] = {"psnr": 0.0, "ssim": 0.0, "ms_ssim": 0.0}
    digest = hashlib.sha256()
    done = 0
    for frames in decoder.frames(video, length=len(clip.frames)):
        decoded = to_uint8(frames).cpu()
        digest.update(decoded.contiguous().numpy().tobytes())
        truth = torch.from_numpy(np.array(clip.frames[done : done + len(decoded)]))
        done += len(decoded)
        pair = quality.to_unit(decoded), quality.to_unit(truth)
        for name, measure in (("psnr", quality.psnr), ("ssim", quality.ssim), ("ms_ssim", quality.ms_ssim)):
            value, total = measure(*pair), sums[name]
            sums[name] = None if value is None or total is None else total + float(value.double().sum())
    means = {name: None if total is None else total / done for name, total in sums.items()}
    return {**means, "sha256": digest.hexdigest()}
