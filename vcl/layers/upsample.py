"""The up-sampling block: convolution, pixel shuffle, activation, with or without a Fourier operator."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from vcl.layers.fourier import FourierOperator
from vcl.layers.masked import MaskedConv2d

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "silu": F.silu, "gelu": F.gelu}


class UpsampleBlock(nn.Module):
    """``(B, inputs, H, W)`` to ``(B, outputs, stride·H, stride·W)``.

    Args:
        conv: to ``outputs * stride ** 2`` channels; None leaves the operator alone.
        operator: to ``outputs`` channels; None leaves the convolution alone. With both, their sum is activated.
        stride: up-scaling of each side.
    """

    def __init__(self, conv: MaskedConv2d | None, operator: FourierOperator | None, stride: int) -> None:
        super().__init__()
        if conv is None and operator is None:
            raise ValueError("a block needs a convolution or an operator")
        self.conv = conv
        self.operator = operator
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        finer = F.pixel_shuffle(self.conv(x), self.stride) if self.conv is not None else None
        if self.operator is not None:
            spectral = self.operator(x, (x.shape[-2] * self.stride, x.shape[-1] * self.stride))
            finer = spectral if finer is None else finer + spectral
        return F.silu(finer)
