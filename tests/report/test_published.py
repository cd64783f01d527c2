import csv
import dataclasses
import io
from pathlib import Path
from statistics import fmean

import pytest
from fake_run import PSNR, SIZE, T, a_matrix, fill

from vcl.cli import main
from vcl.config import (
    JointConfig,
    NervConfig,
    PfnrConfig,
    RunConfig,
    SingleConfig,
    StreamConfig,
    TrainConfig,
    WsnConfig,
)
from vcl.errors import VclError
from vcl.report.comparison import compare_runs
from vcl.report.published import MEAN, Published, Source, read_published
from vcl.report.published_comparison import SourceComparison, compare_with_published
from vcl.rundir import RunFolder

DATA = Path(__file__).parents[2] / "experiments" / "published.csv"

VIDEOS = ("bunny", "city", "beauty")
"""The first three of UVG17; the made-up runs reach 28, 31 and 35 dB on them."""

SOURCE = Source(
    *("A paper", "Table 1", "a network", "uvg17", "wsn", "nerv", 112, *SIZE),
    **{"epochs": 150, "batch": 1, "lr": 5e-4, "session_embedding": "open"},
    **{"capacity": 0.3, "reinit": True, "operator_block": 0},
)
"""The conditions of the made-up runs."""


@pytest.fixture(scope="module")
def published():
    return read_published(DATA)


@pytest.fixture
def summaries(tmp_path):
    """Call with what differs from the made-up source; gives the runs of one comparison."""

    def make(method=None, stream=None, train=None, backbone=None, names=VIDEOS, done=None, runs=("run",)):
        folders = []
        for seed, name in enumerate(runs):
            config = RunConfig(
                stream=StreamConfig(**{"benchmark": "uvg17", "size": SIZE, **(stream or {})}),
                train=TrainConfig(**{"seed": seed, **(train or {})}),
                method=method or WsnConfig(),
                backbone=backbone or NervConfig(),
            )
            psnr = [[None if cell is None else cell + seed for cell in row] for row in PSNR]
            with RunFolder.opened(tmp_path / name, config) as folder:
                fill(folder, a_matrix(psnr, done, config.stream.size, names))
            folders.append(folder)
        return compare_runs(folders).groups

    return make


def numbers(source=SOURCE, psnr=(29.0, 30.0, 35.5), frames=T, mean=31.5, videos=VIDEOS):
    each = [Published(source, video, value, frames, (), "") for video, value in zip(videos, psnr, strict=True)]
    return [*each, Published(source, MEAN, mean, None, videos, "")]


def reasons(runs, reported):
    (each,) = compare_with_published(runs, reported).sources["run"]
    return each.reasons


def differing(**changes):
    return numbers(dataclasses.replace(SOURCE, **changes))


def test_every_mean_is_that_of_its_videos_where_these_are_known(published):
    """Without exception: means of the lists with copied numbers were taken after these were copied."""
    agreed = []
    for number in published:
        own = {other.video: other.psnr for other in published if other.source == number.source}
        if number.video == MEAN and set(number.videos) <= set(own):
            assert fmean(own[video] for video in number.videos) == pytest.approx(number.psnr, abs=0.00501)
            agreed.append((number.source.paper.split()[0], number.source.method))
    assert agreed == [*(("PFNR", method) for method in ("single", "joint", "wsn", "wsn", "pfnr")), ("SNeRV", "single")]


def test_the_numbers_of_the_pfnr_paper_are_whole(published):
    lists = {}
    for number in published:
        if number.source.stream == "uvg17":
            lists.setdefault(number.source, {})[number.video] = number
    whole = [found for found in lists.values() if len(found) > 1]
    assert len(whole) == 5
    assert all(list(found) == [*found[MEAN].videos, MEAN] and len(found) == 18 for found in whole)
    sweep = {
        (source.reinit, source.capacity): found[MEAN].psnr for source, found in lists.items() if source.method == "wsn"
    }
    assert [sweep[False, capacity] for capacity in (0.1, 0.3, 0.5, 0.7)] == [25.91, 26.80, 26.77, 26.20]
    assert [sweep[True, capacity] for capacity in (0.1, 0.3, 0.5, 0.7)] == [27.72, 28.98, 28.93, 27.45]
    assert [n.psnr for n in published if n.source.stream == "uvg8"] == [36.33]


def test_numbers_that_stand_in_two_lists_of_the_pfnr_paper_have_a_note(published):
    marked = {(n.source.method, n.source.reinit, n.video): n.psnr for n in published if "copy error" in n.note}
    joint = {video: psnr for (method, _, video), psnr in marked.items() if method == "joint"}
    masked = {video: psnr for (method, reinit, video), psnr in marked.items() if method == "wsn" and reinit}
    assert joint == masked == {"bosphorus": 30.70, "kids": 24.53}
    assert len(marked) == 4


def test_no_number_stands_twice(published):
    places = [(number.source, number.video) for number in published]
    assert len(set(places)) == len(places)


def test_sources_of_one_run_have_names_that_differ(published):
    names = {}
    for source in dict.fromkeys(number.source for number in published):
        names.setdefault((source.stream, source.method), []).append(SourceComparison(source, (), ()).name)
    assert all(len(set(found)) == len(found) for found in names.values())


def test_a_run_under_the_same_conditions_is_comparable(summaries):
    (each,) = compare_with_published(summaries(), numbers()).sources["run"]
    assert each.verdict == "comparable as far as its settings are known"
    assert [(theirs.video, theirs.psnr, ours) for theirs, ours in each.pairs] == [
        ("bunny", 29.0, 28.0),
        ("city", 30.0, 31.0),
        ("beauty", 35.5, 35.0),
        (MEAN, 31.5, pytest.approx(94 / 3)),
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"height": 720, "width": 1280}, "size 720x1280, ours 18x32"),
        ({"epochs": 300}, "epochs 300, ours 150"),
        ({"batch": 6}, "batch 6, ours 1"),
        ({"lr": 0.01}, "rate 0.01, ours 0.0005"),
        ({"session_embedding": "fraction"}, "session embedding fraction, ours open"),
        ({"capacity": 0.5}, "capacity 0.5, ours 0.3"),
        ({"reinit": False}, "re-init no, ours yes"),
        ({"operator_block": 2}, "operator block 2, ours 0"),
        ({"backbone": "hnerv"}, "backbone hnerv, ours nerv"),
        ({"channels": 58}, "channels 58, ours 112"),
    ],
)
def test_each_setting_that_differs_is_a_reason(summaries, changes, reason):
    assert reasons(summaries(), differing(**changes)) == (reason,)


def test_all_reasons_are_told(summaries):
    runs = summaries(
        PfnrConfig(capacity=0.5, reinit=False), train={"epochs": 25}, backbone=NervConfig(operator_block=1)
    )
    found = reasons(runs, differing(method="pfnr", operator_block=2))
    assert found == (
        "epochs 150, ours 25",
        "capacity 0.3, ours 0.5",
        "re-init yes, ours no",
        "operator block 2, ours 1",
    )


def test_what_is_unknown_of_a_paper_is_no_reason(summaries):
    unknown = dict.fromkeys(("height", "epochs", "batch", "lr", "capacity", "reinit", "operator_block", "channels"))
    assert reasons(summaries(), differing(**unknown, backbone="", session_embedding="")) == ()


def test_a_part_of_the_videos_is_a_shorter_stream_and_has_no_mean(summaries):
    reported = numbers(psnr=(29.0, 30.0, 35.5, 33.0), videos=(*VIDEOS, "focus"))
    (each,) = compare_with_published(summaries(), reported).sources["run"]
    assert each.reasons == ("sessions 4, ours 3",)
    assert [theirs.video for theirs, _ in each.pairs] == list(VIDEOS)


def test_another_order_is_a_reason_where_videos_follow_on_one_another(summaries):
    turned = VIDEOS[::-1]
    assert reasons(summaries(), numbers(videos=turned)) == ("another order of sessions",)


@pytest.mark.parametrize("method", [SingleConfig(), JointConfig()])
def test_the_order_is_no_reason_where_no_video_comes_after_another(summaries, method):
    source = dataclasses.replace(SOURCE, method=method.name, capacity=None, reinit=None)
    assert reasons(summaries(method), numbers(source, videos=VIDEOS[::-1])) == ()


def test_networks_of_their_own_do_not_mind_how_many_others_there_are(summaries):
    source = dataclasses.replace(SOURCE, method="single", capacity=None, reinit=None)
    longer = numbers(source, psnr=(29.0, 30.0, 35.5, 33.0), videos=(*VIDEOS, "focus"))
    assert reasons(summaries(SingleConfig()), longer) == ()


def test_frames_that_are_unknown_or_others_are_a_reason(summaries):
    first, second, *rest = numbers()
    other = dataclasses.replace(first, frames=132)
    unknown = dataclasses.replace(second, frames=None)
    assert reasons(summaries(), [other, unknown, *rest]) == ("frames unknown of city", f"frames of bunny 132, ours {T}")


def test_many_videos_of_unknown_length_are_counted(summaries, monkeypatch):
    monkeypatch.setattr("vcl.report.published_comparison._MOST_NAMES", 2)
    assert reasons(summaries(), numbers(frames=None)) == ("frames unknown of 3 videos",)


def test_the_frames_behind_a_mean_alone_are_unknown(summaries):
    assert reasons(summaries(), numbers()[-1:]) == ("frames unknown of bunny, city, beauty",)


def test_a_run_that_is_not_finished_says_so(summaries):
    (each,) = compare_with_published(summaries(done=2), numbers()).sources["run"]
    assert each.reasons == ("not finished: 2 of 3 sessions",)
    assert [(theirs.video, ours) for theirs, ours in each.pairs] == [("bunny", 26.0), ("city", 32.0)]


def test_sources_with_the_fewest_reasons_come_first(summaries):
    found = compare_with_published(summaries(), [*differing(epochs=300), *numbers()]).sources["run"]
    assert [len(each.reasons) for each in found] == [0, 1]


def test_seeds_are_set_beside_as_their_mean(summaries):
    found = compare_with_published(summaries(runs=("seed0", "seed1")), numbers()).sources
    ((each,),) = found.values()
    assert [ours for _, ours in each.pairs] == [28.5, 31.5, 35.5, pytest.approx(94 / 3 + 0.5)]


def test_a_benchmark_may_be_the_path_of_a_manifest(summaries):
    assert reasons(summaries(stream={"benchmark": "my/uvg17.yaml"}), numbers()) == ()


def test_numbers_of_the_stream_whose_videos_a_run_has_are_beside_it_too(summaries):
    run = summaries(stream={"benchmark": "uvg17a"}, names=("city", "bunny", "beauty"))
    assert reasons(run, numbers()) == ("another order of sessions",)


@pytest.mark.parametrize("changes", [{"stream": "uvg8"}, {"method": "pfnr"}])
def test_other_streams_and_methods_do_not_concern_a_run(summaries, changes):
    found = compare_with_published(summaries(), differing(**changes))
    assert found.to_text() == "run: no published number is known for wsn on uvg17"
    assert found.to_markdown() == found.to_text()
    assert found.to_csv().count("\n") == 0


def test_the_text_has_a_table_and_a_line_for_each_source(summaries):
    twin = dataclasses.replace(SOURCE, table="", network="", epochs=300)
    noted = dataclasses.replace(numbers(twin)[0], note="a copy error")
    text = compare_with_published(summaries(), [*numbers(), noted]).to_text()
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


def test_the_markdown_holds_what_the_text_holds(summaries):
    heading, table, lines = compare_with_published(summaries(), numbers()).to_markdown().split("\n\n")
    assert heading == "run: wsn on uvg17, compared with published numbers"
    assert table.splitlines()[1:3] == ["| --- | --- | ---: | ---: | ---: |", "| 1 | bunny | 29.00 | 28.00 | -1.00 |"]
    assert lines.startswith("- source 1: A paper, Table 1")


def test_csv_has_a_row_a_number_in_full_precision(summaries):
    rows = list(csv.DictReader(io.StringIO(compare_with_published(summaries(), differing(epochs=300)).to_csv())))
    assert len(rows) == 4
    assert float(rows[-1]["difference"]) == 94 / 3 - 31.5
    assert {key: rows[0][key] for key in ("run", "paper", "method", "video", "published", "ours", "comparable")} == {
        **{"run": "run", "paper": "A paper", "method": "wsn", "video": "bunny"},
        **{"published": "29.0", "ours": "28.0", "comparable": "no"},
    }
    assert rows[0]["reasons"] == "epochs 300, ours 150"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("psnr,", "", r"must have columns for paper, .*; it lacks psnr"),
        ("29.5", "good", "line 2: psnr must be a number, got 'good'"),
        ("29.5", "", "line 2: psnr must be a number, got ''"),
        ("29.5", "nan", "line 2: psnr must be a number, got 'nan'"),
        ("150", "many", "line 2: epochs must be a whole number, got 'many'"),
        ("yes", "maybe", "line 2: reinit must be yes or no, got 'maybe'"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line(tmp_path, old, new, message):
    columns = "paper,table,network,stream,method,video,psnr,backbone,channels,height,width,frames,epochs,batch,lr,"
    columns += "session_embedding,capacity,reinit,operator_block,videos,note"
    row = "A paper,,,uvg17,wsn,bunny,29.5,nerv,112,18,32,4,150,1,0.0005,open,0.3,yes,0,,"
    path = tmp_path / "numbers.csv"
    path.write_text(f"{columns}\n{row}\n")
    assert read_published(path) == [
        dataclasses.replace(numbers()[0], psnr=29.5, source=dataclasses.replace(SOURCE, table="", network=""))
    ]
    path.write_text(f"{columns}\n{row}\n".replace(old, new, 1))
    with pytest.raises(VclError, match=message):
        read_published(path)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VclError, match="is not a CSV file"):
        read_published(path)


def test_the_command_sets_a_run_beside_the_numbers_of_this_project(summaries, tmp_path, capsys, monkeypatch):
    summaries()
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
def test_the_command_writes_each_format(summaries, tmp_path, capsys, form, start):
    summaries()
    assert main(["compare", str(tmp_path / "run"), "--format", form, "--with-published", str(DATA)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(start)
    assert "31.47" in said


def test_without_the_option_nothing_is_published(summaries, tmp_path, capsys):
    summaries()
    assert main(["compare", str(tmp_path / "run")]) == 0
    assert "published" not in capsys.readouterr().out


def test_a_file_that_is_missing_is_asked_for(summaries, tmp_path, capsys, monkeypatch):
    summaries()
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "run", "--with-published"]) == 2
    assert capsys.readouterr() == (
        "",
        "vcl: experiments/published.csv cannot be read (No such file or directory); "
        "give the path of the published numbers: --with-published FILE\n",
    )
