"""Quality of decoded frames against the truth, a number a frame.

All functions take float frames in [0, 1] and leave averaging over a video to the caller: a mean of PSNR is not the PSNR
of a mean error.
"""

import pytorch_msssim
import torch
from torch import Tensor

PSNR_CAP = 100.0
"""PSNR of frames that are this much alike or more, dB. Equal frames would have an infinite one, which JSON cannot hold
and which would make every mean infinite; no lossy codec comes near the cap."""

MS_SSIM_SIDE = 160
"""MS-SSIM is undefined for frames with a side of this many pixels or less: four halvings leave no room for its
11-pixel window."""


def to_unit(frames: Tensor) -> Tensor:
    """Turn stored pixels into the numbers that are compared.

    Args:
        frames: uint8, any shape.

    Returns:
        float32 in [0, 1], contiguous.

    Raises:
        ValueError: the frames are not uint8.
    """
    if frames.dtype != torch.uint8:
        raise ValueError(f"frames must be uint8, got {frames.dtype}")
    return frames.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def psnr(decoded: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over all three channels of a frame.

    Args:
        decoded: ``(B, 3, H, W)`` in [0, 1].
        truth: of the same shape.

    Returns:
        ``(B,)`` in dB, at most ``PSNR_CAP``.
    """
    _check(decoded, truth)
    error = (decoded - truth).square().flatten(1).mean(1)
    return error.clamp(min=10 ** (-PSNR_CAP / 10)).log10().mul(-10)


def ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity with an 11x11 Gaussian window of width 1.5, the mean over channels and places.

    Args:
        decoded: ``(B, 3, H, W)`` in [0, 1], each side 11 pixels or more.
        truth: of the same shape.

    Returns:
        ``(B,)``, at most 1.

    Source:
        Wang et al., IEEE TIP 2004, as pytorch-msssim computes it.
    """
    _check(decoded, truth)
    # Channels-last frames would make its grouped convolutions an order of magnitude slower.
    found: Tensor = pytorch_msssim.ssim(decoded.contiguous(), truth.contiguous(), data_range=1, size_average=False)
    return found


def ms_ssim(decoded: Tensor, truth: Tensor) -> Tensor | None:
    """Structural similarity over five scales.

    Args:
        decoded: ``(B, 3, H, W)`` in [0, 1].
        truth: of the same shape.

    Returns:
        ``(B,)``, at most 1; None where a side is ``MS_SSIM_SIDE`` pixels or less, as there is no such number.

    Source:
        Wang et al., Asilomar 2003, as pytorch-msssim computes it.
    """
    _check(decoded, truth)
    if min(decoded.shape[-2:]) <= MS_SSIM_SIDE:
        return None
    found: Tensor = pytorch_msssim.ms_ssim(decoded.contiguous(), truth.contiguous(), data_range=1, size_average=False)
    return found


def _check(decoded: Tensor, truth: Tensor) -> None:
    if decoded.shape != truth.shape or decoded.ndim != 4:
        shapes = f"{tuple(decoded.shape)} and {tuple(truth.shape)}"
        raise ValueError(f"decoded and true frames must have one shape (B, 3, H, W), got {shapes}")
