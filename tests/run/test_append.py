"""Videos that a finished run takes later."""

import json
import shutil
import signal
import time
from dataclasses import replace

import pytest
from on_device import decoder_of
from warm_process import run_vcl, start_vcl

from vcl import config as configs
from vcl.append import append
from vcl.cli import main
from vcl.datasets.stream import open_stream
from vcl.errors import RunFolderError, VideoError
from vcl.evaluate import check_nothing_forgotten
from vcl.run import run
from vcl.rundir import RunFolder
from vcl.video.write import write_video


class Stopped(Exception):
    """In the place of a power cut."""


@pytest.fixture
def config(tiny_config, stream):
    """Of the first two of three videos."""

    def make(method="pfnr", **sections):
        return tiny_config(method, stream={**stream, "videos": ["clip0", "clip1"]}, **sections)

    return make


def without_times(folder):
    rows = [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in folder.matrix()["rows"]]
    return rows, [path.read_bytes() for path in sorted((folder.path / "sessions").iterdir())]


def test_a_video_of_the_benchmark_becomes_the_next_session_and_the_others_keep_every_bit(config, tmp_path):
    folder = run(config(), tmp_path / "run")
    before = folder.matrix()["rows"]
    append(tmp_path / "run", "clip2")
    matrix = folder.matrix()
    assert matrix["videos"] == ["clip0", "clip1", "clip2"]
    assert matrix["frames"] == [5, 4, 6]
    assert [row["psnr"][2] for row in matrix["rows"][:2]] == [None, None]
    assert [row["psnr"][:2] for row in matrix["rows"][:2]] == [row["psnr"] for row in before]
    last = matrix["rows"][2]
    assert None not in last["psnr"]
    assert last["sha256"][:2] == before[1]["sha256"]
    check_nothing_forgotten(matrix["rows"], matrix["videos"])
    assert [video.video for video in decoder_of(folder).videos] == matrix["videos"]
    assert folder.finished()
    assert folder.config() == config()


@pytest.fixture
def growing(tiny_config, stream, tmp_path):
    """A finished run of all videos of a folder that had two then; call with changes to its config."""

    def make(method="pfnr", **sections):
        shutil.copytree(stream["root"], tmp_path / "videos", ignore=shutil.ignore_patterns("clip2"))
        stream_of_all = {**stream, "root": str(tmp_path / "videos")}
        config = tiny_config(method, stream=stream_of_all, train={"epochs": 1}, **sections)
        folder = run(config, tmp_path / "run")
        shutil.copytree(f"{stream['root']}/clip2", tmp_path / "videos" / "clip2")
        return config, folder

    return make


@pytest.mark.parametrize("sections", [{}, {"backbone": {"session_embedding": "fraction"}}])
def test_a_video_that_came_into_the_folder_of_the_videos_is_not_taken_by_the_command_of_the_run(growing, sections):
    config, folder = growing(**sections)
    before = without_times(folder)
    with pytest.raises(RunFolderError, match="began with the videos clip0, clip1, but there are clip0, clip1, clip2"):
        run(config, folder.path)
    assert without_times(folder) == before


def test_a_video_that_came_into_the_folder_of_the_videos_is_appended_once(growing):
    config, folder = growing()
    append(folder.path, "clip2")
    assert folder.matrix()["videos"] == ["clip0", "clip1", "clip2"]
    run(config, folder.path)
    assert folder.matrix()["videos"] == ["clip0", "clip1", "clip2"]


def test_a_file_from_anywhere_becomes_the_next_session_and_the_one_after(config, tmp_path, stream, clips):
    run(config(), tmp_path / "run")
    for name in ("holiday", "party"):
        write_video(tmp_path / f"{name}.mkv", iter([_tensor(clips[2])]))
        append(tmp_path / "run", str(tmp_path / f"{name}.mkv"))
    folder = RunFolder.existing(tmp_path / "run")
    assert folder.matrix()["videos"] == ["clip0", "clip1", "holiday", "party"]
    names = [clip.name for clip in open_stream(folder.config().stream, folder.appended())]
    assert names == folder.matrix()["videos"]
    assert folder.stream_of("party").root == str(tmp_path)
    assert folder.stream_of("clip0") == folder.config().stream


def test_a_video_behind_a_link_goes_by_the_name_of_the_link(config, tmp_path, stream, clips, monkeypatch):
    run(config(train={"epochs": 1}), tmp_path / "run")
    write_video(tmp_path / "IMG_1.mkv", iter([_tensor(clips[2])]))
    links = tmp_path / "links"
    links.mkdir()
    (links / "holiday.mkv").symlink_to(tmp_path / "IMG_1.mkv")
    (links / "party").symlink_to(f"{stream['root']}/clip2")
    monkeypatch.chdir(links)
    append(tmp_path / "run", "holiday.mkv")
    append(tmp_path / "run", "party")
    folder = RunFolder.existing(tmp_path / "run")
    assert folder.matrix()["videos"] == ["clip0", "clip1", "holiday", "party"]
    assert folder.stream_of("party").root == str(links)


def test_the_command_of_the_run_leaves_an_appended_run_as_it_is(config, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(configs.to_yaml(config()))
    words = ["run", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "run")]
    assert main([*words, "--quiet"]) == 0
    assert main(["append", str(tmp_path / "run"), "clip2"]) == 0
    assert "clip2" in capsys.readouterr().out
    before = without_times(RunFolder(tmp_path / "run"))
    assert main(words) == 0
    assert "This run was finished before" in capsys.readouterr().out
    assert without_times(RunFolder(tmp_path / "run")) == before


@pytest.mark.parametrize(
    ("method", "sections", "video", "error", "line"),
    [
        ("joint", {}, "clip2", RunFolderError, "cannot take another video: joint learns all at once"),
        (
            "pfnr",
            {"backbone": {"session_embedding": "fraction"}},
            "clip2",
            RunFolderError,
            "the input of its network depends on how many there are",
        ),
        ("pfnr", {}, "clip1", RunFolderError, "already has a video called clip1"),
        ("pfnr", {}, "nowhere/clip.mp4", VideoError, "must be a video file, .*, got 'nowhere/clip.mp4', no such file"),
        ("pfnr", {}, "/", VideoError, "got '/', a folder without frames"),
        ("pfnr", {}, __file__, VideoError, "test_append.py', a file"),
        ("pfnr", {}, "clip9", VideoError, "the folder benchmark has no video called clip9; it has clip0, clip1, clip2"),
    ],
)
def test_what_cannot_be_appended_is_refused_in_one_line_and_leaves_no_trace(
    config, tmp_path, method, sections, video, error, line
):
    folder = run(config(method, train={"epochs": 1}, **sections), tmp_path / "run")
    before = without_times(folder)
    with pytest.raises(error, match=line):
        append(tmp_path / "run", video)
    assert without_times(folder) == before
    assert folder.appended() == []


def test_a_run_that_is_not_finished_takes_no_other_video(config, tmp_path):
    def stop(event):
        if event["kind"] == "row":
            raise Stopped

    with pytest.raises(Stopped):
        run(config(), tmp_path / "run", lambda _: [stop])
    with pytest.raises(RunFolderError, match="must be finished before it takes another video; finish it with: vcl run"):
        append(tmp_path / "run", "clip2")


def test_an_appended_run_goes_on_where_its_videos_were_moved(growing, tmp_path):
    config, folder = growing()
    append(folder.path, "clip2")
    write_matrix_without_last_row(folder)
    (tmp_path / "videos").rename(tmp_path / "moved")
    where = {"root": str(tmp_path / "moved"), "cache": str(tmp_path / "cache")}
    run(replace(config, stream=replace(config.stream, **where)), folder.path)
    assert len(folder.matrix()["rows"]) == 3


def test_an_append_whose_listener_does_not_start_leaves_no_trace(config, tmp_path):
    def fail(_):
        raise Stopped

    folder = run(config(train={"epochs": 1}), tmp_path / "run")
    before = without_times(folder)
    with pytest.raises(Stopped):
        append(folder.path, "clip2", fail)
    assert (without_times(folder), folder.appended()) == (before, [])


def test_a_run_that_was_killed_with_a_video_to_come_takes_that_one_first(config, tmp_path, stream, clips):
    folder = run(config(train={"epochs": 1}), tmp_path / "run")
    folder.append(replace(folder.config().stream, videos=("clip2",)))
    assert not folder.finished()
    write_video(tmp_path / "holiday.mkv", iter([_tensor(clips[2])]))
    with pytest.raises(RunFolderError, match="must be finished before it takes another video"):
        append(folder.path, str(tmp_path / "holiday.mkv"))
    append(folder.path, "clip2")
    assert folder.matrix()["videos"] == ["clip0", "clip1", "clip2"]
    assert folder.finished()


def test_the_page_of_a_run_has_what_was_appended(config, tmp_path):
    run(config(), tmp_path / "run")
    page = tmp_path / "run" / "report.html"
    page.write_text("an older one")
    assert main(["append", str(tmp_path / "run"), "clip2", "--quiet"]) == 0
    assert '"planned":3,"measured":3' in page.read_text()


def test_a_run_that_is_in_use_says_so(config, tmp_path):
    with (
        RunFolder.opened(tmp_path / "run", config()),
        pytest.raises(RunFolderError, match=r"run is in use by process \d+"),
    ):
        append(tmp_path / "run", "clip2")


def test_a_list_of_appended_videos_that_is_damaged_is_one_line(config, tmp_path):
    folder = run(config(train={"epochs": 1}), tmp_path / "run")
    (folder.path / "appended.json").write_text(json.dumps([{"video": 3}]))
    with pytest.raises(RunFolderError, match="video of video 0 must be text, got 3"):
        folder.appended()


@pytest.mark.process
def test_an_appending_killed_at_spread_points_ends_as_if_it_had_not_been(config, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(configs.to_yaml(config(train={"epochs": 4, "checkpoint_seconds": 0})))
    for name in ("whole", "killed"):
        assert run_vcl("run", path, "--out", tmp_path / name, "--quiet").returncode == 0
    finished = without_times(RunFolder(tmp_path / "killed"))
    assert run_vcl("append", tmp_path / "whole", "clip2", "--quiet").returncode == 0
    events = tmp_path / "killed" / "events.jsonl"
    start, end = (_lines(tmp_path / name / "events.jsonl") for name in ("killed", "whole"))
    kills = 0
    for point in range(start, end):
        process = start_vcl("append", tmp_path / "killed", "clip2", "--quiet")
        while _lines(events) < point and process.poll() is None:
            time.sleep(0.002)
        time.sleep(point % 5 / 100)
        process.kill()
        process.communicate()
        kills += process.poll() == -signal.SIGKILL
        rows, files = without_times(RunFolder(tmp_path / "killed"))
        assert files[:2] == finished[1]
        assert [row["sha256"][:2] for row in rows[:2]] == [row["sha256"] for row in finished[0]]
    assert run_vcl("append", tmp_path / "killed", "clip2", "--quiet").returncode == 0
    assert kills >= 4
    assert without_times(RunFolder(tmp_path / "killed")) == without_times(RunFolder(tmp_path / "whole"))


def write_matrix_without_last_row(folder):
    matrix = folder.matrix()
    matrix["rows"].pop()
    folder.write_matrix(matrix)


def _lines(path):
    return len(path.read_bytes().splitlines())


def _tensor(clip):
    import numpy as np
    import torch

    return torch.from_numpy(np.array(clip.frames)).float() / 255


def test_videos_that_have_moved_are_named_by_a_setting(config, tmp_path, stream, capsys):
    run(config(train={"epochs": 1}), tmp_path / "run")
    moved = tmp_path / "moved"
    shutil.copytree(stream["root"], moved)
    words = ["append", str(tmp_path / "run"), "clip2", "--quiet"]
    assert main([*words, "train.epochs=5"]) == 2
    assert "belongs to another config: it has train.epochs = 1, this run asks for 5" in capsys.readouterr().err
    assert main([*words, f"stream.root={moved}"]) == 0
    assert RunFolder.existing(tmp_path / "run").matrix()["videos"] == ["clip0", "clip1", "clip2"]
