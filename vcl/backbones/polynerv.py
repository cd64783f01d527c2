"""PolyNeRV: a patch at a time, as a product of polynomials of its place and time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from vcl.backbones.base import Backbone
from vcl.backbones.upsampling import check_normed, largest_of, up_blocks
from vcl.config import BackboneConfig
from vcl.config.backbones import PolynervConfig
from vcl.errors import ConfigError
from vcl.layers.attention import SelfAttention
from vcl.layers.constant import constant
from vcl.layers.encoding import FrameEncoding, PlaceTimeEncoding, time_position
from vcl.layers.head import head_tensors, session_conv
from vcl.layers.light import light_first
from vcl.layers.modulation import modulated
from vcl.layers.own import SessionTensor
from vcl.layers.polynomial import PolynomialStem, nested_product, transposed_up
from vcl.layers.seams import assembled, blurred_seams
from vcl.query import Output, Query

_DEGREE = 3
"""Of the polynomials that make the code, and the first map of it."""

_QUIET = 0.1
"""Gain of first weights from which scales, shifts and factors come directly of a code."""


class Polynerv(Backbone):
    """The code of a patch, a first map, blocks of two factors each, and a head of 1×1 per session.

    The code is a polynomial of two encodings, of the frame's time and of the places of the patch's cells, plus waves in
    time whose frequencies depend on the patch's centre. Each factor of a block is the product of a convolution of what
    the code scales and shifts, and a linear layer of what the block takes: of the code itself in block 1, later a
    transposed convolution of a map. Whole frames are made patch by patch.

    Args:
        config: a ``PolynervConfig``.
        size: height and width of a frame; multiples of the product of the strides times the patches.
        sessions: not used.

    Raises:
        ConfigError: the frame's sides are no such multiples, or leave a first map of one pixel.

    Source:
        Gupta et al., TMLR 2024, arXiv:2406.19299; there is no public code. What its text leaves open, and what is done:

        - Cells: 4×4. Their encodings become one by attention among them, their mean and a linear layer.
        - β of the waves: that of the encodings. Position of a frame: t / T.
        - Matrices of the fusion: without biases, each of both encodings' width.
        - First map: a nested product of three coarse maps, each a linear layer and a transposed convolution; as many
          channels between the two as make up the published size.
        - Second transposed convolution of block 2: of the block's input, over both strides.
        - First values: scales and factors are 1 plus a layer, whose weights begin small where it takes the code.
          Without that, codes of frames that are alike make features so different that next to nothing is learned.
        - Colours: a 1×1 convolution, halved around grey, which nothing holds to [0, 1].
        - Seams: blurred where ``seam_blur`` says so, near them alone; the published kernel is unknown.

        Differs: with ``session_embedding`` the session is encoded beside the time; a code that is narrower than the
        waves takes them through a linear layer.
    """

    sampling: ClassVar = "patch"
    recordable: ClassVar = True
    windows: Tensor

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, PolynervConfig)
        self.config, self.patch = config, _patch_of(size, config)
        scale = math.prod(config.strides)
        grid = self.patch[0] // scale, self.patch[1] // scale
        check_normed(grid, config)
        self.register_buffer("windows", constant(lambda: _windows(size, self.patch)), persistent=False)
        waves, code = 2 * config.levels, config.code_width
        self.encoding = FrameEncoding(config.levels, config.base, config.time, config.session_embedding == "open")
        self.waves = PlaceTimeEncoding(config.levels, config.base)
        self.cells = SelfAttention(2 * waves, 1, config.attention_width)
        self.place = nn.Linear(2 * waves, waves)
        self.of_time = nn.ModuleList(nn.Linear(self.encoding.width, code, bias=False) for _ in range(_DEGREE))
        self.of_place = nn.ModuleList(nn.Linear(waves, code, bias=False) for _ in range(_DEGREE))
        self.narrow = nn.Identity() if waves == code else nn.Linear(waves, code, bias=False)
        self.stem = PolynomialStem(code, config.stem_channels, config.channels, grid, _DEGREE)
        widths = _widths(config)
        self.styles = nn.ModuleList(_quiet(code, 2 * width) for width in widths[:-1])
        self.blocks = up_blocks(config, grid, widths, [3] * len(config.strides), bias=True)
        light_first(self.blocks, widths)
        self.factors = _factors(config, widths)
        self.width = widths[-1]
        self._largest_activation = max(3 * math.prod(size), largest_of(grid, widths, config.strides))

    @property
    def largest_activation(self) -> int:
        """A frame, or what a block makes of a patch."""
        return self._largest_activation

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head with its biases, and those of all layers."""
        return {**super().session_tensors, **head_tensors(self.width)}

    def check_query(self, query: Query) -> None:
        """Whole frames, or one patch of each.

        Raises:
            ConfigError: it has points, another size, or a window that is no patch; in training, where asking a device
                for numbers would make it wait, windows are taken to be patches.
        """
        super().check_query(replace(query, window=None))
        if query.window is None or self.training:
            return
        known = (query.window[:, None] == self.windows).all(dim=2).any(dim=1)
        if not bool(known.all()):
            rule = f"makes patches of {list(self.patch)} px side by side"
            raise ConfigError(f"{type(self).__name__} {rule}, got the window {query.window[~known][0].tolist()}")

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """The patch of each row; of whole frames one patch after the other."""
        if query.window is not None:
            return Output(self._patches(query, query.window, session))
        patches = [self._patches(query, window.expand(len(query), 4), session) for window in self.windows]
        frames = assembled(patches, self.config.patches[1])
        if self.config.seam_blur:
            frames = blurred_seams(frames, self.patch, self.config.seam_blur)
        return Output(frames)

    def code(self, query: Query, window: Tensor) -> Tensor:
        """``(B, code_width)`` of a window ``(B, 4)`` of each row."""
        time = self.encoding.of_frames(query.session, query.t, query.frames)
        cells = self._cells(window)
        place = self.place((cells + self.cells(cells)).mean(dim=1))
        pairs = zip(self.of_time, self.of_place, strict=True)
        fused = nested_product([of_time(time) + of_place(place) for of_time, of_place in pairs])
        centre = [(window[:, side] + window[:, side + 2] / 2) / self.size[side] for side in range(2)]
        waves = self.waves(time_position(query.t, query.frames, self.config.time), torch.stack(centre, dim=1))
        narrow: Tensor = self.narrow(waves)
        return fused + narrow

    def _cells(self, window: Tensor) -> Tensor:
        """``(B, cells, 4 · levels)``: the centres of the cells, encoded."""
        sides = []
        for side, count in enumerate(self.config.cells):
            within = (torch.arange(count, device=window.device) + 0.5) / count
            centres = (window[:, side, None] + window[:, side + 2, None] * within) / self.size[side]
            sides.append(self.encoding(centres.flatten()).view(*centres.shape, -1))
        rows, columns = sides
        shape = (len(window), *self.config.cells, -1)
        both = rows[:, :, None].expand(shape), columns[:, None].expand(shape)
        return torch.cat(both, dim=3).flatten(1, 2)

    def _patches(self, query: Query, window: Tensor, session: Mapping[str, Tensor]) -> Tensor:
        """``(B, 3, h, w)``, at the window of each row."""
        code = self.code(query, window)
        taken, features = code, self.stem(code)
        steps = list(zip(self.styles, self.blocks, self.factors, strict=True))
        for first, second in zip(steps[::2], steps[1::2], strict=True):
            for style, block, factor in (first, second):
                features = block(modulated(features, style(code), around=1)) * (1 + factor(taken))
            taken = features
        return (session_conv(features, session["head"][..., None, None], session["head_bias"]) + 1) / 2


def _quiet(inputs: int, outputs: int) -> nn.Linear:
    """A layer that at first gives all codes nearly the same."""
    layer = nn.Linear(inputs, outputs)
    layer.gain = _QUIET  # type: ignore[assignment]
    return layer


def _patch_of(size: tuple[int, int], config: PolynervConfig) -> tuple[int, int]:
    """Height and width of a patch; refuses sizes that have no such patches."""
    units = [math.prod(config.strides) * count for count in config.patches]
    if size[0] % units[0] or size[1] % units[1]:
        rule = f"be multiples of {units}, the product of backbone.strides times backbone.patches"
        nearest = [max(1, round(side / unit)) * unit for side, unit in zip(size, units, strict=True)]
        raise ConfigError(f"stream.size must {rule}, got {list(size)}; {nearest} would do")
    return size[0] // config.patches[0], size[1] // config.patches[1]


def _windows(size: tuple[int, int], patch: tuple[int, int]) -> Tensor:
    """``(P, 4)`` float64: the window of each patch, line by line."""
    corners = (torch.arange(0, side, step, dtype=torch.float64) for side, step in zip(size, patch, strict=True))
    corner = torch.cartesian_prod(*corners).view(-1, 2)
    return torch.cat((corner, corner.new_tensor(patch).expand_as(corner)), dim=1)


def _widths(config: PolynervConfig) -> list[int]:
    """Channels of the first map and of what each factor gives."""
    widths = [config.channels, config.channels]
    for _ in config.strides[1:]:
        widths.append(max(widths[-1] // config.reduction, config.lower_width))
    return widths


def _factors(config: PolynervConfig, widths: list[int]) -> nn.ModuleList:
    """Of each product, the factor that is linear in what the block takes."""
    factors: list[nn.Module] = [
        nn.Sequential(_quiet(config.code_width, width), nn.Unflatten(1, (width, 1, 1))) for width in widths[1:3]
    ]
    for number in range(2, len(config.strides), 2):
        strides = config.strides[number : number + 2]
        factors.append(transposed_up(widths[number], widths[number + 1], strides[0]))
        factors.append(transposed_up(widths[number], widths[number + 2], math.prod(strides)))
    return nn.ModuleList(factors)
