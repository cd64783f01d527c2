"""The Fourier subneural operator: channels mixed frequency by frequency, on a finer grid."""

from typing import Literal

import torch
from torch import Tensor, nn

from vcl.layers.masked import MaskedWeight

Spectrum = Literal["centred", "packed"]


class FourierOperator(nn.Module):
    """``(B, inputs, H, W)`` to ``(B, outputs, H', W')``: a band-limited up-sampling with learned spectral weights.

    The input's spectrum (divided by H·W) is cut to the lowest frequencies: ``H // 2`` vertical ones of each sign and
    ``W // 2`` horizontal ones, whose other sign follows as the frames are real. Each kept frequency has a complex
    ``inputs`` × ``outputs`` matrix, held in four real tensors of shape ``(H // 2, W // 2, inputs, outputs)``: real and
    imaginary part, for non-negative and negative vertical frequencies. The result is placed in the spectrum of the
    larger output and transformed back.

    Args:
        inputs: channels in.
        outputs: channels out.
        size: height and width of the input, each 2 or more.
        capacity: as in ``MaskedWeight``, for each of the four tensors.
        signed: rank scores by value instead of by magnitude (parity).
        spectrum: ``centred`` puts negative vertical frequencies at the end of the output's rows, where they mean the
            same wave; ``packed`` (parity) leaves them where they stood in the input's, so that they turn into positive
            ones.

    Source:
        Kang et al., ICLR 2024, arXiv:2306.11305, whose code packs the spectrum; the operator itself is that of
        Li et al., ICLR 2021, arXiv:2010.08895.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: tuple[int, int],
        capacity: float | None = None,
        signed: bool = False,
        spectrum: Spectrum = "centred",
    ) -> None:
        super().__init__()
        self.modes = (size[0] // 2, size[1] // 2)
        self.spectrum = spectrum
        shape = (*self.modes, inputs, outputs)
        fan_in = outputs * self.modes[0] * self.modes[1]  # What PyTorch computes for this shape: the published rule.

        def weight() -> MaskedWeight:
            return MaskedWeight(shape, fan_in, capacity, signed, terms=2 * inputs)

        self.positive_real, self.positive_imag = weight(), weight()
        self.negative_real, self.negative_imag = weight(), weight()

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Mix and up-sample.

        Args:
            x: ``(B, inputs, H, W)``.
            size: height and width of the output, at least those of the input.

        Returns:
            ``(B, outputs, *size)``, float32, as complex numbers have no smaller type; float64 stays what it is.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self._mix(x if x.dtype == torch.float64 else x.float(), size)

    def _mix(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        rows, columns = self.modes
        spectrum = torch.fft.rfft2(x, norm="forward")[..., :columns]
        positive = _product(spectrum[..., :rows, :], self.positive_real(), self.positive_imag())
        negative = _product(spectrum[..., -rows:, :], self.negative_real(), self.negative_imag())
        last = size[0] if self.spectrum == "centred" else x.shape[-2]
        placed = positive.new_zeros(*positive.shape[:2], size[0], columns)
        placed[..., :rows, :] = positive
        placed[..., last - rows : last, :] = negative
        # Rows first, then columns: the one-dimensional inverse has a single meaning where the spectrum has no
        # Hermitian symmetry, the two-dimensional one does not on every device.
        lines = torch.fft.ifft(placed, dim=-2, norm="forward")
        finer: Tensor = torch.fft.irfft(lines, n=size[1], dim=-1, norm="forward")
        return finer


def _product(spectrum: Tensor, real: Tensor, imag: Tensor) -> Tensor:
    """Complex ``inputs`` × ``outputs`` product at every frequency, in real arithmetic, which is faster on a CPU.

    Args:
        spectrum: complex ``(B, inputs, rows, columns)``.
        real: ``(rows, columns, inputs, outputs)``.
        imag: likewise.

    Returns:
        Complex ``(B, outputs, rows, columns)``.
    """
    # Batched products of strided matrices are hundreds of times slower than the copy that avoids them.
    parts = torch.cat((spectrum.real, spectrum.imag)).permute(2, 3, 0, 1).contiguous()
    by_real, by_imag = parts @ real, parts @ imag
    batch = len(spectrum)
    product = torch.complex(
        by_real[..., :batch, :] - by_imag[..., batch:, :], by_real[..., batch:, :] + by_imag[..., :batch, :]
    )
    return product.permute(2, 3, 0, 1)
