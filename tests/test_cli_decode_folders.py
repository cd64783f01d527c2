"""``vcl decode`` of run folders that are unfinished, damaged, of another machine or hold odd names."""

import json
import shutil
from dataclasses import replace

import pytest
from decode_command import decode, refused

from vcl import config as configs
from vcl.rundir import RunFolder


@pytest.fixture
def finished(finished_run):
    """A run of three videos, which is not to be changed."""
    return finished_run()[1]


@pytest.fixture
def changed(finished, tmp_path):
    """A copy of the run, to be damaged."""
    return shutil.copytree(finished.path, tmp_path / "changed")


def test_a_run_that_is_still_going_gives_what_is_sealed(changed, tmp_path, capsys):
    (changed / "sessions" / "002.safetensors").unlink()
    matrix = json.loads((changed / "matrix.json").read_text())
    (changed / "matrix.json").write_text(json.dumps({**matrix, "rows": matrix["rows"][:2]}))
    assert decode(changed, "-o", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip0", "clip1"]
    capsys.readouterr()
    line = refused(capsys, changed, "--video", "clip2", "-o", tmp_path / "a.mkv")
    assert line == "clip2 is session 2, which is still to come after session 1"
    line = refused(capsys, changed, "--after", "clip2", "-o", tmp_path / "a.mkv")
    assert line == "--after must name a finished session, 0 to 1, got clip2"


def test_a_run_without_a_session_or_no_run_at_all_is_refused(changed, tmp_path, capsys):
    shutil.rmtree(changed / "sessions")
    (changed / "matrix.json").unlink()
    assert refused(capsys, changed, "-o", tmp_path / "a") == (
        f"{changed} has no finished session yet, so there is nothing to decode"
    )
    line = f"{tmp_path} is not a run folder: it has no config.yaml; it holds {changed}"
    assert refused(capsys, tmp_path, "-o", tmp_path / "a") == line


def test_a_damaged_session_is_named(changed, tmp_path, capsys):
    session = changed / "sessions" / "001.safetensors"
    session.write_bytes(session.read_bytes()[:-7])
    assert f"{session} is damaged" in refused(capsys, changed, "-o", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_measured_session_that_is_missing_or_of_another_video_is_named(changed, tmp_path, capsys):
    first, last = (changed / "sessions" / f"00{session}.safetensors" for session in (0, 2))
    shutil.copy(first, last)
    line = refused(capsys, changed, "-o", tmp_path / "a")
    assert line == f"{last}: session 2 must be of clip2, found that of clip0"
    last.unlink()
    line = refused(capsys, changed, "-o", tmp_path / "a")
    assert line == f"{last}: session 2 (clip2) was measured, but its file is missing"


def test_videos_that_are_learned_together_are_there_after_the_last_alone(
    changed, tmp_path, capsys, tiny_config, stream
):
    (changed / "config.yaml").write_text(configs.to_yaml(tiny_config("joint", stream=stream)))
    line = refused(capsys, changed, "--after", "1", "-o", tmp_path / "a")
    assert line == f"{changed} learns all videos together in its last session, and is decoded after that alone"


def test_a_name_is_found_however_its_accent_is_encoded(changed, tmp_path):
    folder = RunFolder(changed)
    tensors, notes = folder.read_session(0)
    folder.write_session(0, tensors, replace(notes, video="caf\u00e9"))
    matrix = folder.matrix()
    folder.write_matrix({**matrix, "videos": ["caf\u00e9", *matrix["videos"][1:]]})
    assert decode(changed, "--video", "cafe\u0301", "-o", tmp_path / "a.npy") == 0


@pytest.mark.parametrize("name", ["../../outside", "/outside", ".hidden", ""])
def test_a_name_that_leads_elsewhere_is_refused(changed, tmp_path, capsys, name):
    folder = RunFolder(changed)
    tensors, notes = folder.read_session(0)
    folder.write_session(0, tensors, replace(notes, video=name))
    line = refused(capsys, changed, "-o", tmp_path / "a")
    assert f"no file can be called after the video {name!r}, which " in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed"]


def test_a_run_of_another_machine_is_decoded_where_its_device_is_not(changed, tmp_path, tiny_config, stream):
    (changed / "config.yaml").write_text(configs.to_yaml(tiny_config(stream=stream, train={"device": "cuda:99"})))
    assert decode(changed, "--video", "0", "-o", tmp_path / "a.npy") == 0
