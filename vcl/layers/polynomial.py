"""Polynomials: what is learned of an input, multiplied by itself."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def nested_product(parts: Sequence[Tensor]) -> Tensor:
    """``x = part · x + x``, from the first part on: of degree n in what n parts are linear in.

    Source:
        Chrysos et al., CVPR 2020, arXiv:2003.03828.
    """
    x = parts[0]
    for part in parts[1:]:
        x = part * x + x
    return x


class PolynomialStem(nn.Module):
    """``(B, inputs)`` to ``(B, channels, *grid)``: for each degree a coarse map, made finer, and their nested product.

    Each coarse map is the grid divided by the smallest prime of each side.

    Args:
        inputs: numbers of a row.
        between: channels of the coarse maps.
        channels: of the result.
        grid: its height and width.
        degree: of the polynomial.
    """

    def __init__(self, inputs: int, between: int, channels: int, grid: tuple[int, int], degree: int) -> None:
        super().__init__()
        scale = _smallest_prime(grid[0]), _smallest_prime(grid[1])
        self.coarse = grid[0] // scale[0], grid[1] // scale[1]
        numbers = between * self.coarse[0] * self.coarse[1]
        self.linear = nn.ModuleList(nn.Linear(inputs, numbers) for _ in range(degree))
        self.finer = nn.ModuleList(nn.ConvTranspose2d(between, channels, scale, scale) for _ in range(degree))

    def forward(self, x: Tensor) -> Tensor:
        """Nothing but products and sums."""
        return nested_product(
            [
                finer(linear(x).reshape(len(x), -1, *self.coarse))
                for linear, finer in zip(self.linear, self.finer, strict=True)
            ]
        )


def transposed_up(in_channels: int, out_channels: int, stride: int) -> nn.ConvTranspose2d:
    """A transposed convolution that scales each side up by its stride: 3×3, or larger so that none falls between."""
    kernel, padding = max(3, stride), int(stride < 3)
    rest = stride - kernel + 2 * padding
    return nn.ConvTranspose2d(in_channels, out_channels, kernel, stride, padding, output_padding=rest)


def _smallest_prime(number: int) -> int:
    """That divides a number; 1 of 1."""
    return next((prime for prime in range(2, number + 1) if number % prime == 0), 1)
