"""The only door to a frame: a network, a session's subnetwork, a session and a time make frames."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vcl import backbones
from vcl.backbones import Backbone
from vcl.config import RunConfig
from vcl.errors import RunFolderError, VideoError
from vcl.rundir import RunFolder
from vcl.subnet.ledger import Entry, Ledger, Subnetwork

BATCH = 4
"""Frames decoded at once. One constant, as the last bits of a frame may depend on it."""


class Renderer:
    """A dense network into which one subnetwork at a time is loaded.

    Args:
        network: dense, of the shape that the subnetworks have; it is overwritten.
    """

    def __init__(self, network: Backbone) -> None:
        self._network = network.eval().requires_grad_(False)
        self._head: Tensor | None = None

    @classmethod
    def of_config(cls, config: RunConfig, sessions: int, device: torch.device | str = "cpu") -> Renderer:
        """The network that a run's subnetworks belong to.

        Args:
            config: the run's.
            sessions: videos in its stream.
            device: where to decode.
        """
        network = backbones.of_run(config, sessions)
        return cls(network.to(device))

    def load(self, subnetwork: Subnetwork) -> None:
        """Take a session's weights and head; nothing is ranked or multiplied again while it decodes."""
        for name, weight in self._network.weights().items():
            weight.value.copy_(subnetwork.weights[name])
        self._head = subnetwork.head.to(next(self._network.parameters()).device)

    @torch.inference_mode()
    def frames(self, session: int, frames: int, only: range | None = None) -> Iterator[Tensor]:
        """Decode with the subnetwork that was loaded last.

        Args:
            session: index to ask the network with.
            frames: length T of the video.
            only: frames to decode; default all.

        Yields:
            Float frames ``(B, 3, H, W)`` in [0, 1], B at most ``BATCH``, in order.
        """
        assert self._head is not None, "load a subnetwork first"
        times = only if only is not None else range(frames)
        for first in range(0, len(times), BATCH):
            batch = times[first : first + BATCH]
            x = torch.tensor([[t / frames, session] for t in batch], dtype=torch.float64, device=self._head.device)
            yield self._network(x, self._head)


def read_ledger(folder: RunFolder, state: int | None = None) -> tuple[Ledger, list[dict[str, Any]]]:
    """The ledger as it stood after session ``state``, and the sessions' notes, from what is on disk.

    Args:
        folder: the run.
        state: default the latest session.

    Raises:
        RunFolderError: a session is missing or does not fit the network.
    """
    config = folder.config()
    with torch.device("meta"):
        # How many sessions there are changes what a network is asked with, never the shape of a weight.
        shapes = backbones.of_run(config, sessions=1).shapes()
    last = folder.sessions() - 1 if state is None else state
    ledger: Ledger | None = None
    told = []
    for session in range(last + 1):
        tensors, notes = folder.read_session(session)
        told.append(notes)
        if ledger is None:
            ledger = Ledger(shapes, notes["keeps"])
        try:
            ledger.append(Entry.of_tensors(tensors))
        except (KeyError, ValueError) as error:
            raise RunFolderError(
                f"{folder.path} has a session {session} that does not fit its network: {error}"
            ) from error
    assert ledger is not None
    return ledger, told


class Decoder:
    """The videos of a run folder, as they stood after one of its sessions.

    ``decoded`` counts frames, and ``seconds`` the time that decoding them took.
    """

    def __init__(self, renderer: Renderer, ledger: Ledger, lengths: list[int]) -> None:
        self._renderer = renderer
        self._ledger = ledger
        self._lengths = lengths
        self.decoded, self.seconds = 0, 0.0
        self._built: tuple[int, Subnetwork] | None = None
        self._loaded: int | None = None

    @classmethod
    def of_run(cls, folder: RunFolder, state: int, device: torch.device | str = "cpu") -> Decoder:
        """Open the state that was saved after session ``state``.

        Raises:
            RunFolderError: there is no such state, or it is damaged.
        """
        if not 0 <= state < folder.sessions():
            raise RunFolderError(
                f"{folder.path} must hold session {state} to decode it, got {folder.sessions()} sessions"
            )
        ledger, notes = read_ledger(folder, state)
        renderer = Renderer.of_config(folder.config(), notes[0]["sessions"], device)
        return cls(renderer, ledger, [note["frames"] for note in notes])

    def sha256(self, video: int) -> str:
        """Hash of the numbers that decode a video: masked weights and head."""
        return self._subnetwork(video).sha256()

    def frames(self, video: int, only: range | None = None, length: int | None = None) -> Iterator[Tensor]:
        """Decode a video, or some of its frames.

        A video that is still to come is decoded with the latest session's subnetwork and its own index.

        Args:
            video: its session.
            only: frames to decode; default all.
            length: frames of a video that is still to come.

        Yields:
            Float frames ``(B, 3, H, W)`` in [0, 1].

        Raises:
            VideoError: there is no such video or frame.
        """
        if 0 <= video < len(self._lengths):
            length = self._lengths[video]
        if video < 0 or length is None:
            raise VideoError(f"video must lie in 0..{len(self._lengths) - 1}, or have a length, got {video}")
        if only is not None and (only.start < 0 or only.stop > length):
            raise VideoError(f"frames of video {video} must lie in 0..{length - 1}, got {only.start}..{only.stop - 1}")
        source = min(video, len(self._ledger) - 1)
        batches = self._renderer.frames(video, length, only)
        while True:
            if self._loaded != source:  # At each batch, for another video may have been asked for meanwhile.
                self._renderer.load(self._subnetwork(source))
                self._loaded = source
            started = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            if batch.is_cuda:
                torch.cuda.synchronize(batch.device)
            self.decoded += len(batch)
            self.seconds += time.perf_counter() - started
            yield batch

    def frame(self, video: int, t: int) -> Tensor:
        """One frame, ``(3, H, W)``; raises VideoError where there is none."""
        return next(self.frames(video, range(t, t + 1)))[0]

    def _subnetwork(self, session: int) -> Subnetwork:
        """Of one session after the other, each built once."""
        if self._built is None or self._built[0] != session:
            self._built = session, self._ledger.subnetwork(session)
        return self._built[1]
