import pytest
import torch

from vcl.metrics import quality
from vcl.metrics.quality import measure
from vcl.metrics.registry import METRICS, PSNR, Metric


def test_every_row_stands_under_its_own_name():
    assert {name: metric.name for name, metric in METRICS.items()} == {name: name for name in METRICS}
    assert METRICS["psnr"] is PSNR


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_better_for_better_frames_in_the_direction_that_its_row_states(name):
    truth = torch.randint(0, 256, (1, 3, 161, 170), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    near, far = ((truth.float() * share + 127 * (1 - share)).byte() for share in (0.9, 0.5))
    better, worse = (measure(decoded, truth)[name] for decoded in (near, far))
    assert better.shape == (1,)
    assert (better > worse).item() is METRICS[name].higher_is_better


@pytest.mark.parametrize(("name", "function"), [("psnr", "psnr"), ("ssim", "ssim"), ("ms_ssim", "ms_ssim")])
def test_a_metric_of_the_table_is_the_function_of_its_name(name, function):
    pixels = torch.randint(0, 256, (2, 2, 3, 161, 170), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    decoded, truth = pixels
    expected = getattr(quality, function)(quality.to_unit(decoded), quality.to_unit(truth))
    assert torch.equal(measure(decoded, truth)[name], expected)


def test_metrics_that_share_their_work_are_computed_once(monkeypatch):
    calls = []
    similarity = quality.similarity
    monkeypatch.setattr(quality, "similarity", lambda *pair: calls.append(pair) or similarity(*pair))
    frames = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    assert set(measure(frames, frames)) == set(METRICS)
    assert len(calls) == 1


def test_values_are_shown_with_their_digits_and_their_unit():
    assert (PSNR.text(31.3333), PSNR.heading, PSNR.cell_digits) == ("31.33 dB", "PSNR (dB)", 2)
    ssim = METRICS["ssim"]
    assert (ssim.text(0.78333), ssim.heading, ssim.cell_digits) == ("0.7833", "SSIM", 3)


def test_a_function_that_does_not_exist_is_not_found():
    with pytest.raises(AttributeError, match="vmaf"):
        Metric("vmaf", "VMAF", 2, "vcl.metrics.quality:vmaf").load_function()
