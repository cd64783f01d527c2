import json
import math

import pytest
import torch

from vcl.metrics.quality import PSNR_CAP, ms_ssim, psnr, ssim, to_unit


def flat(value, size=(16, 16), batch=1):
    return torch.full((batch, 3, *size), value)


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
    for measure in (ssim, ms_ssim):
        values = measure(decoded, truth)
        assert values.shape == (2,)
        assert values[0] > 0.99 > 0.5 > values[1]


@pytest.mark.parametrize("size", [(160, 320), (320, 160), (16, 16)])
def test_ms_ssim_is_undefined_where_a_side_is_160_pixels_or_less(size):
    assert ms_ssim(flat(0.3, size), flat(0.3, size)) is None


def test_ms_ssim_is_defined_from_161_pixels_on():
    assert ms_ssim(flat(0.3, (161, 162)), flat(0.3, (161, 162))) is not None


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
        measure(flat(0.1)[0], flat(0.1)[0])
