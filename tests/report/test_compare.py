import csv
import io

import pytest
from fake_run import TOGETHER, probe

from vcl.config import FinetuneConfig, JointConfig, TrainConfig
from vcl.errors import VclError
from vcl.report.comparison import compare_runs
from vcl.report.figures.plot import plot_comparison
from vcl.report.summary import summarise


def cells(text):
    """By quantity, the cells of a Markdown table."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {name: values for name, *values in rows}


def test_runs_stand_side_by_side_with_all_that_matters(masked, dense):
    masked.record(probe(1, 25.0, False))
    masked.record(probe(1, 24.0, True))
    table = cells(compare_runs([masked, dense]).to_markdown())
    sizes = [summarise(folder).stored_bytes for folder in (masked, dense)]
    assert table["run"] == ["run", "dense"]
    assert table["method"] == ["wsn", "finetune"]
    assert table["capacity"] == ["0.3", "n/a"]
    assert table["sessions"] == ["3", "3"]
    assert table["PSNR (dB)"] == ["31.33", "31.33"]
    assert table["SSIM"] == ["0.7833", "0.7833"]
    assert table["MS-SSIM"] == ["n/a", "n/a"]
    assert table["backward transfer (dB)"] == ["-1.50", "-1.50"]
    assert table["forgetting (dB)"] == ["1.50", "1.50"]
    assert table["forward transfer (dB)"] == ["1.00", "n/a"]
    assert table["stored bytes"] == [f"{size:,}" for size in sizes]
    assert table["weights"] == ["900", "200"]
    assert table["masks"] == ["39", "0"]
    assert table["side data"] == ["608", "608"]
    assert table["bits per pixel"] == [f"{8 * size / (3 * 4 * 18 * 32):.4f}" for size in sizes]
    assert table["training (s)"] == ["75", "75"]
    assert table["0 bear"] == ["28.00", "28.00"]
    assert table["2 swan"] == ["35.00", "35.00"]


def test_runs_of_one_stream_need_no_note(masked, dense):
    assert compare_runs([masked, dense]).notes == ()


def test_the_text_holds_what_the_markdown_holds(masked, dense):
    table = compare_runs([masked, dense])
    lines = [line.split("  ") for line in table.to_text().splitlines()]
    shown = {words[-1].strip() for words in lines}
    assert {values[-1] for name, values in cells(table.to_markdown()).items() if name != "---"} <= shown
    assert not any(line.endswith(" ") for line in table.to_text().splitlines())


def test_csv_has_a_row_a_run_in_full_precision_and_empty_cells_for_what_does_not_apply(masked, dense):
    first, second = csv.DictReader(io.StringIO(compare_runs([masked, dense]).to_csv()))
    assert float(first["psnr"]) == 94 / 3
    assert (first["capacity"], second["capacity"]) == ("0.3", "")
    assert (first["ms_ssim"], first["forward_transfer"]) == ("", "")
    assert (first["sessions"], first["seconds"]) == ("3", "75.0")
    assert (first["weight_bytes"], second["weight_bytes"]) == ("900", "200")
    kinds = sum(int(first[f"{kind}_bytes"]) for kind in ("weight", "mask", "side", "buffer"))
    assert int(first["stored_bytes"]) == kinds
    assert [first[name] for name in ("0 bear", "1 camel", "2 swan")] == ["28.0", "31.0", "35.0"]


def test_runs_of_other_sizes_and_videos_are_compared_with_a_note(masked, make_run):
    other = make_run("large", size=(180, 320), names=("bear", "cat", "swan"))
    table = compare_runs([masked, other])
    assert table.notes == (
        "the runs differ in stream.size: run 18x32, large 180x320",
        "the runs differ in videos: run bear camel swan, large bear cat swan",
    )
    table_cells = cells(table.to_markdown())
    assert table_cells["MS-SSIM"] == ["n/a", "0.8246"]
    assert "session 1" in table_cells
    assert table.to_text().endswith("note: " + table.notes[1])
    assert table.to_markdown().endswith("- " + table.notes[1])


def test_runs_that_were_trained_otherwise_are_compared_with_a_note(masked, make_run):
    other = make_run("longer", train=TrainConfig(epochs=300, seed=1))
    assert compare_runs([masked, other]).notes == ("the runs differ in train.epochs: run 36, longer 300",)


def test_a_run_that_is_still_going_is_compared_with_a_note(masked, make_run):
    table = compare_runs([masked, make_run("going", done=2)])
    assert table.notes == ("the runs differ in sessions done: run 3, going 2",)
    assert cells(table.to_markdown())["2 swan"] == ["35.00", "n/a"]


def test_runs_of_one_name_are_told_apart_by_their_paths(make_run, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    folders = [make_run("a/run"), make_run("b/run", FinetuneConfig(), state_kind="shared_latest")]
    assert list(compare_runs(folders).groups) == ["a/run", "b/run"]


def test_a_run_without_a_row_is_refused(masked, make_run):
    with pytest.raises(VclError, match="fresh has nothing to report yet"):
        compare_runs([masked, make_run("fresh", done=0)])


def test_many_runs_have_a_row_each(make_run):
    folders = [make_run(f"run{number}") for number in range(7)]
    table = compare_runs(folders)
    head, _, *rows = [line.strip("|").split("|") for line in table.to_markdown().splitlines() if line.startswith("|")]
    assert [row[0].strip() for row in rows] == [f"run{number}" for number in range(7)]
    assert rows[0][[cell.strip() for cell in head].index("PSNR (dB)")].strip() == "31.33"
    assert "0 bear" not in table.to_markdown()


def test_frames_of_videos_that_are_not_learned_yet_are_not_drawn(make_run, videos, tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.report.figures.style.figure_bytes", lambda figure, kind: b"")
    together = make_run("joint", JointConfig(), done=1, psnr=TOGETHER, state_kind="shared_latest")
    paths = plot_comparison([together, make_run("wsn", done=1)], tmp_path / "figures")
    assert "frames" not in {path.stem for path in paths}


def test_runs_are_drawn_side_by_side(masked, dense, make_run, videos, tmp_path):
    paths = plot_comparison([masked, dense], tmp_path / "figures")
    names = ("psnr_by_session", "psnr_by_bytes", "psnr_by_rate", "forgetting", "psnr_by_seconds", "frames")
    assert {path.name for path in paths} == {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}
    with pytest.raises(
        VclError, match="must have learned the same videos in the same order, got bear camel swan and bear cat swan"
    ):
        plot_comparison([masked, make_run("other", names=("bear", "cat", "swan"))], tmp_path / "figures")
