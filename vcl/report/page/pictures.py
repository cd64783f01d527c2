"""Pictures of a run's videos for the page: truth, decoded and error of some of their frames."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcl.datasets.stream import open_stream
from vcl.decode import Decoder
from vcl.device import choose_device
from vcl.errors import ConfigError, VclError
from vcl.evaluate import check_same_frames
from vcl.metrics.quality import psnr, to_unit
from vcl.report.figures.frames import gain_of, latest_frames, shrunk, typical_worst
from vcl.report.page.allowance import Allowance
from vcl.report.page.kept import Kept
from vcl.report.page.webp import error_uri, frame_uri
from vcl.report.proof import sealed_row
from vcl.report.statistics import evenly_spaced
from vcl.rundir import RunFolder
from vcl.video.cache import Clip
from vcl.video.pixels import stored_frames, to_uint8
from vcl.wording import printable

log = logging.getLogger(__name__)

_ERROR_WIDTH = 240
"""Width of a picture of errors, pixels: they are like noise, of which a picture takes more bytes than of a frame."""


@dataclass(frozen=True)
class _Shot:
    """A decoded frame, ``(h, w, 3)`` uint8, and its mean absolute errors, ``(h, w)``, both averaged down."""

    decoded: NDArray[np.uint8]
    error: NDArray[np.float16]
    largest_error: float


@dataclass(frozen=True)
class _Video:
    """A video as one state of a run decodes it.

    Args:
        psnr: of each frame, dB; None where only one frame is at hand.
        worst: numbers of the frames with the least PSNR, the worst first.
        gain: factor by which errors are amplified; of a typical frame 99 % of them are then within the colour scale.
        pictures: data URIs of the decoded frame and of its errors, by the number of the frame.
    """

    psnr: list[float] | None
    worst: list[int]
    gain: int
    pictures: dict[str, dict[str, str]]

    @classmethod
    def of(
        cls,
        shots: Mapping[int, _Shot],
        allowance: Allowance,
        psnr: list[float] | None = None,
        worst: Sequence[int] = (),
    ) -> _Video:
        gain = gain_of(median(shot.largest_error for shot in shots.values()))
        pictures = {
            str(t): {
                "decoded": frame_uri(shot.decoded, allowance.decoded_bytes),
                "error": error_uri(shot.error, gain, allowance.error_bytes),
            }
            for t, shot in sorted(shots.items())
        }
        return cls(psnr, list(worst), gain, pictures)


class Pictures:
    """The pictures of a page.

    ``clips`` holds those of the true frames, by the hash of a clip, which runs of one stream share.

    Args:
        allowance: what each video may take.
        kept: pictures of the page before.
    """

    def __init__(self, allowance: Allowance, kept: Kept) -> None:
        self._allowance = allowance
        self._kept = kept
        self.clips: dict[str, dict[str, Any]] = {}

    def of_run(self, folder: RunFolder, matrix: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        """Decode the videos of a run that are not kept, as they stood after the last measured session.

        Args:
            folder: the run.
            matrix: as ``read_matrix`` gives it.

        Returns:
            An entry a learned video; none where neither the videos nor saved frames are there.

        Raises:
            VclError: the folder is damaged.
        """
        rows = [] if matrix is None else matrix["rows"]
        learned = [video for video in range(len(rows)) if sealed_row(rows, video) is not None]
        if not learned or not self._allowance.frames:
            return []
        try:
            clips = self._open(folder)
        except VclError as error:
            log.warning(
                "%s: at most the saved middle frames are shown, as its videos are not at hand: %s",
                *(printable(str(text)) for text in (folder.path, error)),
            )
            return self._saved(folder, rows)
        videos = self._videos(folder, rows, learned, clips)
        for video in learned:
            self._add_truths(clips[video], [int(t) for t in videos[video].pictures])
        return self._entries(videos, {video: clips[video].sha256 for video in learned})

    def _open(self, folder: RunFolder) -> list[Clip]:
        stream, appended = folder.own_stream(folder.config().stream), folder.appended()
        clips = self._kept.take(("stream", repr((stream, appended))), lambda: open_stream(stream, appended))
        check_same_frames(folder, clips)
        return clips

    def _videos(
        self, folder: RunFolder, rows: Sequence[Mapping[str, Any]], learned: Sequence[int], clips: Sequence[Clip]
    ) -> dict[int, _Video]:
        decoders: list[Decoder] = []

        def decoded(video: int) -> _Video:
            if not decoders:  # Loads every session, which is not needed where all videos are kept.
                decoders.append(Decoder.of_run(folder, len(rows) - 1, _device_of(folder)))
            return _decoded(decoders[0], video, clips[video], self._allowance)

        videos = {}
        for video in learned:
            # The hash of the numbers stays where later sessions change nothing, even in rows that decode no frame.
            sha256 = (rows[-1].get("state_sha256") or rows[-1]["sha256"])[video] or rows[-1]["sha256"][video]
            # Of each run on its own: equal numbers decode to other frames at another ``matrix.precision``.
            run = folder.path.resolve()
            key = ("video", run, sha256 or len(rows), video, clips[video].sha256, self._allowance)
            videos[video] = self._kept.take(key, lambda video=video: decoded(video))  # type: ignore[misc]
        return videos

    def _add_truths(self, clip: Clip, frames: Sequence[int]) -> None:
        pictures = self.clips.setdefault(clip.sha256, {"name": printable(clip.name), "pictures": {}})["pictures"]
        for t in frames:
            key = ("truth", clip.sha256, t, self._allowance)
            pictures[str(t)] = self._kept.take(key, lambda t=t: self._truth(to_unit(stored_frames(clip.frames, t))))  # type: ignore[misc]

    def _truth(self, frame: Tensor) -> str:
        return frame_uri(_pixels(frame), self._allowance.truth_bytes)

    def _saved(self, folder: RunFolder, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Of the middle frames that the run saved."""
        if not all(folder.frame_path(video, "true").exists() for video in range(len(rows))):
            return []
        hashes = folder.events("start")[-1]["sha256"]
        videos = {}
        for video, panel in enumerate(latest_frames(folder, len(rows) - 1)):
            t = folder.session_notes(video).frames // 2
            videos[video] = _Video.of({t: _shot(panel.decoded, panel.truth)}, self._allowance)
            pictures = self.clips.setdefault(hashes[video], {"name": panel.label, "pictures": {}})["pictures"]
            pictures.setdefault(str(t), self._truth(panel.truth))
        return self._entries(videos, dict(enumerate(hashes)))

    def _entries(self, videos: Mapping[int, _Video], clips: Mapping[int, str]) -> list[dict[str, Any]]:
        return [
            {
                "video": number,
                "clip": clips[number],
                "gain": video.gain,
                "psnr": video.psnr,
                "worst": video.worst,
                "pictures": video.pictures,
            }
            for number, video in videos.items()
        ]


def _device_of(folder: RunFolder) -> torch.device:
    """The device that the run was trained on, or else what this machine has."""
    try:
        return choose_device(folder.config().train.device)
    except ConfigError:
        return choose_device("auto")


def _decoded(decoder: Decoder, video: int, clip: Clip, allowance: Allowance) -> _Video:
    """Decode a video once, a batch in memory at a time, and keep of it what is shown."""
    shown = set(evenly_spaced(len(clip.frames), allowance.frames))
    qualities: list[float] = []
    shots: dict[int, _Shot] = {}
    worst: list[tuple[float, int]] = []
    for batch in decoder.frames(video):
        decoded = to_unit(to_uint8(batch).cpu())  # Rounded, as measured frames are.
        first = len(qualities)
        truth = to_unit(stored_frames(clip.frames, slice(first, first + len(decoded))))
        qualities += psnr(decoded, truth).tolist()
        for t, (frame, true) in enumerate(zip(decoded, truth, strict=True), first):
            worst = sorted([*worst, (qualities[t], t)])
            beaten = {number for _, number in worst[allowance.worst :]} - shown
            worst = worst[: allowance.worst]
            if t not in beaten:
                shots[t] = _shot(frame, true)
            for number in beaten - {t}:
                del shots[number]
    return _Video.of(shots, allowance, [round(quality, 3) for quality in qualities], [t for _, t in worst])


def _shot(decoded: Tensor, truth: Tensor) -> _Shot:
    """Frames are ``(3, H, W)`` in [0, 1]."""
    error = (decoded - truth).abs().mean(0)
    small = shrunk(error[None], _ERROR_WIDTH)[0]
    return _Shot(_pixels(decoded), small.numpy().astype(np.float16), typical_worst(error))


def _pixels(frame: Tensor) -> NDArray[np.uint8]:
    """A frame, ``(3, H, W)`` in [0, 1], averaged down and as a picture: ``(h, w, 3)``."""
    pixels: NDArray[np.uint8] = to_uint8(shrunk(frame)).permute(1, 2, 0).contiguous().numpy()
    return pixels
