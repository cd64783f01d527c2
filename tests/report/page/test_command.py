"""``vcl report``, and the page that ``vcl run --report`` keeps fresh."""

import json
import shutil

import pytest
import torch
from report.page.page_runs import stream_of_run  # noqa: F401

from vcl import config as configs
from vcl.cli import main
from vcl.listeners.report import PageListener

START = '<script type="application/json" id="report">'


def content_of(page):
    return json.loads(page.read_text().split(START)[1].split("</script>")[0])


def last_line(capsys):
    return capsys.readouterr().err.rstrip("\n").splitlines()[-1]


def test_a_finished_run_becomes_a_page(finished_run, tmp_path, capsys):
    _, folder = finished_run()
    page = tmp_path / "page.html"
    assert main(["report", str(folder.path), "-o", str(page), "--frames", "2", "--title", "A run"]) == 0
    assert last_line(capsys).startswith(f"vcl: {page}: ")
    report = content_of(page)
    (run,) = report["runs"]
    assert (report["title"], run["finished"], run["planned"], run["measured"]) == ("A run", True, 3, 3)
    assert all(check["equal"] for video in run["proof"] for check in video["checks"])
    # What is decoded for the page is what was measured: the means of its frames are the last row of the matrix.
    for entry, measured in zip(run["clips"], run["matrix"][-1]["psnr"], strict=True):
        assert sum(entry["psnr"]) / len(entry["psnr"]) == pytest.approx(measured, abs=1e-3)
    assert [sum(row) for row in run["subnetworks"]["age"]] == [pytest.approx(1, abs=1e-3)] * 3
    assert "commit" in run["provenance"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "other"], "-o must name the file of a page of several runs, got 2 runs and no file"),
        (["run", "-o", "page.pdf"], "-o must name a file that ends in .html, got page.pdf"),
        (["run", "-o", "missing/page.html"], "-o must name a file that can be written, got missing/page.html"),
        (["run", "--frames", "-1"], "--frames must be 0 or more, got -1"),
        (["nothing"], "nothing does not exist"),
        (["run", "--with-published", "missing.csv"], "missing.csv"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(words, line, make_run, monkeypatch, tmp_path, capsys):
    make_run("run")
    make_run("other")
    monkeypatch.chdir(tmp_path)
    assert main(["report", *words]) == 2
    (refusal,) = capsys.readouterr().err.rstrip("\n").splitlines()
    assert line in refusal


def test_a_damaged_run_leaves_the_page_of_before(masked, stream_of_run, capsys):  # noqa: F811
    page = masked.path / "report.html"
    assert main(["report", str(masked.path)]) == 0
    before = page.read_bytes()
    (masked.path / "matrix.json").write_text("[]")
    assert main(["report", str(masked.path)]) == 2
    assert "matrix.json is damaged" in last_line(capsys)
    assert page.read_bytes() == before
    assert [path.name for path in masked.path.glob("*.html")] == ["report.html"]
    assert not list(masked.path.glob(".report*"))


def event(kind):
    return {"kind": kind}


@pytest.fixture
def written(monkeypatch):
    """Pages that a listener writes, without their content."""
    pages = []
    monkeypatch.setattr("vcl.listeners.report.report_of", lambda folders, kept, live: kept)
    monkeypatch.setattr("vcl.listeners.report.write_page", lambda path, report: pages.append(path))
    return pages


def test_a_page_is_written_after_each_row_and_at_most_every_half_minute_for_epochs(masked, written, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("vcl.listeners.report.time.monotonic", lambda: now[0])
    listener = PageListener(masked, masked.path / "report.html")
    counts = []
    for seconds, kind in (
        (0, "start"),
        (0, "epoch"),
        (20, "epoch"),
        (20, "step"),
        (20, "row"),
        (45, "epoch"),
        (51, "epoch"),
    ):
        now[0] = 100.0 + seconds
        listener(event(kind))
        counts.append(len(written))
    assert counts == [0, 1, 1, 1, 2, 2, 3]
    listener(event("end"))
    listener.close()
    assert len(written) == 4


def test_how_often_a_page_is_written_depends_on_pages_of_epochs_and_not_on_those_that_decode(masked, monkeypatch):
    now, seconds, written = [0.0], [0.0], []

    def write(path, report):
        now[0] += seconds[0]
        written.append(now[0])

    monkeypatch.setattr("vcl.listeners.report.time.monotonic", lambda: now[0])
    monkeypatch.setattr("vcl.listeners.report.report_of", lambda folders, kept, live: kept)
    monkeypatch.setattr("vcl.listeners.report.write_page", write)
    listener = PageListener(masked, masked.path / "report.html")
    for kind, takes, wait in (("row", 60, 31), ("epoch", 1, 49), ("epoch", 1, 2), ("epoch", 1, 0)):
        seconds[0] = takes
        listener(event(kind))
        now[0] += wait
    # The row's page took a minute, and half a minute later an epoch has one; it took 1 s, which is 2 % of 50 s.
    assert written == [60, 92, 144]


def test_a_page_draws_nothing_from_the_random_numbers_of_training(masked, monkeypatch):
    monkeypatch.setattr("vcl.listeners.report.report_of", lambda folders, kept, live: torch.rand(3))
    monkeypatch.setattr("vcl.listeners.report.write_page", lambda path, report: torch.rand(3))
    before = torch.get_rng_state()
    PageListener(masked, masked.path / "report.html")(event("row"))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_in_which_nothing_happens_has_a_page_too(masked, written):
    PageListener(masked, masked.path / "report.html").close()
    assert len(written) == 1


@pytest.mark.parametrize(("error", "why"), [(OSError("no space\nleft"), "no space left"), (KeyError(), "KeyError")])
def test_a_page_that_cannot_be_written_is_one_warning_and_never_ends_training(masked, monkeypatch, caplog, error, why):
    def fail(folders, kept, live):
        raise error

    monkeypatch.setattr("vcl.listeners.report.report_of", fail)
    listener = PageListener(masked, masked.path / "report.html")
    for kind in ("epoch", "row", "end"):
        listener(event(kind))
    listener.close()
    assert caplog.messages == [f"the page is not written, the run goes on without it: {why}"]


@pytest.mark.process
def test_a_run_that_keeps_a_page_fresh_learns_the_same_to_the_bit(finished_run, tmp_path, capsys):
    config, without = finished_run("pfnr")
    (tmp_path / "run.yaml").write_text(configs.to_yaml(config))
    words = ["run", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "run"), "--quiet", "--report"]
    assert main(words) == 0
    assert "the page is not written" not in capsys.readouterr().err
    (run,) = content_of(tmp_path / "run" / "report.html")["runs"]
    assert run["finished"]
    rows = without.matrix()["rows"]
    assert [row["sha256"] for row in run["matrix"]] == [row["sha256"] for row in rows]
    assert [row["state_sha256"] for row in run["matrix"]] == [row["state_sha256"] for row in rows]


def test_a_run_that_was_finished_before_gets_the_page_that_is_asked_for(finished_run, tmp_path, capsys):
    _, finished = finished_run()
    folder = shutil.copytree(finished.path, tmp_path / "run")
    words = ["run", str(folder / "config.yaml"), "--out", str(folder)]
    assert main([*words, "--report"]) == 0
    assert content_of(folder / "report.html")["runs"][0]["finished"]
    assert f"Page: {folder / 'report.html'}" in capsys.readouterr().out
    assert main([*words, "--report", "train.epochs=4"]) == 2
    assert (
        last_line(capsys)
        == "vcl: --report must stand behind the settings, or name a file, got train.epochs=4 behind it"
    )
