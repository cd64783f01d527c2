"""The up-sampling block: convolution, pixel shuffle, activation, with or without a Fourier operator."""

from torch import Tensor, nn
from torch.nn import functional as F

from vcl.layers.fourier import FourierOperator
from vcl.layers.masked import MaskedConv2d


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
        paths = []
        if self.conv is not None:
            paths.append(F.pixel_shuffle(self.conv(x), self.stride))
        if self.operator is not None:
            paths.append(self.operator(x, (x.shape[-2] * self.stride, x.shape[-1] * self.stride)))
        return F.silu(sum(paths[1:], paths[0]))
