"""The Fourier subneural operator: channels mixed frequency by frequency, on a finer grid."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

Spectrum = Literal["centred", "packed"]


class FourierOperator(nn.Module):
    """``(B, in_channels, H, W)`` to ``(B, out_channels, H', W')``: band-limited up-sampling by learned weights.

    The input's spectrum (divided by H·W) is cut to the lowest frequencies: ``H // 2`` vertical ones of each sign and
    ``W // 2`` horizontal ones, whose other sign follows as the frames are real. Each kept frequency has a complex
    ``in_channels`` × ``out_channels`` matrix, held in four real tensors of shape
    ``(H // 2, W // 2, in_channels, out_channels)``: real and imaginary part, for non-negative and negative vertical
    frequencies. The result is placed in the spectrum of the
    larger output and transformed back.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        size: height and width of the input, each 2 or more.
        spectrum: ``centred`` puts negative vertical frequencies at the end of the output's rows, where they mean the
            same wave; ``packed`` (parity) leaves them where they stood in the input's, so that they turn into positive
            ones.

    Source:
        Kang et al., ICLR 2024, arXiv:2306.11305, whose code packs the spectrum; the operator itself is that of
        Li et al., ICLR 2021, arXiv:2010.08895.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: tuple[int, int],
        spectrum: Spectrum = "centred",
    ) -> None:
        super().__init__()
        self.modes = (size[0] // 2, size[1] // 2)
        self.spectrum = spectrum
        # What PyTorch computes for the published shape, which has the channels first; and the real products of a sum.
        self.fans = (out_channels * self.modes[0] * self.modes[1], 2 * in_channels)
        self.channel_dims = (3, 2)
        shape = (*self.modes, in_channels, out_channels)
        self.positive_real, self.positive_imag = nn.Parameter(torch.empty(shape)), nn.Parameter(torch.empty(shape))
        self.negative_real, self.negative_imag = nn.Parameter(torch.empty(shape)), nn.Parameter(torch.empty(shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, from PyTorch's generator."""
        for weight in self.parameters():
            nn.init.uniform_(weight, -1 / math.sqrt(self.fans[0]), 1 / math.sqrt(self.fans[0]))

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Mix and up-sample.

        Args:
            x: ``(B, in_channels, H, W)``.
            size: height and width of the output, at least those of the input.

        Returns:
            ``(B, out_channels, *size)``, float32, as complex numbers have no smaller type; float64 stays what it is.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self._mix(x if x.dtype == torch.float64 else x.float(), size)

    def _mix(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        rows, columns = self.modes
        spectrum = torch.fft.rfft2(x, norm="forward")[..., :columns]
        positive = _product(spectrum[..., :rows, :], self.positive_real, self.positive_imag)
        negative = _product(spectrum[..., -rows:, :], self.negative_real, self.negative_imag)
        last = size[0] if self.spectrum == "centred" else x.shape[-2]
        output_spectrum = positive.new_zeros(*positive.shape[:2], size[0], columns)
        output_spectrum[..., :rows, :] = positive
        output_spectrum[..., last - rows : last, :] = negative
        # Rows first, then columns: the one-dimensional inverse has a single meaning where the spectrum has no
        # Hermitian symmetry, the two-dimensional one does not on every device.
        lines = torch.fft.ifft(output_spectrum, dim=-2, norm="forward")
        finer: Tensor = torch.fft.irfft(lines, n=size[1], dim=-1, norm="forward")
        return finer


def _product(spectrum: Tensor, real: Tensor, imag: Tensor) -> Tensor:
    """A complex product of channels at every frequency, in real arithmetic, which is faster on a CPU.

    Args:
        spectrum: complex ``(B, in_channels, rows, columns)``.
        real: ``(rows, columns, in_channels, out_channels)``.
        imag: of the same shape.

    Returns:
        Complex ``(B, out_channels, rows, columns)``.
    """
    # Batched products of strided matrices are hundreds of times slower than the copy that avoids them.
    parts = torch.cat((spectrum.real, spectrum.imag)).permute(2, 3, 0, 1).contiguous()
    by_real, by_imag = parts @ real, parts @ imag
    batch = len(spectrum)
    product = torch.complex(
        by_real[..., :batch, :] - by_imag[..., batch:, :], by_real[..., batch:, :] + by_imag[..., :batch, :]
    )
    return product.permute(2, 3, 0, 1)
