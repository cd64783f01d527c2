"""The published numbers of this project, and how a file of them is read."""

import dataclasses
from statistics import fmean

import pytest
from published_numbers import DATA, SOURCE, numbers

from vcl.errors import VclError
from vcl.report.published import MEAN, read_published
from vcl.report.published_comparison import SourceComparison


@pytest.fixture(scope="module")
def published():
    return read_published(DATA)


def test_every_mean_is_that_of_its_videos_where_these_are_known(published):
    """Without exception: means of the lists with copied numbers were taken after these were copied."""
    agreed = []
    for number in published:
        by_video = {other.video: other.psnr for other in published if other.source == number.source}
        if number.video == MEAN and set(number.videos) <= set(by_video):
            assert fmean(by_video[video] for video in number.videos) == pytest.approx(number.psnr, abs=0.00501)
            agreed.append((number.source.paper.split()[0], number.source.method))
    assert agreed == [*(("PFNR", method) for method in ("single", "joint", "wsn", "wsn", "pfnr")), ("SNeRV", "single")]


def test_the_numbers_of_the_pfnr_paper_are_whole(published):
    lists = {}
    for number in published:
        if number.source.stream == "uvg17":
            lists.setdefault(number.source, {})[number.video] = number
    whole = [by_video for by_video in lists.values() if len(by_video) > 1]
    assert len(whole) == 5
    assert all(list(by_video) == [*by_video[MEAN].videos, MEAN] and len(by_video) == 18 for by_video in whole)
    sweep = {
        (source.reinit, source.capacity): by_video[MEAN].psnr
        for source, by_video in lists.items()
        if source.method == "wsn"
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
    assert all(len(set(names_of_stream)) == len(names_of_stream) for names_of_stream in names.values())


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
