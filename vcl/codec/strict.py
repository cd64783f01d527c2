"""The strict profile: frames of a ``Nerv`` that are the same, bit for bit, on every machine.

Every number is whole and every sum exact, so no instruction set, number of threads, batch or memory format can change
a frame. Weights and activations have 16 bits; what is lost against float32 is far below a level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from vcl.backbones import build
from vcl.backbones.nerv import Nerv
from vcl.codec import exact
from vcl.codec.fixed import FixedMatrix, MeasuredScale, Scale, Sums
from vcl.codec.spectral import SPECTRAL_STEPS, FixedOperator
from vcl.config import BackboneConfig, NervConfig
from vcl.errors import BitstreamError, ConfigError
from vcl.layers.upsample import UpsampleBlock
from vcl.render import BATCH
from vcl.subnet.ledger import Subnetwork

HASH_BYTES = 8
"""Bytes of SHA-256 by which a frame is known."""

MOST_EXPONENT = 40
"""Of an activation's step ``2 ** -exponent``."""

_MOST_LAYERS = 64
_MOST_LEVELS = 1024
_STRIPE, _LONGEST_ROW = 2**19, 2**24
"""Float64 numbers that a stripe of a convolution takes or gives, 4 MiB; where one row has more, at most 128 MiB."""


@dataclass(frozen=True)
class Exponents:
    """Exponents of the steps of a session's activations: both linear layers, each block, and the operator, if any."""

    values: tuple[int, ...]

    def to_bytes(self) -> bytes:
        """One byte for each layer, in the order of ``values``."""
        return bytes(self.values)

    @classmethod
    def from_bytes(cls, data: bytes) -> Exponents:
        """What ``to_bytes`` gave.

        Raises:
            BitstreamError: more than any network has, or one that no activation has.
        """
        if len(data) > _MOST_LAYERS:
            raise BitstreamError(f"a session must have at most {_MOST_LAYERS} exponents, got {len(data)}")
        if data and max(data) > MOST_EXPONENT:
            raise BitstreamError(f"an exponent must lie in 0..{MOST_EXPONENT}, got {max(data)}")
        return cls(tuple(data))


class StrictNetwork:
    """One session's subnetwork in whole numbers.

    Two bytes per weight stay in memory. A batch needs two per activation of two layers in a row, sixteen per number
    that an operator gives, eight per weight of one layer, and a few stripes: in all 220 MiB for four frames of 720 x
    1280 of the default network.

    Args:
        config: the network's knobs; a ``NervConfig``.
        size: height and width of a frame, pixels.
        sessions: videos in the stream, as ``build`` takes it.
        subnetwork: the session's numbers, float32 on the CPU.
        exponents: what ``calibrate`` gave.
        device: where frames are made.
        scale: how activations are rounded; ``calibrate`` measures as well.

    Raises:
        ConfigError: another network, or one so large that its sums might not be exact.
        BitstreamError: the exponents are not those of this network, or a weight is not finite.
    """

    def __init__(
        self,
        config: BackboneConfig,
        size: tuple[int, int],
        sessions: int,
        subnetwork: Subnetwork,
        exponents: Exponents,
        device: torch.device | str = "cpu",
        scale: type[Scale] = Scale,
    ) -> None:
        network, base = _covered(config, size, sessions)
        steps = _steps(network)
        if len(exponents.values) != len(steps):
            rule = f"a session of this network must have {len(steps)} exponents"
            raise BitstreamError(f"{rule}, got {len(exponents.values)}")
        device = torch.device(device)
        self.grid, self.sessions, self.device = network.grid, network.sessions, device
        self.frequencies = exact.powers(base, len(network.encoding.frequency))
        self.scales = [scale(*of_layer) for of_layer in zip(exponents.values, steps, strict=True)]
        self._fc1, self._fc2 = (
            FixedMatrix(subnetwork.weights[f"{name}.weight"], name, device) for name in ("fc1", "fc2")
        )
        self.blocks: list[_Block] = []
        size_here = network.grid
        for number, block in enumerate(cast("list[UpsampleBlock]", list(network.blocks))):
            scales = self.scales[2 + number], self.scales[-1]
            self.blocks.append(_Block(block, subnetwork, f"blocks.{number}", size_here, scales, device))
            size_here = (size_here[0] * block.stride, size_here[1] * block.stride)
        self._head = FixedMatrix(subnetwork.session["head"], "head", device)
        self._colours = torch.from_numpy(exact.colour_table()).to(device)

    @property
    def exponents(self) -> Exponents:
        """Those of its activations."""
        return Exponents(tuple(scale.exponent for scale in self.scales))

    @torch.inference_mode()
    def frames(self, session: int, length: int, only: range | None = None, batch: int = BATCH) -> Iterator[Tensor]:
        """Decode.

        Args:
            session: index to ask the network with.
            length: frames T of the video.
            only: frames to decode; default all.
            batch: frames decoded at once.

        Yields:
            uint8 frames ``(B, 3, H, W)``, B at most ``batch``, in order.
        """
        indices = only if only is not None else range(length)
        position = exact.embedding(exact.session_position(session, self.sessions), self.frequencies)
        for first in range(0, len(indices), batch):
            times = (exact.embedding((t, length), self.frequencies) for t in indices[first : first + batch])
            embedding = torch.tensor([time + position for time in times], dtype=torch.float64, device=self.device)
            yield self._decode(embedding)

    def frame_hashes(self, session: int, length: int, only: range | None = None) -> list[bytes]:
        """``frame_hash`` of each frame; arguments as ``frames``."""
        return [frame_hash(frame) for frames in self.frames(session, length, only) for frame in frames]

    def _decode(self, embedding: Tensor) -> Tensor:
        """Frames ``(B, 3, H, W)`` uint8 of embeddings ``(B, numbers)`` in units of ``2 ** -FRACTION_BITS``."""
        hidden = self.scales[0].round(self._fc1(embedding.T, exact.FRACTION_BITS)).clamp_(min=0)
        stem = self.scales[1].round(self._fc2(hidden, self.scales[0].exponent)).clamp_(min=0)
        features = stem.T.reshape(len(embedding), -1, *self.grid).to(torch.int16)
        exponent = self.scales[1].exponent
        *blocks, last = self.blocks
        for block in blocks:
            features = _joined(block(features, exponent), features.shape[2] * block.stride)
            exponent = block.scale.exponent
        coloured = (self._coloured(stripe, last.scale.exponent) for stripe in last(features, exponent))
        return _joined(coloured, features.shape[2] * last.stride)

    def _coloured(self, features: Tensor, exponent: int) -> Tensor:
        colours = self._head(features.double().flatten(2), exponent)
        levels = _looked_up(self._colours, Scale(exact.COLOUR_EXPONENT).round(colours))
        return levels.view(len(features), 3, *features.shape[2:])


class _Block:
    """``UpsampleBlock`` on int16 activations, in stripes of a few rows, as columns are nine times as large as they."""

    def __init__(
        self,
        block: UpsampleBlock,
        subnetwork: Subnetwork,
        name: str,
        size: tuple[int, int],
        scales: tuple[Scale, Scale],
        device: torch.device,
    ) -> None:
        self.scale, self.stride = scales[0], block.stride
        weights = subnetwork.weights
        self._conv: FixedMatrix | None = None
        self._operator: FixedOperator | None = None
        if block.conv is not None:
            row = max(9 * block.conv.in_channels, block.conv.out_channels) * size[1]
            if row > _LONGEST_ROW:
                raise ConfigError(
                    f"the strict profile covers rows of at most {_LONGEST_ROW} numbers, got {row} in {name}"
                )
            self._conv = FixedMatrix(weights[f"{name}.conv.weight"], f"{name}.conv", device)
        if block.operator is not None:
            prefix = f"{name}.operator."
            own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
            self._operator = FixedOperator(block.operator, own, prefix[:-1], size, self.stride, scales[1], device)

    def __call__(self, x: Tensor, exponent: int) -> Iterator[Tensor]:
        """Activated stripes ``(B, C', rows, stride·W)`` from top to bottom, int16, of ``(B, C, H, W)`` int16."""
        batch, channels, height, width = x.shape
        finer = None
        if self._operator is not None:
            sums = self._operator(x.double(), exponent)
            finer = Sums(F.pixel_unshuffle(sums.steps, self.stride), sums.unit)
        largest = max(9 * channels, 0 if self._conv is None else len(self._conv.steps))
        rows = max(1, _STRIPE // (batch * largest * width))
        for first in range(0, height, rows):
            last = min(first + rows, height)
            parts = []
            if self._conv is not None:
                edges = (1, 1, int(first == 0), int(last == height))
                columns = F.unfold(F.pad(x[:, :, max(0, first - 1) : last + 1].double(), edges), 3)
                sums = self._conv(columns, exponent)
                parts.append(Sums(sums.steps.view(batch, -1, last - first, width), sums.unit[..., None]))
            if finer is not None:
                parts.append(Sums(finer.steps[:, :, first:last], finer.unit))
            raw = self.scale.round(*parts)
            yield F.pixel_shuffle(_looked_up(_silu(self.scale.exponent, x.device), raw), self.stride)


def frame_hash(frame: Tensor) -> bytes:
    """First bytes of SHA-256 of a frame's uint8 levels in the order ``(3, H, W)``."""
    return hashlib.sha256(frame.cpu().numpy().tobytes()).digest()[:HASH_BYTES]


def calibrate(
    config: BackboneConfig,
    size: tuple[int, int],
    sessions: int,
    subnetwork: Subnetwork,
    session: int,
    length: int,
    device: torch.device | str = "cpu",
) -> Exponents:
    """The finest steps with which no activation of any frame of a video saturates.

    Decodes every frame at least once.

    Args:
        config: as in ``StrictNetwork``.
        size: as there.
        sessions: as there.
        subnetwork: as there.
        session: index to ask the network with.
        length: frames T of the video.
        device: as there.

    Raises:
        ConfigError: as there.
        BitstreamError: as there.
    """
    network, _ = _covered(config, size, sessions)
    finest = Exponents((MOST_EXPONENT,) * len(_steps(network)))
    measured = StrictNetwork(config, size, sessions, subnetwork, finest, device, MeasuredScale)
    for first in range(0, length, BATCH):
        batch, before = range(first, min(first + BATCH, length)), None
        # Frames in which a step has changed are measured anew, as what followed had another.
        while before != measured.exponents:
            before = measured.exponents
            for _ in measured.frames(session, length, batch):
                pass
    return measured.exponents


_COVERED: dict[str, tuple[object, ...]] = {
    "biases": (False,),
    "head_kernel": (1,),
    "activation": ("silu",),
    "stem_activation": ("relu",),
    "time": ("from_zero",),
    "session_embedding": ("open", "fraction"),
}
"""Knobs and the values for which its layers are known."""


def _covered(config: BackboneConfig, size: tuple[int, int], sessions: int) -> tuple[Nerv, float]:
    """The network without numbers, and the base of its embeddings."""
    if type(config) is not NervConfig:
        raise ConfigError(f"the strict profile covers the backbone nerv alone, got {config.name}")
    if config.stem_width == 0:
        raise ConfigError("the strict profile covers nerv with two layers in its stem, got backbone.stem_width=0")
    for key, covered in _COVERED.items():
        if (value := getattr(config, key)) not in covered:
            raise ConfigError(f"the strict profile covers nerv with backbone.{key}={covered[0]}, got {value}")
    if config.stem_width == 0:
        raise ConfigError("the strict profile covers nerv with two layers in its stem, got backbone.stem_width=0")
    if config.levels > _MOST_LEVELS:
        raise ConfigError(f"the strict profile covers at most {_MOST_LEVELS} backbone.levels, got {config.levels}")
    with torch.device("meta"):
        network = build(config, size, sessions)
    assert isinstance(network, Nerv)
    if (count := len(_steps(network))) > _MOST_LAYERS:
        raise ConfigError(f"the strict profile covers at most {_MOST_LAYERS} layers, got {count}")
    return network, config.base


def _steps(network: Nerv) -> list[int]:
    """Where the activations of each exponent of a network saturate."""
    blocks = cast("list[UpsampleBlock]", list(network.blocks))
    operators = sum(block.operator is not None for block in blocks)
    return [exact.STEPS] * (2 + len(blocks)) + [SPECTRAL_STEPS] * operators


def _joined(stripes: Iterator[Tensor], height: int) -> Tensor:
    """Stripes one below the other, each put into its place as it comes: a list of them would be in memory twice."""
    first = next(stripes)
    whole, bottom = first.new_empty(*first.shape[:2], height, first.shape[3]), 0
    for stripe in chain([first], stripes):
        top, bottom = bottom, bottom + stripe.shape[2]
        whole[:, :, top:bottom] = stripe
    return whole


def _looked_up(table: Tensor, steps: Tensor) -> Tensor:
    return table.index_select(0, (steps + exact.STEPS).to(torch.int32).flatten()).view(steps.shape)


@lru_cache(maxsize=64)
def _silu(exponent: int, device: torch.device) -> Tensor:
    return torch.from_numpy(exact.silu_table(exponent)).to(device)
