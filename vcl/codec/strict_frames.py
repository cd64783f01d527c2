"""The strict frames of a session: how they decode bit for bit on every machine, their hashes, and the check of each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vcl.codec.container_writer import Record
from vcl.codec.fields import FieldReader
from vcl.codec.payloads import STRICT, Architecture, Video
from vcl.codec.strict import HASH_BYTES, Exponents, StrictNetwork, calibrate, frame_hash
from vcl.errors import BitstreamError, ConfigError
from vcl.subnet.ledger import Subnetwork

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StrictFrames:
    """How a session's frames are decoded bit for bit on every machine, and what they then are.

    Args:
        exponents: of the activations.
        hashes: by frame, the first bytes of its SHA-256.
    """

    exponents: Exponents
    hashes: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """As the record holds it."""
        exponents = self.exponents.to_bytes()
        return bytes([len(exponents)]) + exponents + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, payload: bytes, frames: int) -> StrictFrames:
        """What ``to_bytes`` gave, of a video of so many frames; raises BitstreamError."""
        reader = FieldReader(payload, "the frame hashes of the library")
        exponents = Exponents.from_bytes(reader.raw(reader.number("B")))
        hashes = tuple(reader.raw(HASH_BYTES) for _ in range(frames))
        reader.end()
        return cls(exponents, hashes)


def strict_record(architecture: Architecture, subnetwork: Subnetwork, session: int, frames: int) -> list[Record]:
    """The record of a session's strict frames; none, and a line in the log, where the network has no strict profile.

    Args:
        architecture: of the library.
        subnetwork: of the session.
        session: its index.
        frames: of its video.
    """
    network = architecture.backbone, architecture.size, architecture.sessions or 1, subnetwork
    try:
        exponents = calibrate(*network, session, frames)
        hashes = StrictNetwork(*network, exponents).frame_hashes(session, frames)
    except ConfigError as error:
        log.info("no strict profile: %s", error)
        return []
    return [Record(STRICT, session, StrictFrames(exponents, tuple(hashes)).to_bytes())]


def checked_frames(
    architecture: Architecture,
    subnetwork: Subnetwork,
    session: int,
    video: Video,
    strict: StrictFrames,
    only: range | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[Tensor]:
    """Strict frames of the network's size, each checked against its hash.

    Args:
        architecture: of the library.
        subnetwork: of the session.
        session: its index.
        video: of the session.
        strict: of the session.
        only: frames to decode; default all.
        device: where to decode.

    Raises:
        BitstreamError: the network has no strict profile, or a frame has another hash.
    """
    network = architecture.backbone, architecture.size, architecture.sessions or 1, subnetwork
    try:
        decoder = StrictNetwork(*network, strict.exponents, device)
    except ConfigError as error:
        raise BitstreamError(str(error)) from error
    numbers = iter(only if only is not None else range(video.frames))
    for batch in decoder.frames(session, video.frames, only):
        for frame, number in zip(batch, numbers, strict=False):
            if frame_hash(frame) != strict.hashes[number]:
                raise BitstreamError(f"frame {number} of {video.name} is not the one that was written")
        yield batch
