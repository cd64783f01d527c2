"""A metric is one row of the table and one function: everything below follows from these two."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from fake_run import SIZE, T, a_matrix, closed, footprint
from on_device import DEVICE

from vcl import evaluate
from vcl.cli import main
from vcl.config import MatrixConfig, RunConfig, StreamConfig, WandbConfig, WsnConfig
from vcl.listeners.tracking import row_values
from vcl.metrics import quality
from vcl.metrics.registry import METRICS, Metric
from vcl.report.comparison import compare_runs
from vcl.report.figures.run import matrix_figure
from vcl.report.stored import keep_footprint
from vcl.report.summary import numbers_line, read_matrix, session_matrix
from vcl.report.terminal import matrix_text
from vcl.rundir import RunFolder, SessionNotes
from vcl.video.cache import Clip

ROW = Metric("mae", "MAE", 2, "vcl.metrics.quality:mean_absolute_error", unit="levels of 255", higher_is_better=False)

ERRORS = [[2.0, None, None], [6.0, 3.0, None], [5.0, 4.0, 1.0]]
"""Of three videos: average 3.33, backward transfer -((5 - 2) + (4 - 3)) / 2 = -2, forgetting 2."""


def mean_absolute_error(decoded, truth):
    return (decoded - truth).abs().flatten(1).mean(1).mul(255)


@pytest.fixture
def mae(monkeypatch):
    monkeypatch.setattr(quality, "mean_absolute_error", mean_absolute_error, raising=False)
    monkeypatch.setitem(METRICS, "mae", ROW)


class FakeDecoder:
    """Decodes every frame of one video to a grey of 100."""

    seconds, decoded = 0.5, T

    @classmethod
    def of_run(cls, folder, state, device):
        return cls()

    def sha256(self, video):
        return "ab"

    def frames(self, video):
        yield torch.full((T, 3, *SIZE), 100 / 255)


@pytest.fixture
def measured(mae, tmp_path, monkeypatch):
    """A run of one video of grey 103, measured as a run measures."""
    monkeypatch.setattr(evaluate, "Decoder", FakeDecoder)
    clip = Clip("bear", np.full((T, 3, *SIZE), 103, np.uint8), "ab")
    config = RunConfig(stream=StreamConfig(size=SIZE, frames=T), method=WsnConfig(), wandb=WandbConfig(mode="disabled"))
    with RunFolder.opened(tmp_path / "run", config) as folder:
        row = evaluate.measure_row(folder, [clip], 0, MatrixConfig(), DEVICE)
        folder.write_session(0, {}, SessionNotes("bear", T, 1, "shared_masked"))
        folder.record(closed(0, "bear"))
        matrix = {"videos": ["bear"], "frames": [T], "size": list(SIZE), "rows": [row]}
        folder.write_matrix(matrix)
        keep_footprint(folder, footprint(matrix))
    return folder


def test_the_matrix_has_it_as_json_and_as_csv(measured):
    (row,) = json.loads((measured.path / "matrix.json").read_text())["rows"]
    assert row["mae"] == [pytest.approx(3.0, abs=1e-4)]
    lines = list(csv.reader((measured.path / "matrix.csv").read_text().splitlines()))
    assert [line[:2] for line in lines[1:]] == [[name, "0"] for name in ("psnr", "ssim", "ms_ssim", "mae")]
    assert float(lines[-1][2]) == row["mae"][0]
    assert evaluate.empty_row(2, 0)["mae"] == [None, None]


def test_the_comparison_of_runs_has_a_line_for_it(measured, capsys):
    assert main(["compare", str(measured.path), "--format", "markdown"]) == 0
    assert "| MAE (levels of 255) | 3.00 |" in capsys.readouterr().out
    (row,) = csv.DictReader(io.StringIO(compare_runs([measured]).to_csv()))
    assert float(row["mae"]) == pytest.approx(3.0, abs=1e-4)


def test_its_matrix_is_shown_on_a_terminal(measured):
    heading, columns, _, row, averages = matrix_text(measured, "mae").splitlines()[:5]
    assert heading.endswith("MAE after each session")
    assert (columns.split()[-2:], row.split()) == (["bear", "mean"], ["0", "bear", "3.00", "3.00"])
    assert averages == "average 3.00 levels of 255"


def with_errors():
    matrix = a_matrix()
    for row, errors in zip(matrix["rows"], ERRORS, strict=True):
        row["mae"] = errors
    return matrix


def test_harm_has_the_same_sign_where_less_is_better(mae):
    numbers = session_matrix(with_errors(), "mae")
    assert (numbers.backward_transfer(), numbers.forgetting()) == (-2.0, 2.0)
    assert numbers_line(numbers, "mae") == (
        "average 3.33 levels of 255, backward transfer -2.00 levels of 255, forgetting 2.00 levels of 255"
    )


def test_its_figure_has_its_name_and_shows_small_errors_bright(mae):
    axes = matrix_figure(with_errors(), "mae").axes[0]
    assert axes.get_title("left").strip() == "MAE of each video after each session"
    assert axes.child_axes[0].get_ylabel() == "MAE (levels of 255)"
    filled = [patch for patch in axes.patches if patch.get_facecolor()[3] > 0]
    brightness = {patch.get_xy(): sum(patch.get_facecolor()[:3]) for patch in filled}
    assert brightness[2, 2] > brightness[1, 1] > brightness[0, 1]


def test_what_tracks_a_run_gets_it(mae):
    values = row_values(with_errors())
    assert values["matrix/mae/bear"] == 5.0
    assert values["matrix/average_mae"] == pytest.approx(10 / 3)


def test_a_run_from_before_it_is_read_with_empty_cells(mae, masked):
    assert not session_matrix(read_matrix(masked), "mae").defined
    assert "MAE (levels of 255) | n/a" in compare_runs([masked]).to_markdown()
    assert matrix_text(masked, "mae").splitlines()[1] == "MAE is not measured in this run"
    masked.write_matrix(masked.matrix())
    assert (masked.path / "matrix.csv").read_text().splitlines()[-1] == "mae,2,,,"


def test_a_run_that_goes_on_with_a_newer_metric_has_cells_from_then_on(mae, masked):
    matrix = with_errors()
    for row in matrix["rows"][:2]:
        del row["mae"]
    masked.write_matrix(matrix)
    assert session_matrix(read_matrix(masked), "mae").average() == pytest.approx(10 / 3)
