"""Losses by name, of decoded and true frames ``(B, 3, H, W)``; each gives one number."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from vcl.metrics.quality import mean_ms_ssim, mean_ssim

Loss = Callable[[Tensor, Tensor], Tensor]


def l1_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """0.7·L1 + 0.3·(1 − SSIM), the loss of NeRV and of PFNR."""
    return _mixed(F.l1_loss(decoded, truth), mean_ssim(decoded, truth))


def l2_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """0.7·L2 + 0.3·(1 − SSIM)."""
    return _mixed(F.mse_loss(decoded, truth), mean_ssim(decoded, truth))


def l1_ms_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """0.7·L1 + 0.3·(1 − MS-SSIM); both sides of a frame must be over 160 px."""
    return _mixed(F.l1_loss(decoded, truth), mean_ms_ssim(decoded, truth))


def _mixed(distance: Tensor, likeness: Tensor) -> Tensor:
    return 0.7 * distance + 0.3 * (1 - likeness)


LOSSES: dict[str, Loss] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "l1_ssim": l1_ssim,
    "l2_ssim": l2_ssim,
    "l1_ms_ssim": l1_ms_ssim,
}
"""The names stand in ``vcl.config.train.LOSSES`` too, which is checked before torch is imported."""
