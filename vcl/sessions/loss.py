"""Losses by name: decoded and true frames ``(B, 3, H, W)`` to one number."""

from collections.abc import Callable

from pytorch_msssim import ms_ssim, ssim
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


def l1_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """0.7·L1 + 0.3·(1 − SSIM), the loss of NeRV and of PFNR."""
    return 0.7 * F.l1_loss(decoded, truth) + 0.3 * (1 - ssim(decoded, truth, data_range=1.0))


def l2_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """0.7·L2 + 0.3·(1 − SSIM)."""
    return 0.7 * F.mse_loss(decoded, truth) + 0.3 * (1 - ssim(decoded, truth, data_range=1.0))


def l1_ms_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """0.7·L1 + 0.3·(1 − MS-SSIM); both sides of a frame must be over 160 px."""
    return 0.7 * F.l1_loss(decoded, truth) + 0.3 * (1 - ms_ssim(decoded, truth, data_range=1.0))


LOSSES: dict[str, Loss] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "l1_ssim": l1_ssim,
    "l2_ssim": l2_ssim,
    "l1_ms_ssim": l1_ms_ssim,
}
"""The names stand in ``vcl.config.LOSSES`` too, which is checked before torch is imported."""
