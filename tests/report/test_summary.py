import dataclasses

import pytest
from fake_run import PSNR, SIZE, T, a_matrix, epoch, footprint, probe

from vcl.config import FinetuneConfig, PfnrConfig, WsnConfig
from vcl.errors import VclError
from vcl.report.comparison import compare_runs
from vcl.report.stored import stored_bytes
from vcl.report.summary import (
    label,
    numbers_line,
    read_matrix,
    session_matrix,
    summarise,
    train_seconds,
)
from vcl.report.terminal import matrix_text
from vcl.rundir import SessionNotes
from vcl.wording import printable


def test_a_run_is_summed_up_by_its_last_row(masked):
    summary = summarise(masked)
    assert (summary.run, summary.method, summary.capacity) == ("run", "wsn", 0.3)
    assert summary.videos == ("bear", "camel", "swan")
    assert summary.psnr == pytest.approx(94 / 3)
    assert summary.averages == {"psnr": pytest.approx(94 / 3), "ssim": pytest.approx(94 / 3 / 40), "ms_ssim": None}
    assert summary.backward_transfer == pytest.approx(-1.5)
    assert summary.forgetting == pytest.approx(1.5)
    assert summary.forward_transfer is None
    assert summary.last == (28.0, 31.0, 35.0)
    assert summary.seconds == 75


def test_the_rate_counts_the_pixels_of_the_videos_so_far(make_run):
    folder = make_run(done=2)
    stored = sum(stored_bytes(folder, 2).values())
    assert summarise(folder).bits_per_pixel == pytest.approx(8 * stored / (2 * T * SIZE[0] * SIZE[1]))


def test_a_session_that_is_stored_but_not_measured_yet_does_not_count(make_run, monkeypatch):
    folder = make_run(done=2)
    before = summarise(folder)
    folder.write_session(2, {}, SessionNotes("c", 1, 3, "shared_masked"))
    monkeypatch.setattr("vcl.report.stored._measured", lambda folder: footprint(a_matrix()))
    assert summarise(folder) == before


def test_forward_transfer_comes_from_the_probes_of_both_networks(masked):
    for event in (probe(0, 50.0, False), probe(1, 25.0, False), probe(1, 24.0, True), probe(2, 26.0, False)):
        masked.record(event)
    assert summarise(masked).forward_transfer == pytest.approx(1.0)
    masked.record(probe(2, 23.0, True))
    assert summarise(masked).forward_transfer == pytest.approx(2.0)


def test_training_time_includes_the_session_that_is_going_on(make_run):
    folder = make_run(done=2)
    assert train_seconds(folder) == 50
    folder.record(epoch(2, 0))
    folder.record(epoch(2, 1))
    assert train_seconds(folder) == 70


def test_a_run_without_a_row_is_refused(make_run):
    with pytest.raises(VclError, match=r"run has nothing to report yet: its first session is not measured"):
        summarise(make_run(done=0))


def test_a_metric_may_be_missing_as_a_whole_or_cell_by_cell():
    matrix = a_matrix()
    assert not session_matrix(matrix, "ms_ssim").defined
    for row in matrix["rows"]:
        row["ms_ssim"] = None
    assert not session_matrix(matrix, "ms_ssim").defined


def test_a_metric_that_does_not_exist_is_refused():
    with pytest.raises(VclError, match="metric must be one of psnr, ssim, ms_ssim, got vmaf"):
        session_matrix(a_matrix(), "vmaf")


def test_methods_with_masks_are_named_with_their_capacity():
    assert label(PfnrConfig(capacity=0.3)) == "PFNR, c = 30 %"
    assert label(WsnConfig(capacity=0.125)) == "WSN, c = 12.5 %"
    assert label(FinetuneConfig()) == "Finetune"


def test_the_line_of_averages_leaves_out_what_is_not_there():
    assert numbers_line(session_matrix(a_matrix(), "psnr"), "psnr") == (
        "average 31.33 dB, backward transfer -1.50 dB, forgetting 1.50 dB"
    )
    assert numbers_line(session_matrix(a_matrix(done=1), "ssim"), "ssim") == "average 0.7500"
    assert numbers_line(session_matrix(a_matrix(), "ms_ssim"), "ms_ssim") == ""


def test_summaries_are_values(masked):
    assert summarise(masked) == dataclasses.replace(summarise(masked), last=tuple(PSNR[-1]))


def test_names_are_shown_with_escapes_for_what_no_terminal_or_file_takes():
    assert printable("caf\udce9 \ud800") == r"caf\udce9 \ud800"
    assert printable("a\nb\x1b[31m\x00\u2028") == r"a\nb\x1b[31m\x00\u2028"
    for name in ("비디오 日本.mp4", "ca$h^$", "a\u3000b", "é", r"back\slash", "👩\u200d🚀"):
        assert printable(name) == name


def test_a_matrix_is_read_with_names_that_can_be_shown(make_run):
    folder = make_run(names=["caf\udce9", "camel", "swan"])
    assert read_matrix(folder)["videos"][0] == r"caf\udce9"
    assert matrix_text(folder).encode()
    assert compare_runs([folder]).to_csv().encode()
