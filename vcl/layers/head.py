"""The head of a network: a convolution whose weights are those of each row's session."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vcl.layers.own import SessionTensor


def head_tensors(channels: int, kernel: int = 1, outputs: int = 3) -> dict[str, SessionTensor]:
    """``head`` and ``head_bias``, drawn as PyTorch draws those of a convolution.

    Args:
        channels: of what the head takes.
        kernel: side of the convolution; that of 1 has no dimensions: ``(outputs, channels)``.
        outputs: channels of what it gives.
    """
    shape = (outputs, channels) if kernel == 1 else (outputs, channels, kernel, kernel)
    fan_in = channels * kernel**2
    return {
        "head": SessionTensor(shape, "uniform", fan_in),
        "head_bias": SessionTensor((outputs,), "uniform", fan_in),
    }


def session_conv(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve each row with weights of its own, at stride 1, padded to keep its size.

    Args:
        x: ``(B, C, H, W)``.
        weight: ``(B, O, C, k, k)``, k odd.
        bias: ``(B, O)``; none by default.

    Returns:
        ``(B, O, H, W)``.
    """
    batch, outputs = weight.shape[:2]
    rows = x.reshape(1, -1, *x.shape[2:])
    flat_bias = None if bias is None else bias.flatten()
    convolved = F.conv2d(rows, weight.flatten(0, 1), flat_bias, padding=weight.shape[-1] // 2, groups=batch)
    return convolved.view(batch, outputs, *x.shape[2:])
