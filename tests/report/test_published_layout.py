"""The comparison with published numbers as text, Markdown and CSV, and the command that prints it."""

import csv
import dataclasses
import io

import pytest
from published_numbers import DATA, SOURCE, differing, numbers

from vcl.cli import main
from vcl.report.published_comparison import compare_with_published


@pytest.mark.parametrize("changes", [{"stream": "uvg8"}, {"method": "pfnr"}])
def test_other_streams_and_methods_do_not_concern_a_run(published_runs, changes):
    comparison = compare_with_published(published_runs(), differing(**changes))
    assert comparison.to_text() == "run: no published number is known for wsn on uvg17"
    assert comparison.to_markdown() == comparison.to_text()
    assert comparison.to_csv().count("\n") == 0


def test_the_text_has_a_table_and_a_line_for_each_source(published_runs):
    twin = dataclasses.replace(SOURCE, table="", network="", epochs=300)
    noted = dataclasses.replace(numbers(twin)[0], note="a copy error")
    text = compare_with_published(published_runs(), [*numbers(), noted]).to_text()
    head, names, _, *rows = text.splitlines()
    assert head == "run: wsn on uvg17, compared with published numbers"
    assert names.split() == ["source", "video", "published", "(dB)", "ours", "(dB)", "difference", "(dB)"]
    assert [row.split() for row in rows[:4]] == [
        ["1", "bunny", "29.00", "28.00", "-1.00"],
        ["1", "city", "30.00", "31.00", "+1.00"],
        ["1", "beauty", "35.50", "35.00", "-0.50"],
        ["1", "mean", "31.50", "31.33", "-0.17"],
    ]
    assert rows[4].split() == ["2", "bunny", "29.00", "28.00", "-1.00"]
    settings = "capacity 0.3, re-init yes"
    assert rows[5:] == [
        f"source 1: A paper, Table 1, a network, size 18x32, epochs 150, {settings}: "
        "comparable as far as its settings are known",
        f"source 2: A paper, size 18x32, epochs 300, {settings}: not comparable: epochs 300, ours 150",
        "source 2, bunny: a copy error",
    ]


def test_the_markdown_holds_what_the_text_holds(published_runs):
    heading, table, lines = compare_with_published(published_runs(), numbers()).to_markdown().split("\n\n")
    assert heading == "run: wsn on uvg17, compared with published numbers"
    assert table.splitlines()[1:3] == ["| --- | --- | ---: | ---: | ---: |", "| 1 | bunny | 29.00 | 28.00 | -1.00 |"]
    assert lines.startswith("- source 1: A paper, Table 1")


def test_csv_has_one_row_per_number_in_full_precision(published_runs):
    rows = list(csv.DictReader(io.StringIO(compare_with_published(published_runs(), differing(epochs=300)).to_csv())))
    assert len(rows) == 4
    assert float(rows[-1]["difference"]) == 94 / 3 - 31.5
    assert {key: rows[0][key] for key in ("run", "paper", "method", "video", "published", "ours", "comparable")} == {
        **{"run": "run", "paper": "A paper", "method": "wsn", "video": "bunny"},
        **{"published": "29.0", "ours": "28.0", "comparable": "no"},
    }
    assert rows[0]["reasons"] == "epochs 300, ours 150"


def test_the_command_compares_a_run_with_the_numbers_of_this_project(published_runs, tmp_path, capsys, monkeypatch):
    published_runs()
    monkeypatch.chdir(DATA.parents[1])
    assert main(["compare", str(tmp_path / "run"), "--with-published"]) == 0
    said = capsys.readouterr().out
    assert "PSNR (dB)" in said
    for number, reinit in enumerate(("yes", "no"), 1):
        name = f"PFNR (ICLR 2024), size 720x1280, epochs 150, capacity 0.3, re-init {reinit}"
        assert f"source {number}: {name}: not comparable: size 720x1280, ours 18x32" in said
    assert "sessions 17, ours 3; frames unknown of city, beauty; frames of bunny 132, ours 4" in said


@pytest.mark.parametrize(
    ("form", "start"), [("text", "run"), ("markdown", "| run | run |"), ("csv", "run,source,paper")]
)
def test_the_command_writes_each_format(published_runs, tmp_path, capsys, form, start):
    published_runs()
    assert main(["compare", str(tmp_path / "run"), "--format", form, "--with-published", str(DATA)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(start)
    assert "31.47" in said


def test_without_the_option_nothing_is_published(published_runs, tmp_path, capsys):
    published_runs()
    assert main(["compare", str(tmp_path / "run")]) == 0
    assert "published" not in capsys.readouterr().out


def test_a_file_that_is_missing_is_named_with_the_option_that_gives_it(published_runs, tmp_path, capsys, monkeypatch):
    published_runs()
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "run", "--with-published"]) == 2
    assert capsys.readouterr() == (
        "",
        "vcl: experiments/published.csv cannot be read (No such file or directory); "
        "give the path of the published numbers: --with-published FILE\n",
    )
