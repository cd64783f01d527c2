"""Frames against truth: one row of the session matrix, decoded from what is on disk."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcl.config import MatrixConfig
from vcl.decode import Decoder
from vcl.errors import ForgettingError, RunFolderError
from vcl.metrics.quality import measure
from vcl.metrics.registry import METRICS
from vcl.ranks import ALONE, Ranks
from vcl.render import BATCH
from vcl.rundir import RunFolder
from vcl.video.cache import Clip
from vcl.video.pixels import stored_frames, to_uint8, write_png

log = logging.getLogger(__name__)

_Pixels = Callable[[], NDArray[np.uint8]]
"""Decoded frames on their way to the host: ``(B, 3, H, W)``."""

_HASHES = ("sha256", "sample_sha256", "state_sha256")


def measure_row(
    folder: RunFolder,
    clips: Sequence[Clip],
    state: int,
    config: MatrixConfig,
    device: torch.device,
    ranks: Ranks = ALONE,
) -> dict[str, Any]:
    """Decode every video from the state that was saved after session ``state``, and measure it.

    What is measured is what a viewer sees: the decoded frames, rounded to uint8 once, against the true uint8 frames,
    both scaled to [0, 1]. When a video is measured for the first time its middle frame is saved in the folder, true
    and decoded, so that reports need no videos.

    Args:
        folder: the run.
        clips: the whole stream, by session.
        state: the latest closed session.
        config: whether videos still to come are decoded, and whether earlier ones are measured in every row or only
            sampled until the last.
        device: where to decode and measure.
        ranks: who share the videos, and all get the row.

    Returns:
        ``session``; by video each metric under its name (None where not measured or not defined),
        ``sha256`` of the decoded uint8 frames (None where not all were decoded), ``sample_sha256`` of a few of them
        (None unless requested) and ``state_sha256`` of the numbers that decode them, all three None for videos still
        to come; ``seconds`` in total, and ``decoded`` frames in ``decode_seconds`` of decoding alone, of all ranks.
    """
    started = time.perf_counter()
    decoder = Decoder.of_run(folder, state, device)
    whole = [_is_measured(video, state, len(clips), config, decoder) for video in range(len(clips))]
    owners = _shared_out([len(clip.frames) * measured for clip, measured in zip(clips, whole, strict=True)], ranks)
    pictured = whole if folder.config().method.together else [video == state for video in range(len(clips))]
    cells, middles = {}, {}
    for video, clip in enumerate(clips):
        if owners[video] == ranks.rank:
            cells[video] = _cell(decoder, clip, video, state, config, whole[video])
            middles[video] = cells[video].pop("middle", None)
    for video, clip in enumerate(clips):
        if pictured[video]:
            _keep_pictures(folder, clip, video, middles.get(video), owners[video], ranks)
    row: dict[str, Any] = {"session": state, **{key: [None] * len(clips) for key in (*METRICS, *_HASHES)}}
    work = ranks.gather([list(cells.items()), decoder.decoded, decoder.seconds])
    for video, cell in (pair for own, _, _ in work for pair in own):
        for key, value in cell.items():
            row[key][video] = value
    row["seconds"] = round(time.perf_counter() - started, 3)
    row["decode_seconds"] = round(sum(seconds for _, _, seconds in work), 3)
    return {**row, "decoded": sum(decoded for _, decoded, _ in work)}


def _is_measured(video: int, state: int, videos: int, config: MatrixConfig, decoder: Decoder) -> bool:
    """Whether all frames of a video are decoded for a row."""
    if video > state:
        return config.upper and decoder.decodes_ahead
    return config.verify == "decode" or video == state or state == videos - 1


def _shared_out(frames: Sequence[int], ranks: Ranks) -> list[int]:
    """The rank that decodes each video, of which so many frames are wanted: the longest first, to who has least."""
    owners, loads = [0] * len(frames), [0] * ranks.world
    for video in sorted(range(len(frames)), key=lambda video: -frames[video]):
        owners[video] = loads.index(min(loads))
        loads[owners[video]] += frames[video]
    return owners


def _cell(decoder: Decoder, clip: Clip, video: int, state: int, config: MatrixConfig, whole: bool) -> dict[str, Any]:
    """What a row says of one video, and its decoded ``middle`` frame where ``whole`` of it is decoded."""
    cell: dict[str, Any] = {}
    if video > state:
        length = len(clip.frames)
        return {**measure_video(decoder.frames(video, length=length), clip), "sha256": None} if whole else cell
    cell["state_sha256"] = decoder.sha256(video)
    if config.verify == "hash":
        cell["sample_sha256"] = _sample_sha256(decoder, len(clip.frames), video, config.verify_frames)
    return {**cell, **measure_video(decoder.frames(video), clip)} if whole else cell


def _keep_pictures(
    folder: RunFolder, clip: Clip, video: int, middle: NDArray[np.uint8] | None, owner: int, ranks: Ranks
) -> None:
    """Save the middle frame of a video, true and as one of the ranks has decoded it."""
    true = clip.frames[len(clip.frames) // 2]
    decoded = np.empty(true.shape, np.uint8) if middle is None else np.ascontiguousarray(middle)
    ranks.broadcast_(torch.from_numpy(decoded), owner)
    if ranks.is_first:
        write_png(folder.frame_path(video, "true"), true)
        write_png(folder.frame_path(video, "decoded"), decoded)


def empty_row(videos: int, state: int) -> dict[str, Any]:
    """A row without cells, for a session after which nothing can be decoded yet."""
    return {"session": state, **{key: [None] * videos for key in (*METRICS, *_HASHES)}, "seconds": 0.0}


def check_same_frames(folder: RunFolder, clips: Sequence[Clip]) -> None:
    """Check that a stream has the videos and frames of a run: those that it began with, then those appended to it.

    Raises:
        RunFolderError: other videos, or other frames under the same names; names the first.
    """
    starts = folder.events("start")
    if not starts:
        return
    before = [*starts[0]["videos"], *(stream.videos[0] for stream in folder.appended())]
    now = [clip.name for clip in clips]
    if before != now:
        raise RunFolderError(f"{folder.path} began with the videos {', '.join(before)}, but there are {', '.join(now)}")
    for clip, began_with in zip(clips, starts[-1]["sha256"], strict=False):
        if clip.sha256 != began_with:
            raise RunFolderError(
                f"{folder.path} began with other frames of {clip.name}: their SHA-256 was {began_with[:12]} and is "
                f"{clip.sha256[:12]}"
            )


def check_nothing_forgotten(rows: Sequence[dict[str, Any]], videos: Sequence[str]) -> None:
    """Compare the hashes of the latest row with those taken when each video's session was closed.

    Where the two were taken on different machines, only the numbers that decode a video must be equal: frames decoded
    from equal numbers may differ in their last bits, which is a warning and no error.

    Raises:
        ForgettingError: a video decodes differently; names the first.
    """
    latest = rows[-1]
    for video in range(latest["session"]):
        moved = rows[video].get("machine") != latest.get("machine")
        for what, hashes in (("weights", "state_sha256"), ("frames", "sha256"), ("frames", "sample_sha256")):
            now, sealed = latest[hashes][video], rows[video][hashes][video]
            if now is None or now == sealed:
                continue
            if moved and what == "frames":
                log.warning("%s was sealed on another machine, and its frames differ in bits here", videos[video])
                continue
            raise ForgettingError(
                f"video {video} ({videos[video]}) must decode after session {latest['session']} as it did when it "
                f"was sealed, but the SHA-256 of its {what} was {sealed[:12]} and is {now[:12]}"
            )


def _sample_sha256(decoder: Decoder, length: int, video: int, frames: int) -> str:
    """Hash evenly spaced batches from the first to the last; they are the batches of a full decoding."""
    batches = -(-length // BATCH)
    samples = min(batches, -(-frames // BATCH))
    samples_of = (sample * (batches - 1) // max(1, samples - 1) for sample in range(samples))
    times = (range(batch * BATCH, min((batch + 1) * BATCH, length)) for batch in samples_of)
    decoded = (frames for only in times for frames in decoder.frames(video, only))
    digest = hashlib.sha256()
    for pixels in _one_ahead(_fetched(to_uint8(frames).contiguous()) for frames in decoded):
        digest.update(pixels().data)
    return digest.hexdigest()


def measure_video(batches: Iterable[Tensor], clip: Clip) -> dict[str, Any]:
    """Measure a decoded video on the device that decodes it.

    The host is one batch behind: it hashes a batch while a GPU decodes and measures the next, and two are in memory.

    Args:
        batches: all its frames in order, float ``(B, 3, H, W)`` in [0, 1].
        clip: the true video.

    Returns:
        The mean of each metric over the frames, None where it is undefined; ``sha256`` of the decoded uint8 frames, and
        the ``middle`` one of them.
    """
    digest = hashlib.sha256()
    values: dict[str, list[Tensor]] = {name: [] for name in METRICS}
    middle, first, picture = len(clip.frames) // 2, 0, None
    for fetched in _one_ahead(_measured(batches, clip, values)):
        pixels = fetched()
        digest.update(pixels.data)
        if first <= middle < first + len(pixels):
            picture = pixels[middle - first]
        first += len(pixels)
    means = {name: torch.cat(parts).double().mean().item() if parts else None for name, parts in values.items()}
    return {**means, "sha256": digest.hexdigest(), "middle": picture}


def _measured(batches: Iterable[Tensor], clip: Clip, values: dict[str, list[Tensor]]) -> Iterator[_Pixels]:
    """Give the device all that it is to do with each batch, and add its metrics, which stay there, to ``values``."""
    first = 0
    for frames in batches:
        decoded = to_uint8(frames).contiguous()
        pixels = _fetched(decoded)
        truth = stored_frames(clip.frames, slice(first, first + len(decoded)), decoded.device)
        for name, of_frames in measure(decoded, truth).items():
            if of_frames is not None:
                values[name].append(of_frames)
        yield pixels
        first += len(decoded)


def _fetched(pixels: Tensor) -> _Pixels:
    """Begin to copy pixels to the host; what is returned waits for them when it is called."""
    on_host = pixels.to("cpu", non_blocking=True)  # In pinned memory, where it is a copy.
    if not pixels.is_cuda:
        return on_host.numpy
    arrived = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    arrived.record(torch.cuda.current_stream(pixels.device))

    def wait() -> NDArray[np.uint8]:
        arrived.synchronize()
        return on_host.numpy()

    return wait


def _one_ahead(items: Iterable[_Pixels]) -> Iterator[_Pixels]:
    """Yield each item once the next has been made."""
    before: list[_Pixels] = []
    for item in items:
        yield from before
        before = [item]
    yield from before
