"""What networks of pixel coordinates have in common: frames of any size, in pieces of bounded memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from vcl.backbones.base import Backbone
from vcl.errors import ConfigError
from vcl.query import Output, Query

PIECE = 2**14
"""Pixels of each frame that are decoded at once."""


class PixelBackbone(Backbone):
    """A network from coordinates to colours."""

    sampling: ClassVar = "pixel"
    recordable: ClassVar = True
    per_pixel: int = 3
    """Numbers of a pixel in the largest tensor that decoding makes."""

    @property
    def largest_activation(self) -> int:
        """A frame, or the features of a piece of it."""
        height, width = self.size
        return max(3 * height * width, self.per_pixel * min(height * width, max(PIECE, width)))

    @abstractmethod
    def colours(self, coordinates: Tensor, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Tensor:
        """Colours at coordinates.

        Args:
            coordinates: ``(B, N, 3)`` float32 in [-1, 1]: time, row and column. Frames 0 and T - 1 lie at the ends,
                pixels half a pixel within them.
            session: as of ``decode``.
            frame: as of ``decode``.

        Returns:
            ``(B, N, 3)``.
        """

    def check_query(self, query: Query) -> None:
        """Any frames, any parts of them, at any size.

        Raises:
            ConfigError: the size has a side below 1, or the rows have different windows.
        """
        if min(query.size or self.size) < 1:
            raise ConfigError(f"{type(self).__name__} makes frames of 1 px or more a side, got {query.size}")
        if query.window is not None and not bool((query.window == query.window[0]).all()):
            raise ConfigError(f"{type(self).__name__} makes one window of all frames of a query, got several")

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """The colours of points; of a window or a frame piece by piece."""
        height, width = query.size or self.size
        if query.points is not None:
            return Output(self._at(query, query.points, session, frame))
        top = left = 0
        if query.window is not None:
            top, left, height, width = (int(number) for number in query.window[0].tolist())
        pieces = (
            self._at(query, points.to(query.t.device).expand(len(query), -1, 2), session, frame)
            for points in _grid(top, left, height, width)
        )
        return Output(torch.cat(list(pieces), dim=2).unflatten(2, (height, width)))  # type: ignore[no-untyped-call]

    def _at(self, query: Query, points: Tensor, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Tensor:
        return self.colours(self.coordinates(query, points), session, frame).mT

    def coordinates(self, query: Query, points: Tensor) -> Tensor:
        """What ``colours`` takes, of points ``(B, N, 2)`` as those of a query."""
        height, width = query.size or self.size
        time = (2 * query.t / (query.frames - 1).clamp(min=1) - 1)[:, None].expand(-1, points.shape[1])
        row, column = (points.double() + 0.5).unbind(2)
        return torch.stack((time, 2 * row / height - 1, 2 * column / width - 1), dim=2).float()


def _grid(top: int, left: int, height: int, width: int) -> Iterator[Tensor]:
    """Rows and columns of a window, ``(1, n, 2)``, whole lines at a time."""
    lines = max(1, PIECE // width)
    for first in range(0, height, lines):
        rows = torch.arange(top + first, top + min(first + lines, height))
        yield torch.cartesian_prod(rows, torch.arange(left, left + width)).view(1, -1, 2)
