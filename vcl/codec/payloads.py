"""What the records of a library hold: the network, and of each session its video and its sizes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, get_args, get_type_hints

import torch

from vcl import backbones
from vcl.backbones import Backbone
from vcl.codec.fields import FieldReader, FieldWriter
from vcl.config import BackboneConfig
from vcl.config.backbones import BACKBONES
from vcl.config.rules import read_value
from vcl.datasets.names import name_fault
from vcl.errors import BitstreamError, ConfigError
from vcl.subnet.record import StateKind

ARCHITECTURE, VIDEO, MASK, WEIGHTS, OWN, STRICT = 0x01, 0x10, 0x11, 0x12, 0x13, 0x14
"""Kinds of records that a reader must know."""

META = 0x8020
"""Kind of the record that a reader may skip: settings and versions, as text by name."""

STATE_KINDS: tuple[StateKind, ...] = get_args(StateKind)

MOST_WEIGHTS = 2**27
"""Weights of a network: half a gigabyte of float32; the largest here have 50 million."""

MOST_WEIGHTS_PER_BYTE = 2**10
"""Weights of a network for each byte of its library, so that no small file takes much memory: masks take about a bit a
weight."""

MOST_DECODED_PER_BYTE = 2**12
"""Bytes of decoded sessions for each byte of a library, so that no small file takes much memory; 8 are usual."""

LARGEST_ACTIVATION = 2**30
"""Numbers of one tensor of one frame, 4 GiB of float32, of which a decoder holds two or more at a time for each frame
of a batch: with quality high one takes 0.5 GiB at 1080 lines and 2.6 GiB at 2160."""

LARGEST_SIDE = 2**14
"""Pixels."""

MOST_PIXELS = 2**25
"""Pixels of a frame."""

MOST_FRAMES = 2**24
"""Frames of a video."""

LARGEST_RATE = 2**31
"""Of the numerator and of the denominator of a rate."""

_NONE, _BOOL, _INTEGER, _REAL, _TEXT, _INTEGERS, _REALS = range(7)
_LONGEST_LIST = 64
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Architecture:
    """The network that all sessions share.

    Args:
        state_kind: what a session leaves behind.
        backbone: its config.
        size: height and width of a frame of the network, pixels.
        sessions: of the stream, for networks whose input depends on it; else 0.
    """

    state_kind: StateKind
    backbone: BackboneConfig
    size: tuple[int, int]
    sessions: int = 0

    def to_bytes(self) -> bytes:
        """As the record holds it: every setting of the network by its name."""
        writer = FieldWriter()
        writer.number("BHHI", STATE_KINDS.index(self.state_kind), *self.size, self.sessions)
        settings = {item.name: getattr(self.backbone, item.name) for item in fields(self.backbone)}
        writer.number("H", len(settings))
        for name, value in settings.items():
            writer.text(name)
            _write_value(writer, value)
        return writer.bytes()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Architecture:
        """What ``to_bytes`` gave; raises BitstreamError."""
        reader = FieldReader(payload, "the network of the library")
        kind = STATE_KINDS[reader.at_most("B", len(STATE_KINDS) - 1, "the kind of state")]
        height, width = (reader.at_most("H", LARGEST_SIDE, "the size", 1) for _ in range(2))
        if height * width > MOST_PIXELS:
            raise BitstreamError(f"a frame of a library must have at most {MOST_PIXELS} pixels, got {height * width}")
        sessions = reader.number("I")
        count = reader.at_most("H", 256, "the number of settings")
        settings = {reader.text(): _read_value(reader) for _ in range(count)}
        reader.end()
        return cls(kind, _backbone(settings), (height, width), sessions)

    def check_readable(self) -> None:
        """Refuse, before anything is trained, a network that a reader would refuse; raises ConfigError."""
        try:
            Architecture.from_bytes(self.to_bytes()).network()
        except BitstreamError as error:
            raise ConfigError(f"a library cannot hold this network: {error}") from error

    def network(self, device: torch.device | str = "meta") -> Backbone:
        """The dense network that decodes; its weights are not drawn.

        Raises:
            BitstreamError: there is none of these settings, or it is larger than a library's may be.
        """
        try:
            with torch.device("meta"):
                network = backbones.build(self.backbone, self.size, self.sessions or 1)
        except (ConfigError, ValueError, TypeError, RuntimeError, OverflowError, ZeroDivisionError) as error:
            raise BitstreamError(f"the library's network cannot be built: {error}") from error
        weights = sum(math.prod(shape) for shape in network.shapes().values())
        if weights > MOST_WEIGHTS:
            raise BitstreamError(f"a library's network must have at most {MOST_WEIGHTS} weights, got {weights}")
        if network.largest_activation > LARGEST_ACTIVATION:
            rule = f"a library's network must have at most {LARGEST_ACTIVATION} activations in a layer"
            raise BitstreamError(f"{rule}, got {network.largest_activation}")
        if torch.device(device).type == "meta":
            return network
        return backbones.build(self.backbone, self.size, self.sessions or 1).to(device)


@dataclass(frozen=True)
class Video:
    """A session's video.

    Args:
        name: its name.
        frames: how many.
        size: height and width, pixels: the upper left part of the network's frame.
        rate: frames per second.
        source_sha256: hash of the uint8 frames that were learned, 64 hex digits.
        state_sha256: hash of the numbers that decode it, ``Subnetwork.sha256``.
        psnr: of the frames that are decoded in floating point, dB; None if unknown.

    Raises:
        BitstreamError: no library has such a video, so that none is written that cannot be read.
    """

    name: str
    frames: int
    size: tuple[int, int]
    rate: Fraction
    source_sha256: str
    state_sha256: str
    psnr: float | None = None

    def __post_init__(self) -> None:
        if fault := name_fault(self.name):
            raise BitstreamError(f"the name of a video of the library, {self.name!r:.40}, {fault}")
        for what, value, most in (
            ("the number of frames", self.frames, MOST_FRAMES),
            *(("the size", side, LARGEST_SIDE) for side in self.size),
            *(("the rate", part, LARGEST_RATE) for part in self.rate.as_integer_ratio()),
        ):
            if not 1 <= value <= most:
                raise BitstreamError(f"{what} of a video of the library must lie in 1..{most}, got {value}")
        for digest in (self.source_sha256, self.state_sha256):
            if not _SHA256.fullmatch(digest):
                raise BitstreamError(f"a hash of a video of the library must have 64 hex digits, got {digest!r:.80}")

    def to_bytes(self) -> bytes:
        """As the record holds it."""
        writer = FieldWriter()
        writer.text(self.name)
        writer.number("IHHII", self.frames, *self.size, self.rate.numerator, self.rate.denominator)
        writer.raw(bytes.fromhex(self.source_sha256) + bytes.fromhex(self.state_sha256))
        writer.number("d", math.nan if self.psnr is None else self.psnr)
        return writer.bytes()

    @classmethod
    def from_bytes(cls, payload: bytes, network_size: tuple[int, int]) -> Video:
        """What ``to_bytes`` gave; raises BitstreamError.

        Args:
            payload: of the record.
            network_size: of the library's network.
        """
        reader = FieldReader(payload, "a video of the library")
        name, frames = reader.text(), reader.number("I")
        height, width = (reader.at_most("H", most, "the size", 1) for most in network_size)
        numerator, denominator = (reader.at_most("I", LARGEST_RATE, "the rate", 1) for _ in range(2))
        source, state, psnr = reader.raw(32).hex(), reader.raw(32).hex(), reader.real()
        reader.end()
        rate = Fraction(numerator, denominator)
        return cls(name, frames, (height, width), rate, source, state, psnr if math.isfinite(psnr) else None)


def meta_to_bytes(texts: Mapping[str, str]) -> bytes:
    """Texts by name, as the optional record holds them."""
    writer = FieldWriter()
    writer.number("H", len(texts))
    for name, text in texts.items():
        writer.text(name)
        writer.block(text.encode())
    return writer.bytes()


def meta_from_bytes(payload: bytes) -> dict[str, str]:
    """What ``meta_to_bytes`` gave; raises BitstreamError."""
    reader = FieldReader(payload, "the notes of the library")
    count = reader.at_most("H", 256, "the number of notes")
    texts = {}
    for _ in range(count):
        name = reader.text()
        try:
            texts[name] = reader.block().decode()
        except UnicodeDecodeError as error:
            raise BitstreamError(f"the note {name!r:.40} of the library is not UTF-8") from error
    reader.end()
    return texts


def _write_value(writer: FieldWriter, value: Any) -> None:
    if value is None:
        writer.number("B", _NONE)
    elif isinstance(value, bool):
        writer.number("BB", _BOOL, value)
    elif isinstance(value, int):
        writer.number("Bq", _INTEGER, value)
    elif isinstance(value, float):
        writer.number("Bd", _REAL, value)
    elif isinstance(value, str):
        writer.number("B", _TEXT)
        writer.text(value)
    elif isinstance(value, tuple) and len(value) <= _LONGEST_LIST and all(type(item) is int for item in value):
        writer.number(f"BB{len(value)}q", _INTEGERS, len(value), *value)
    elif isinstance(value, tuple) and len(value) <= _LONGEST_LIST and all(type(item) is float for item in value):
        writer.number(f"BB{len(value)}d", _REALS, len(value), *value)
    else:
        raise BitstreamError(f"a library cannot hold a network with a setting like {value!r:.40}")


def _read_value(reader: FieldReader) -> Any:
    kind = reader.at_most("B", _REALS, "the type of a setting")
    if kind == _NONE:
        return None
    if kind == _BOOL:
        return bool(reader.at_most("B", 1, "a setting"))
    if kind == _INTEGER:
        return reader.number("q")
    if kind == _REAL:
        return reader.real()
    if kind == _TEXT:
        return reader.text()
    count = reader.at_most("B", _LONGEST_LIST, "the length of a setting")
    return tuple(reader.number("q") if kind == _INTEGERS else reader.real() for _ in range(count))


def _backbone(settings: dict[str, Any]) -> BackboneConfig:
    name = settings.get("name")
    try:
        kind = BACKBONES.find(name) if isinstance(name, str) else None
    except ConfigError as error:
        raise BitstreamError(f"the library's network cannot be built: {error}") from error
    if kind is None:
        raise BitstreamError(f"the library's network is of a kind that is not installed: {name!r:.40}")
    hints = get_type_hints(kind)
    known = {item.name for item in fields(kind)}
    if unknown := settings.keys() - known:
        raise BitstreamError(f"the library's network has a setting that {name} lacks: {min(unknown)!r:.40}")
    try:
        return kind(
            **{
                key: read_value(f"backbone.{key}", list(value) if isinstance(value, tuple) else value, hints[key])
                for key, value in settings.items()
            }
        )
    except (ConfigError, ValueError, TypeError, OverflowError) as error:
        raise BitstreamError(f"the library's network cannot be built: {error}") from error
