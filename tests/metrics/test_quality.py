import json
import math

import pytest
import pytorch_msssim
import torch

from vcl.metrics import quality
from vcl.metrics.quality import PSNR_CAP, mean_ms_ssim, mean_ssim, measure, ms_ssim, psnr, similarity, ssim, to_unit


def flat(value, size=(16, 16), batch=1):
    return torch.full((batch, 3, *size), value)


def noisy(shape, noise=0.2):
    """A random truth and the same with noise, both in [0, 1]."""
    source = torch.Generator().manual_seed(0)
    truth = torch.rand(shape, generator=source)
    return (truth + noise * (torch.rand(shape, generator=source) - 0.5)).clamp(0, 1), truth


def test_psnr_of_an_error_of_a_tenth_everywhere_is_20_db():
    assert psnr(flat(0.5), flat(0.4)).item() == pytest.approx(20.0, abs=1e-4)


def test_psnr_takes_the_error_over_all_three_channels():
    decoded = flat(0.5)
    decoded[:, 0] += 0.3
    # Mean squared error 0.09 / 3.
    assert psnr(decoded, flat(0.5)).item() == pytest.approx(-10 * math.log10(0.03), abs=1e-4)


def test_psnr_is_a_number_a_frame_and_not_of_the_batch():
    decoded = torch.cat([flat(0.5), flat(0.51)])
    assert psnr(decoded, flat(0.4, batch=2)).tolist() == pytest.approx([20.0, -20 * math.log10(0.11)], abs=1e-3)


def test_psnr_of_equal_frames_is_the_cap_and_fits_json():
    values = psnr(flat(0.5, batch=2), flat(0.5, batch=2)).tolist()
    assert values == [PSNR_CAP, PSNR_CAP]
    assert json.dumps(values, allow_nan=False)


@pytest.mark.parametrize("measure", [ssim, ms_ssim])
def test_equal_frames_have_a_similarity_of_1(measure):
    frames = torch.rand(2, 3, 161, 176, generator=torch.Generator().manual_seed(0))
    assert measure(frames, frames).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (90, 161)])
def test_ssim_of_two_flat_frames_follows_its_formula(size):
    # Without variance only the term of the means is left: (2ab + c) / (aa + bb + c) with c = 0.01 ** 2.
    expected = (2 * 0.3 * 0.6 + 1e-4) / (0.3**2 + 0.6**2 + 1e-4)
    assert ssim(flat(0.3, size), flat(0.6, size)).item() == pytest.approx(expected, abs=1e-4)


def test_ms_ssim_of_two_flat_frames_follows_its_formula():
    # As above, to the power of the coarsest scale's weight; the other scales compare variances, which are all 0.
    expected = ((2 * 0.3 * 0.6 + 1e-4) / (0.3**2 + 0.6**2 + 1e-4)) ** 0.1333
    assert ms_ssim(flat(0.3, (176, 176)), flat(0.6, (176, 176))).item() == pytest.approx(expected, abs=1e-4)


def test_similarity_is_a_number_a_frame():
    truth = torch.rand(2, 3, 176, 176, generator=torch.Generator().manual_seed(0))
    decoded = truth.clone()
    decoded[1] = 1 - decoded[1]
    for metric in (ssim, ms_ssim):
        values = metric(decoded, truth)
        assert values.shape == (2,)
        assert values[0] > 0.99 > 0.5 > values[1]


@pytest.mark.parametrize("size", [(160, 320), (320, 160), (16, 16)])
def test_ms_ssim_is_undefined_where_a_side_is_160_pixels_or_less(size):
    assert ms_ssim(flat(0.3, size), flat(0.3, size)) is None


def test_ms_ssim_is_defined_from_161_pixels_on():
    assert ms_ssim(flat(0.3, (161, 162)), flat(0.3, (161, 162))) is not None


@pytest.mark.parametrize("size", [(11, 11), (12, 40), (31, 24), (27, 43), (58, 75), (90, 161)])
@pytest.mark.parametrize("noise", [0.02, 0.2, 1.0])
def test_ssim_is_that_of_pytorch_msssim(size, noise):
    decoded, truth = noisy((2, 3, *size), noise)
    expected = pytorch_msssim.ssim(decoded.double(), truth.double(), data_range=1, size_average=False)
    assert ssim(decoded, truth).tolist() == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.parametrize("size", [(161, 161), (162, 177), (176, 190), (203, 164)])
@pytest.mark.parametrize("noise", [0.02, 0.2, 1.0])
def test_ms_ssim_is_that_of_pytorch_msssim_and_comes_with_the_same_ssim(size, noise):
    decoded, truth = noisy((2, 3, *size), noise)
    expected = pytorch_msssim.ms_ssim(decoded.double(), truth.double(), data_range=1, size_average=False)
    whole, over_scales = similarity(decoded, truth)
    assert over_scales.tolist() == pytest.approx(expected.tolist(), abs=5e-6)
    assert torch.equal(whole, ssim(decoded, truth))


def test_a_value_of_flat_frames_with_a_single_wrong_pixel_is_that_of_pytorch_msssim():
    decoded, truth = flat(0.5, (170, 181)), flat(0.5, (170, 181))
    decoded[0, 1, 80, 90] = 0.9
    values = [value.item() for value in similarity(decoded, truth)]
    reference = pytorch_msssim.ssim, pytorch_msssim.ms_ssim
    assert values == pytest.approx([float(of(decoded, truth, data_range=1)) for of in reference], abs=1e-6)


@pytest.mark.parametrize("rows", [1, 7, 400])
def test_how_many_rows_are_computed_at_once_changes_no_value(rows, monkeypatch):
    decoded, truth = noisy((2, 3, 61, 50))
    expected = ssim(decoded, truth).tolist()
    monkeypatch.setattr(quality, "_CPU_ROWS", rows)
    assert ssim(decoded, truth).tolist() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("chosen", ["high", "medium"])
def test_metrics_are_in_full_precision_whatever_is_chosen_for_training(chosen, monkeypatch):
    decoded, truth = noisy((1, 3, 170, 165))
    expected = [value.item() for value in similarity(decoded, truth)]
    seen = []
    strip = quality._strip

    def watched(*args):
        seen.append(torch.get_float32_matmul_precision())
        return strip(*args)

    monkeypatch.setattr(quality, "_strip", watched)
    torch.set_float32_matmul_precision(chosen)
    try:
        assert [value.item() for value in similarity(decoded, truth)] == expected
        assert torch.get_float32_matmul_precision() == chosen
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(seen) == {"highest"}


def test_a_frame_has_the_same_values_alone_and_in_a_batch():
    decoded, truth = noisy((3, 3, 165, 170))
    together, alone = similarity(decoded, truth), similarity(decoded[1:2], truth[1:2])
    assert [value[1].item() for value in together] == [value.item() for value in alone]


def test_a_batch_of_stored_pixels_is_measured_by_every_metric():
    decoded, truth = (frames.mul(255).to(torch.uint8) for frames in noisy((2, 3, 170, 161)))
    pair = to_unit(decoded), to_unit(truth)
    values = measure(decoded, truth)
    assert list(values) == ["psnr", "ssim", "ms_ssim"]
    for name, metric in (("psnr", psnr), ("ssim", ssim), ("ms_ssim", ms_ssim)):
        assert torch.equal(values[name], metric(*pair))
    assert measure(decoded[..., :160], truth[..., :160])["ms_ssim"] is None


@pytest.mark.parametrize("shape", [(2, 3, 24, 31), (1, 3, 11, 11), (3, 1, 40, 12)])
def test_ssim_to_train_with_and_its_gradient_are_those_of_pytorch_msssim(shape):
    assert_same_gradient(shape, mean_ssim, pytorch_msssim.ssim)


@pytest.mark.parametrize("shape", [(2, 3, 161, 170), (1, 1, 175, 162)])
def test_ms_ssim_to_train_with_and_its_gradient_are_those_of_pytorch_msssim(shape):
    assert_same_gradient(shape, mean_ms_ssim, pytorch_msssim.ms_ssim)


def assert_same_gradient(shape, ours, theirs):
    decoded, truth = noisy(shape)
    mine, other = decoded.clone().requires_grad_(), decoded.clone().requires_grad_()
    value, expected = ours(mine, truth), theirs(other, truth, data_range=1)
    assert float(value.detach()) == pytest.approx(float(expected.detach()), abs=1e-5)
    value.backward()
    expected.backward()
    assert float((mine.grad - other.grad).norm() / other.grad.norm()) < 1e-3


def test_ms_ssim_to_train_with_has_a_finite_gradient_where_frames_are_opposites():
    truth = noisy((1, 3, 162, 161))[1]
    decoded = (1 - truth).requires_grad_()
    value = mean_ms_ssim(decoded, truth)
    value.backward()
    assert value.item() == 0
    assert decoded.grad.isfinite().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_measures_as_a_cpu_does():
    decoded, truth = noisy((2, 3, 300, 333))
    on_gpu = similarity(decoded.cuda(), truth.cuda())
    for on_gpu_value, expected in zip(on_gpu, similarity(decoded, truth), strict=True):
        assert on_gpu_value.tolist() == pytest.approx(expected.tolist(), abs=2e-6)


def test_frames_in_channels_last_order_give_the_same_similarity():
    truth = torch.rand(1, 24, 20, 3, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2)
    assert torch.equal(ssim(truth * 0.9, truth), ssim(truth.contiguous() * 0.9, truth.contiguous()))


def test_stored_pixels_become_numbers_between_0_and_1():
    frames = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert to_unit(frames).tolist() == pytest.approx([0.0, 0.2, 1.0])
    assert frames.tolist() == [0, 51, 255]
    assert to_unit(torch.zeros(2, 4, 5, 3, dtype=torch.uint8).permute(0, 3, 1, 2)).is_contiguous()


def test_pixels_of_another_type_are_refused():
    with pytest.raises(ValueError, match=r"frames must be uint8, got torch\.float32"):
        to_unit(torch.zeros(3))


@pytest.mark.parametrize("measure", [psnr, ssim, ms_ssim])
def test_frames_of_different_shapes_are_refused(measure):
    with pytest.raises(ValueError, match=r"one shape \(B, 3, H, W\), got \(1, 3, 16, 16\) and \(2, 3, 16, 16\)"):
        measure(flat(0.1), flat(0.1, batch=2))
    with pytest.raises(ValueError, match="one shape"):
        measure(flat(0.1)[0, 0], flat(0.1)[0, 0])


def test_metrics_are_the_same_bits_for_any_number_of_threads_and_leave_it_as_it_was():
    pair = noisy((2, 3, 170, 180))
    before, values = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            values.append(torch.stack(similarity(*pair)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*values)
