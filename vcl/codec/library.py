"""A library: one file with a network and every session that it learned, from which any frame of any video decodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from vcl.codec.container import Container
from vcl.codec.container_layout import Section
from vcl.codec.decode import LayerBits, decode_session
from vcl.codec.footprint import Footprint, SessionBytes
from vcl.codec.library_records import KINDS, named, sections_by_session
from vcl.codec.payloads import (
    ARCHITECTURE,
    MASK,
    META,
    MOST_DECODED_PER_BYTE,
    MOST_WEIGHTS_PER_BYTE,
    OWN,
    STRICT,
    VIDEO,
    WEIGHTS,
    Architecture,
    Video,
    meta_from_bytes,
)
from vcl.codec.strict_frames import StrictFrames, checked_frames
from vcl.datasets.names import index_of, normalised
from vcl.errors import BitstreamError, VideoError
from vcl.render import Renderer
from vcl.subnet.ledger import Ledger, Subnetwork
from vcl.subnet.record import Layout, SessionRecord
from vcl.video.pixels import to_uint8
from vcl.wording import did_you_mean

Progress = Callable[[str, int, int], None]
"""Gets the name of a video, its frames that are done, and all of its frames."""


class Library:
    """An open library; any number of processes may have it open.

    What is read of a session is checked: each payload against its hash, and the numbers that decode a video against the
    one that was taken when they were sealed.

    Args:
        container: of the file.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._sections = sections_by_session(container)
        first = self._sections[0]
        self.architecture = Architecture.from_bytes(self._read(first, ARCHITECTURE))
        self.videos = tuple(
            Video.from_bytes(self._read(sections, VIDEO), self.architecture.size) for sections in self._sections
        )
        if len({normalised(video.name) for video in self.videos}) < len(self.videos):
            raise BitstreamError("two videos have one name")
        self._ledger: Ledger | None = None
        self._checked: dict[int, Subnetwork] = {}
        self._layer_bits: dict[int, LayerBits] = {}
        self._decoded_bytes: dict[int, int] = {}

    @classmethod
    def open(cls, path: Path) -> Library:
        """Read what a library holds; its weights are read once they are needed.

        Raises:
            BitstreamError: one line that begins with the path.
        """
        container = Container.open(path, KINDS)
        with named(path):
            return cls(container)

    @property
    def path(self) -> Path:
        """Where the library was opened, and what messages about it begin with."""
        return self._container.path

    @property
    def last_commit(self) -> Section:
        """Where the last whole commit lies, and its hash."""
        return self._container.last_commit

    @property
    def recovered(self) -> bool:
        """Whether bytes behind the last whole commit were ignored."""
        return self._container.recovered

    @cached_property
    def notes(self) -> Mapping[str, str]:
        """Texts by name that decoding does not need, such as the settings of the latest training."""
        notes = [section for sections in self._sections for section in sections.values() if section.kind == META]
        with named(self.path):
            return meta_from_bytes(self._container.read(notes[-1])) if notes else {}

    @cached_property
    def layout(self) -> Layout:
        """Shapes of the network's numbers.

        Raises:
            BitstreamError: there is no such network, or it has more numbers than so short a file can fill.
        """
        with named(self.path):
            layout = self.architecture.network().layout()
            weights = sum(math.prod(shape) for shape in layout.weights.values())
            most = MOST_WEIGHTS_PER_BYTE * self._container.end
            if weights > most:
                raise BitstreamError(
                    f"the network of so short a library must have at most {most} weights, got {weights}"
                )
            return layout

    def session_of(self, word: str) -> int:
        """The session of a video that is called so or, if none is, the session with this number.

        Raises:
            VideoError: there is none.
        """
        names = [video.name for video in self.videos]
        if (session := index_of(word, names)) is not None:
            return session
        if word.isascii() and word.isdecimal() and len(word) < 10 and int(word) < len(names):
            return int(word)
        hint = did_you_mean(word, names, otherwise=f"it has {', '.join(names)}")
        raise VideoError(f"{self.path} has no video {word}{hint}")

    def ledger(self, state: int | None = None) -> Ledger:
        """The records of sessions 0 to ``state``, by default all of them; each is decoded once.

        Raises:
            BitstreamError: one is damaged.
        """
        state = len(self.videos) - 1 if state is None else state
        if self._ledger is None or len(self._ledger) > state + 1:
            self._ledger = Ledger(self.layout, self.architecture.state_kind)
        for session in range(len(self._ledger), state + 1):
            with named(self.path):
                record = self._record(session, self._ledger)
                try:
                    self._ledger.append(record)
                except ValueError as error:
                    raise BitstreamError(f"session {session} does not fit its network: {error}") from error
        return self._ledger

    def subnetwork(self, session: int) -> Subnetwork:
        """What decodes a session's video.

        Raises:
            BitstreamError: it is not what was sealed.
        """
        if session not in self._checked:
            last = len(self.videos) - 1 if self.architecture.state_kind == "shared_latest" else session
            ledger = self.ledger(max(last, len(self._ledger or ()) - 1))
            subnetwork = ledger.subnetwork(session)
            if subnetwork.sha256() != self.videos[session].state_sha256:
                raise BitstreamError(f"{self.path}: the numbers of session {session} are not those that were sealed")
            self._checked = {session: subnetwork}
        return self._checked[session]

    def frames(
        self,
        session: int,
        only: range | None = None,
        device: torch.device | str = "cpu",
        precision: str = "float32",
    ) -> Iterator[Tensor]:
        """Decode in floating point: fast, and on another machine now and then one level off.

        Args:
            session: of the video.
            only: frames to decode, in any order; default all.
            device: where to decode.
            precision: of the layers, as in ``Renderer``.

        Yields:
            uint8 frames ``(B, 3, h, w)`` of the video's own size, on the device.

        Raises:
            VideoError: there is no such frame.
            BitstreamError: the session is damaged.
        """
        video = self._video(session, only)
        subnetwork = self.subnetwork(session)
        renderer = Renderer(self.architecture.network(device), precision)
        renderer.load(subnetwork)
        height, width = video.size
        for batch in renderer.frames(session, video.frames, only):
            yield to_uint8(batch[..., :height, :width])

    def strict_frames(
        self, session: int, only: range | None = None, device: torch.device | str = "cpu"
    ) -> Iterator[Tensor]:
        """Decode in whole numbers: the same bits on every machine; as ``frames``, and slower.

        Raises:
            VideoError: there is no such frame, or the video was written without a strict profile.
            BitstreamError: the session is damaged, or a frame has another hash than when it was written.
        """
        height, width = self._video(session, only).size
        for batch in self._strict_batches(session, only, device):
            yield batch[..., :height, :width]

    def verify(self, frames: bool = False, progress: Progress = lambda *_: None) -> None:
        """Check every byte, the numbers of every session, and with ``frames`` each strict frame against its hash.

        Raises:
            BitstreamError: names the first thing that is not as it was written.
        """
        with named(self.path):
            self._container.verify()
        for session, video in enumerate(self.videos):
            self.subnetwork(session)
            decoded = 0
            for batch in self._strict_batches(session) if frames and self._strict(session) else ():
                decoded += len(batch)
                progress(video.name, decoded, video.frames)
            progress(video.name, video.frames, video.frames)

    @property
    def not_strict(self) -> tuple[str, ...]:
        """Names of the videos that were written without a strict profile, and so without hashes of their frames."""
        pairs = zip(self.videos, self._sections, strict=True)
        return tuple(video.name for video, sections in pairs if STRICT not in sections)

    @property
    def is_strict(self) -> bool:
        """Whether the frames of all videos decode bit for bit on every machine."""
        return not self.not_strict

    def _video(self, session: int, only: range | None) -> Video:
        if not 0 <= session < len(self.videos):
            raise VideoError(f"session must lie in 0..{len(self.videos) - 1}, got {session}")
        video = self.videos[session]
        for frame in (only[0], only[-1]) if only else ():
            if not 0 <= frame < video.frames:
                raise VideoError(f"frames of {video.name} must lie in 0..{video.frames - 1}, got {only}")
        return video

    def footprint(self) -> Footprint:
        """What every session takes; all of them are decoded.

        Raises:
            BitstreamError: one is damaged.
        """
        self.ledger()
        starts = [min(section.start for section in sections.values()) for sections in self._sections]
        starts[0], ends = 0, [*starts[1:], self._container.end]
        parts = []
        for session, sections in enumerate(self._sections):
            weight, mask = (sections[kind].length if kind in sections else 0 for kind in (WEIGHTS, MASK))
            side, layers = ends[session] - starts[session] - weight - mask, self._layer_bits[session].in_bytes()
            parts.append(SessionBytes(self.videos[session].name, weight, mask, side, layers))
        return Footprint(tuple(parts))

    def _record(self, session: int, ledger: Ledger) -> SessionRecord:
        sections = self._sections[session]
        masks, weights, own = (
            self._container.read(sections[kind]) if kind in sections else b"" for kind in (MASK, WEIGHTS, OWN)
        )
        last = session == len(self.videos) - 1
        if not weights and (last or self.architecture.state_kind != "shared_latest"):
            raise BitstreamError(f"session {session} lacks its record of kind {WEIGHTS:#x}")
        record, self._layer_bits[session] = decode_session(masks, weights, own, ledger, self.videos[session].frames)
        self._decoded_bytes[session] = sum(tensor.nbytes for tensor in record.tensors().values())
        most = MOST_DECODED_PER_BYTE * self._container.end
        if sum(self._decoded_bytes.values()) > most:
            raise BitstreamError(f"sessions 0 to {session} of so short a library must decode to at most {most} bytes")
        return record

    def _strict(self, session: int) -> StrictFrames | None:
        sections = self._sections[session]
        if STRICT not in sections:
            return None
        with named(self.path):
            return StrictFrames.from_bytes(self._read(sections, STRICT), self.videos[session].frames)

    def _strict_batches(
        self, session: int, only: range | None = None, device: torch.device | str = "cpu"
    ) -> Iterator[Tensor]:
        """Strict frames of the network's size, each checked against its hash."""
        video, strict = self.videos[session], self._strict(session)
        if strict is None:
            raise VideoError(f"{self.path} was written without a strict profile of {video.name}")
        subnetwork = self.subnetwork(session)
        with named(self.path):
            yield from checked_frames(self.architecture, subnetwork, session, video, strict, only, device)

    def _read(self, sections: Mapping[int, Section], kind: int) -> bytes:
        if kind not in sections:
            raise BitstreamError(f"a session lacks its record of kind {kind:#x}")
        return self._container.read(sections[kind])
