"""Bytes, PSNR and speed of classical codecs on a stream, over a ladder of CRFs, by how often there is a key frame.

Each video is a stream of its own. Its bytes are those of its packets, without a container and the encoder's notes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import fmean

import av
import numpy as np
import torch
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from vcl.config import RunConfig
from vcl.config.rules import require
from vcl.datasets.rate import rate_of
from vcl.datasets.stream import open_stream
from vcl.device import prepared
from vcl.errors import ConfigError
from vcl.metrics.quality import psnr, to_unit
from vcl.metrics.rate import bits_per_pixel
from vcl.profiling.machine import describe
from vcl.profiling.table import Row, Table
from vcl.profiling.timing import Watch

log = logging.getLogger(__name__)

ROUNDS = 8
"""CRFs of each codec."""

RATE = Fraction(24)
"""Frames per second of a video whose rate is unknown."""

KEY_FRAMES = ("default", "every second", "all")
"""Which frames are key frames: as the encoder chooses, one a second at least, or all."""

_THREADS = 2
"""Of an encoder, whose bytes depend on them a little, and of a decoder."""

_RESAMPLING = (
    Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
)
"""Between RGB and 4:2:0. PyAV's default repeats chroma, which alone limits some DAVIS frames to 40 dB; this, to 44."""


_SUPPLEMENTAL = 6
"""Type of a unit of H.264 with supplemental information."""


@dataclass(frozen=True, eq=False)
class Codec:
    """An encoder, its preset, and the decoder of what it writes.

    Args:
        encoder: FFmpeg's name.
        decoder: FFmpeg's name.
        options: of the encoder.
        best: the lowest CRF of the ladder.
        step: between two CRFs.
        worst: the highest CRF that the encoder takes.
    """

    encoder: str
    decoder: str
    options: Mapping[str, str]
    best: int
    step: int
    worst: int

    def ladder(self, count: int) -> range:
        """The CRFs, from the best quality on.

        Raises:
            ConfigError: the encoder does not take as many.
        """
        crfs = range(self.best, self.best + count * self.step, self.step)
        if crfs[-1] > self.worst:
            most = len(range(self.best, self.worst + 1, self.step))
            raise ConfigError(f"--rounds must be at most {most} for {self.encoder}, got {count}")
        return crfs


CODECS = (
    Codec("libx264", "h264", {"preset": "medium"}, 18, 4, 51),
    Codec("libx265", "hevc", {"preset": "medium", "x265-params": f"log-level=none:info=0:pools={_THREADS}"}, 18, 4, 51),
    Codec("libsvtav1", "libdav1d", {"preset": "6", "svtav1-params": f"lp={_THREADS}"}, 20, 5, 63),
)
"""The last one is left out where PyAV lacks it."""


def measure(config: RunConfig, rounds: int, only: Collection[str] = ()) -> Table:
    """Encode and decode the videos of the config's stream with every codec, kind of key frames and CRF.

    Args:
        config: its stream is encoded; nothing is trained.
        rounds: CRFs of each codec.
        only: encoders and kinds of key frames to leave in; default all.

    Raises:
        ConfigError: there is no such encoder or kind; an encoder does not take as many CRFs; frames have an odd side;
            or PyAV lacks x264 or x265.
        VclError: the stream cannot be opened.
    """
    settings = _settings(config, rounds, only)
    os.environ.setdefault("SVT_LOG", "0")  # Otherwise the encoder writes to standard error.
    config, device = prepared(config)
    coded: dict[_Setting, list[_Coded]] = {setting: [] for setting in settings}
    clips = open_stream(config.stream)
    for clip in clips:
        rate = rate_of(config.stream, clip.name) or RATE
        planes = [_to_planes(frame, number) for number, frame in enumerate(clip.frames)]
        for setting in settings:
            coded[setting].append(_code(setting, clip.frames, planes, rate))
        log.info("%s: %d encodings", clip.name, len(settings))
    rows = [_row(setting, videos, config.stream.size) for setting, videos in coded.items()]
    about = {
        "size": list(config.stream.size),
        "videos": len(clips),
        "frames": sum(len(clip.frames) for clip in clips),
        "codec_threads": _THREADS,
        "pyav": av.__version__,
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
        **describe(device),
    }
    baseline = f"{rows[0].name} at its lowest crf"
    against = [replace(row, ratio=row.milliseconds / rows[0].milliseconds) for row in rows]
    return Table("classical", baseline, "processor milliseconds to encode a frame", tuple(against), about)


@dataclass(frozen=True)
class _Setting:
    codec: Codec
    key_frames: str
    crf: int

    def encoder(self, frame: VideoFrame, rate: Fraction) -> VideoCodecContext:
        """An encoder of frames like this one, at a rate in frames per second."""
        context = av.CodecContext.create(self.codec.encoder, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
        context.framerate, context.time_base, context.thread_count = rate, 1 / rate, _THREADS
        distance = {"default": {}, "every second": {"g": str(max(1, round(rate)))}, "all": {"g": "1"}}[self.key_frames]
        context.options = {"crf": str(self.crf), **distance, **self.codec.options}
        return context


@dataclass(frozen=True)
class _Coded:
    """A video that was encoded and decoded.

    Args:
        bytes: of its packets, without notes of the encoder about itself.
        psnr: of each frame, dB.
        encoding: clocks of the encoder, without the conversion from RGB.
        decoding: clocks of the decoder and the conversion to RGB.
    """

    bytes: int
    psnr: Sequence[float]
    encoding: Watch
    decoding: Watch


def _settings(config: RunConfig, rounds: int, only: Collection[str]) -> list[_Setting]:
    encoders = [codec.encoder for codec in CODECS]
    require(set(only) <= {*encoders, *KEY_FRAMES}, "--only", f"be one of {', '.join((*encoders, *KEY_FRAMES))}", only)
    if missing := [encoder for encoder in encoders[:2] if encoder not in av.codecs_available]:
        raise ConfigError(f"bench classical needs a PyAV with {' and '.join(missing)}, and this one lacks it")
    if any(side % 2 for side in config.stream.size):
        raise ConfigError(f"stream.size must be even for 4:2:0, got {list(config.stream.size)}")
    codecs = [codec for codec in CODECS if {codec.encoder, codec.decoder} <= av.codecs_available]
    codecs = [codec for codec in codecs if codec.encoder in only] or codecs
    kinds = [kind for kind in KEY_FRAMES if kind in only] or KEY_FRAMES
    return [_Setting(codec, kind, crf) for codec in codecs for kind in kinds for crf in codec.ladder(rounds)]


def _to_planes(frame: NDArray[np.uint8], number: int) -> VideoFrame:
    """A frame ``(3, H, W)`` in 4:2:0."""
    picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame.transpose(1, 2, 0)), "rgb24")
    planes = picture.reformat(format="yuv420p", interpolation=_RESAMPLING)
    planes.pts = number
    return planes


def _code(setting: _Setting, truth: NDArray[np.uint8], planes: Sequence[VideoFrame], rate: Fraction) -> _Coded:
    """Encode a video ``(T, 3, H, W)``, given also in 4:2:0, and decode it."""
    encoding, decoding = Watch(), Watch()
    encoder = setting.encoder(planes[0], rate)
    # Threads of a codec also work between two calls, so only the whole can be timed.
    with _scheduling_kept():
        encoding.start()
        packets = [packet for picture in (*planes, None) for packet in encoder.encode(picture)]
        encoding.stop()
    decoder = av.CodecContext.create(setting.codec.decoder, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = _THREADS
    decoding.start()
    frames = [_to_rgb(picture) for packet in (*packets, None) for picture in decoder.decode(packet)]
    decoding.stop()
    quality = [_psnr(*pair) for pair in zip(frames, truth, strict=True)]
    stored = sum(packet.size - _bytes_of_settings(setting.codec, bytes(packet)) for packet in packets)
    return _Coded(stored, quality, encoding, decoding)


@contextmanager
def _scheduling_kept() -> Iterator[None]:
    """Undo what SVT-AV1 does for root: it makes the thread that calls it, and so its children, real-time ones."""
    if not hasattr(os, "sched_getscheduler"):  # Not Linux.
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:  # A sandbox may refuse what is not needed.
            os.sched_setscheduler(0, policy, parameters)


def _bytes_of_settings(codec: Codec, packet: bytes) -> int:
    """Bytes of the text in which x264 notes its own settings, which no decoder needs; x265 has ``info=0`` for that."""
    if codec.decoder != "h264":
        return 0
    start = b"\0\0\1"
    units = packet.split(start)[1:]
    return sum(len(start) + len(unit) for unit in units if unit[0] & 31 == _SUPPLEMENTAL)


def _to_rgb(picture: VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(picture.reformat(format="rgb24", interpolation=_RESAMPLING).to_ndarray(), np.uint8)


def _psnr(decoded: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """PSNR (dB) of a decoded frame ``(H, W, 3)`` against the true one ``(3, H, W)``."""
    pair = torch.from_numpy(decoded).permute(2, 0, 1), torch.from_numpy(truth.copy())
    return float(psnr(*(to_unit(frame)[None] for frame in pair)))


def _row(setting: _Setting, videos: Sequence[_Coded], size: Sequence[int]) -> Row:
    frames = sum(len(video.psnr) for video in videos)
    stored = sum(video.bytes for video in videos)
    cpu, wall = sum(video.encoding.cpu for video in videos), sum(video.decoding.wall for video in videos)
    more: dict[str, float | str] = {
        "key_frames": setting.key_frames,
        "crf": setting.crf,
        "bytes": stored,
        "bits_per_pixel": bits_per_pixel(stored, frames * size[0] * size[1]),
        "psnr": fmean(fmean(video.psnr) for video in videos),
        "encode_frames_per_cpu_second": frames / cpu,
        "decode_frames_per_second": frames / wall,
    }
    return Row(setting.codec.encoder, 1e3 * cpu / frames, more=more)
