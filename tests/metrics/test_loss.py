import pytest
import torch

from vcl.metrics.loss import LOSSES


@pytest.mark.parametrize("name", ["l1", "l2", "l1_ssim", "l2_ssim"])
def test_losses_of_equal_frames_are_zero_and_grow_with_the_error(name):
    truth = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0)) / 2 + 0.2
    near, far = LOSSES[name](truth + 0.01, truth), LOSSES[name](truth + 0.1, truth)
    assert float(LOSSES[name](truth, truth)) == pytest.approx(0, abs=1e-6)
    assert 0 < float(near) < float(far)


def test_paper_loss_is_its_formula():
    decoded, truth = torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.3)
    # Two flat frames: SSIM is its luminance term alone, with C1 = 0.01².
    likeness = (2 * 0.5 * 0.3 + 1e-4) / (0.5**2 + 0.3**2 + 1e-4)
    assert float(LOSSES["l1_ssim"](decoded, truth)) == pytest.approx(0.7 * 0.2 + 0.3 * (1 - likeness), abs=5e-5)
