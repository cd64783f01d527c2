"""Parts of DNeRV: encoders without norms, and the unit in which differences change the content."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from vcl.layers.convnext import ChannelNorm, Conv
from vcl.layers.gain import unactivated


class PlainBlock(nn.Module):
    """A residual block: depthwise 7×7 convolution, and two linear layers with GELU between them.

    Args:
        channels: of the input and of the output.

    Source:
        Zhao, Asif and Ma, CVPR 2023, arXiv:2304.06544. Differs: the code has a norm and a scale too, which it
        never uses.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = Conv(channels, channels, 7, padding=3, groups=channels)
        self.wide = Conv(channels, 4 * channels, 1)
        self.narrow = Conv(4 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, H, W)`` to the same shape."""
        inner: Tensor = self.narrow(F.gelu(self.wide(self.depthwise(x))))
        return x + inner


class PlainEncoder(nn.Sequential):
    """Images to maps of a few channels: for each stride a strided convolution, a norm and a block; then a 1×1 layer.

    Args:
        channels: of the images.
        strides: downscaling of each stage.
        width: channels of all stages.
        out_channels: of the maps.

    Source:
        Zhao, Asif and Ma, CVPR 2023, arXiv:2304.06544.
    """

    def __init__(self, channels: int, strides: tuple[int, ...], width: int, out_channels: int) -> None:
        stages: list[nn.Module] = []
        for number, stride in enumerate(strides):
            down = Conv(width if number else channels, width, stride, stride)
            stages += [down, ChannelNorm(width, eps=1e-6), PlainBlock(width)]
        super().__init__(*stages, Conv(width, out_channels, 1))


class ContentUnit(nn.Module):
    """Content and difference to what replaces the content, by as much as a gate of both lets through.

    Args:
        channels: of both maps.
        scaled: as in ``MaskedWeight.bound``.

    Source:
        Zhao, Asif and Ma, CVPR 2023, arXiv:2304.06544: the collaborative content unit.
    """

    def __init__(self, channels: int, scaled: bool) -> None:
        super().__init__()

        def half() -> nn.Conv2d:
            """Of a sum of two, which is as large as what goes in."""
            return unactivated(nn.Conv2d(channels, channels, 3, padding=1), scaled, 0.5**0.5)

        self.new_of_content, self.new_of_difference = half(), half()
        self.gate_of_content, self.gate_of_difference = half(), half()

    def forward(self, content: Tensor, difference: Tensor) -> Tensor:
        """Two maps ``(B, channels, H, W)`` to one of that shape."""
        new: Tensor = (self.new_of_content(content) + self.new_of_difference(difference)).tanh()
        gate: Tensor = (self.gate_of_content(content) + self.gate_of_difference(difference)).sigmoid()
        return gate * new + (1 - gate) * content
