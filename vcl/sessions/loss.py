"""Losses by name: decoded and true frames ``(B, 3, H, W)`` to one number."""

from collections.abc import Callable

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


def l1_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """0.7·L1 + 0.3·(1 − SSIM), the loss of NeRV and of PFNR."""
    return _mixed(F.l1_loss(decoded, truth), ssim(decoded, truth))


def l2_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """0.7·L2 + 0.3·(1 − SSIM)."""
    return _mixed(F.mse_loss(decoded, truth), ssim(decoded, truth))


def l1_ms_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """0.7·L1 + 0.3·(1 − MS-SSIM); both sides of a frame must be over 160 px."""
    return _mixed(F.l1_loss(decoded, truth), ms_ssim(decoded, truth, data_range=1.0))


def ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """Mean structural similarity of frames, differentiable: an 11×11 Gaussian window of width 1.5, all of it inside.

    What pytorch-msssim computes, in half its time: the four blurred maps that the formula needs (it needs the two
    second moments as a sum only) go through one pair of one-dimensional convolutions.

    Args:
        decoded: ``(B, C, H, W)`` in [0, 1], each side 11 pixels or more, contiguous.
        truth: of the same shape.

    Returns:
        One number, at most 1.

    Source:
        Wang et al., IEEE TIP 2004.
    """
    maps = torch.cat((decoded, truth, decoded.square() + truth.square(), decoded * truth), dim=1)
    window = torch.exp(-((torch.arange(11, device=maps.device) - 5) ** 2) / (2 * 1.5**2))
    window = (window / window.sum()).to(maps.dtype).expand(maps.shape[1], 1, 1, 11)
    columns = F.conv2d(maps, window.mT, groups=maps.shape[1])
    mean_x, mean_y, power, product = F.conv2d(columns, window, groups=maps.shape[1]).chunk(4, dim=1)
    of_means, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    alike = (2 * of_means + 0.01**2) * (2 * (product - of_means) + 0.03**2)
    return (alike / ((squares + 0.01**2) * (power - squares + 0.03**2))).mean()


def _mixed(distance: Tensor, likeness: Tensor) -> Tensor:
    return 0.7 * distance + 0.3 * (1 - likeness)


LOSSES: dict[str, Loss] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "l1_ssim": l1_ssim,
    "l2_ssim": l2_ssim,
    "l1_ms_ssim": l1_ms_ssim,
}
"""The names stand in ``vcl.config.knobs.LOSSES`` too, which is checked before torch is imported."""
