"""Quality of decoded frames against the truth, one value per frame; and the same similarity as a training loss.

All functions but ``measure`` take frames in [0, 1], and all leave averaging over a video to the caller: a mean of PSNR
is not the PSNR of a mean error.

SSIM exists in two forms with equal values. The metric must be fast and needs no gradient: it takes a few rows at a
time, so that its maps stay in the cache, and blurs them by matrix products. The loss must be differentiable and keeps
its convolutions, because another order of additions would move the last bits of every network trained with it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

from vcl import kernels
from vcl.metrics.registry import METRICS

PSNR_CAP = 100.0
"""Largest PSNR, dB. That of equal frames would be infinite, which JSON cannot hold and which would make every mean
infinite; no lossy codec comes near the cap."""

MS_SSIM_SIDE = 160
"""MS-SSIM is undefined for frames with a side of this many pixels or fewer: after four halvings its 11-pixel window
no longer fits."""

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

_TAPS = 11
_C1, _C2 = 0.01**2, 0.03**2

_CPU_ROWS, _GPU_ROWS = 16, 256
"""Rows of SSIM computed at once: few enough for the cache of a CPU, enough to fill a GPU."""

_TILE = 32
"""Positions of a row that one matrix product computes, from 42 inputs: few wasted products, and large enough for
BLAS."""

_Means = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def to_unit(frames: Tensor) -> Tensor:
    """Convert stored pixels to the range in which frames are compared.

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


def measure(decoded: Tensor, truth: Tensor) -> dict[str, Tensor | None]:
    """Compute every metric of a batch, on the device that holds it.

    Args:
        decoded: ``(B, 3, H, W)`` uint8.
        truth: of the same shape, on the same device.

    Returns:
        By the names of ``METRICS``, ``(B,)``; None for a metric that is undefined at this size.
    """
    pair = to_unit(decoded), to_unit(truth)
    functions = {metric.function: metric.load_function() for metric in METRICS.values()}
    results = {location: function(*pair) for location, function in functions.items()}
    return {
        metric.name: results[metric.function] if metric.item is None else results[metric.function][metric.item]
        for metric in METRICS.values()
    }


def psnr(decoded: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over all three channels of a frame, or of some of its pixels.

    Args:
        decoded: ``(B, 3, H, W)`` in [0, 1]; or ``(B, 3, N)``, pixels.
        truth: of the same shape.

    Returns:
        ``(B,)`` in dB, at most ``PSNR_CAP``.
    """
    _check(decoded, truth, dims=(3, 4))
    error = (decoded - truth).square().flatten(1).mean(1)
    return error.clamp(min=10 ** (-PSNR_CAP / 10)).log10().mul(-10)


def ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity with an 11x11 Gaussian window of width 1.5, the mean over channels and positions.

    Args:
        decoded: ``(B, 3, H, W)`` in [0, 1], each side 11 pixels or more.
        truth: of the same shape.

    Returns:
        ``(B,)``, at most 1, without a gradient.

    Source:
        Wang et al., IEEE TIP 2004; the values of pytorch-msssim.
    """
    _check(decoded, truth)
    return _strip_means(decoded, truth)[0].mean(1)


def ms_ssim(decoded: Tensor, truth: Tensor) -> Tensor | None:
    """Structural similarity over five scales (MS-SSIM).

    Args:
        decoded: ``(B, 3, H, W)`` in [0, 1].
        truth: of the same shape.

    Returns:
        ``(B,)``, at most 1, without a gradient; None where a side is ``MS_SSIM_SIDE`` pixels or fewer.

    Source:
        Wang et al., Asilomar 2003; the values of pytorch-msssim.
    """
    return similarity(decoded, truth)[1]


def similarity(decoded: Tensor, truth: Tensor) -> tuple[Tensor, Tensor | None]:
    """``ssim`` and ``ms_ssim`` in one pass: SSIM is the first scale of MS-SSIM.

    Args:
        decoded: ``(B, 3, H, W)`` in [0, 1], each side 11 pixels or more.
        truth: of the same shape.

    Returns:
        SSIM ``(B,)``, and MS-SSIM ``(B,)`` or None.
    """
    _check(decoded, truth)
    if min(decoded.shape[-2:]) <= MS_SSIM_SIDE:
        return _strip_means(decoded, truth)[0].mean(1), None
    full_size, over_scales = _scales(decoded, truth, _strip_means)
    return full_size.mean(1), over_scales.mean(1)


def mean_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """Mean SSIM of frames, differentiable.

    The formula needs four blurred maps (of the two second moments only the sum); all four go through one pair of
    one-dimensional convolutions. A GPU has kernels for it, which give the same within 1e-6.

    Args:
        decoded: ``(B, C, H, W)`` in [0, 1], each side 11 pixels or more, contiguous.
        truth: of the same shape.

    Returns:
        One number, at most 1.
    """
    if kernels.runs_on(decoded, truth):
        from vcl.kernels import ssim as kernel

        if kernel.takes(decoded, truth):
            return kernel.mean_ssim(decoded, truth)
    mean_product, squares, covariance, variances = _blurred(decoded, truth)
    numerator = (2 * mean_product + _C1) * (2 * covariance + _C2)
    return (numerator / ((squares + _C1) * (variances + _C2))).mean()


def mean_ms_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """Mean MS-SSIM of frames, differentiable.

    Args:
        decoded: ``(B, C, H, W)`` in [0, 1], each side more than ``MS_SSIM_SIDE`` pixels, contiguous.
        truth: of the same shape.

    Returns:
        One number, at most 1.
    """
    return _scales(decoded, truth, _convolved_means)[1].mean()


def _scales(decoded: Tensor, truth: Tensor, means: _Means) -> tuple[Tensor, Tensor]:
    """SSIM at the first scale, and MS-SSIM, each ``(B, C)``."""
    full_size, structure = means(decoded, truth)
    product = _power(structure, _SCALE_WEIGHTS[0])
    for scale, weight in enumerate(_SCALE_WEIGHTS[1:], 1):
        odd = [side % 2 for side in decoded.shape[-2:]]
        decoded, truth = F.avg_pool2d(decoded, 2, padding=odd), F.avg_pool2d(truth, 2, padding=odd)
        similarities, structure = means(decoded, truth)
        product = product * _power(similarities if scale == len(_SCALE_WEIGHTS) - 1 else structure, weight)
    return full_size, product


def _power(mean: Tensor, exponent: float) -> Tensor:
    """``relu(mean) ** exponent``, whose gradient at 0 would be infinity times 0, with a gradient of 0 there."""
    positive = mean > 0
    return torch.where(positive, mean, 1) ** exponent * positive


def _window(frames: Tensor) -> Tensor:
    """The Gaussian window, ``(11,)``, of the type and on the device of the frames."""
    window = torch.exp(-((torch.arange(_TAPS, device=frames.device) - _TAPS // 2) ** 2) / (2 * 1.5**2))
    return (window / window.sum()).to(frames.dtype)


def _blurred(decoded: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Product and sum of squares of the local means, covariance, and sum of the variances."""
    maps = torch.cat((decoded, truth, decoded.square() + truth.square(), decoded * truth), dim=1)
    window = _window(maps).expand(maps.shape[1], 1, 1, _TAPS)
    columns = F.conv2d(maps, window.mT, groups=maps.shape[1])
    mean_x, mean_y, power, product = F.conv2d(columns, window, groups=maps.shape[1]).chunk(4, dim=1)
    mean_product, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    return mean_product, squares, product - mean_product, power - squares


def _convolved_means(decoded: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Mean SSIM and mean contrast-structure term, each ``(B, C)``, differentiable."""
    mean_product, squares, covariance, variances = _blurred(decoded, truth)
    structure = (2 * covariance + _C2) / (variances + _C2)
    similarities = (2 * mean_product + _C1) / (squares + _C1) * structure
    return similarities.mean((-2, -1)), structure.mean((-2, -1))


@contextmanager
def _full_precision() -> Iterator[None]:
    """Compute matrix products in full float32, whatever the program has chosen for training (TF32, bfloat16)."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one CPU thread: strips are so small that several threads would mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
@_full_precision()
@_one_thread()
def _strip_means(decoded: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Compute ``_convolved_means`` an order of magnitude faster and without a gradient."""
    batch, rows = (1, _CPU_ROWS) if decoded.device.type == "cpu" else (len(decoded), _GPU_ROWS)
    height, width = (side - _TAPS + 1 for side in decoded.shape[-2:])
    window = _window(decoded)
    across = _band(window, _TILE).mT
    sums = decoded.new_zeros(2, *decoded.shape[:2], dtype=torch.float64)
    for first in range(0, len(decoded), batch):
        frames = slice(first, first + batch)
        for top in range(0, height, rows):
            down = _band(window, min(rows, height - top))
            part = frames, slice(None), slice(top, top + down.shape[1])
            similarities, structure = _strip(decoded[part], truth[part], down, across)
            sums[0, frames] += similarities.sum((-2, -1), dtype=torch.float64)
            sums[1, frames] += structure.sum((-2, -1), dtype=torch.float64)
    similarities, structure = (sums / (height * width)).to(decoded.dtype)
    return similarities, structure


def _strip(decoded: Tensor, truth: Tensor, down: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of SSIM and of its contrast-structure term, for the rows that ``down`` produces."""
    width = decoded.shape[-1] - _TAPS + 1
    maps = decoded.new_empty(4, *decoded.shape)
    maps[0], maps[1] = decoded, truth
    torch.mul(decoded, decoded, out=maps[2]).addcmul_(truth, truth)
    torch.mul(decoded, truth, out=maps[3])
    tiles = -(-width // _TILE)
    columns = decoded.new_zeros(*maps.shape[:-2], len(down), tiles * _TILE + _TAPS - 1)
    columns[..., : decoded.shape[-1]] = down @ maps
    blurred = (columns.unfold(-1, _TILE + _TAPS - 1, _TILE) @ across).flatten(-2)[..., :width]
    mean_x, mean_y, power, product = blurred
    mean_product, squares = mean_x * mean_y, (mean_x * mean_x).addcmul_(mean_y, mean_y)
    structure = (product - mean_product).mul_(2).add_(_C2).div_((power - squares).add_(_C2))
    similarities = mean_product.mul_(2).add_(_C1).div_(squares.add_(_C1)).mul_(structure)
    return similarities, structure


def _band(window: Tensor, outputs: int) -> Tensor:
    """The matrix ``(outputs, outputs + 10)`` that slides a window over a column: row i holds it from column i on."""
    return F.pad(window, (0, outputs)).repeat(outputs)[: outputs * (outputs + _TAPS - 1)].view(outputs, -1)


def _check(decoded: Tensor, truth: Tensor, dims: tuple[int, ...] = (4,)) -> None:
    if decoded.shape != truth.shape or decoded.ndim not in dims:
        shapes = f"{tuple(decoded.shape)} and {tuple(truth.shape)}"
        raise ValueError(f"decoded and true frames must have one shape (B, 3, H, W), got {shapes}")
