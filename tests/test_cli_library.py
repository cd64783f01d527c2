"""Libraries through the front door: real files, and real processes that are killed."""

import json
import signal
import subprocess
import sys

import av
import numpy as np
import pytest
from conftest import moving_wave
from library_videos import SMALL, frames_of, save
from warm_process import run_python, run_vcl

from vcl.cli import main
from vcl.codec.library import Library
from vcl.run import run

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("clip_cache")]


def refused(capsys, *words):
    """The line with which a command is refused."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("vcl: ")
    return line


KILLED_AT_CHECKPOINT = """
import os, signal, sys
from vcl.cli import main
from vcl.rundir import RunFolder
write, left = RunFolder.write_checkpoint, int(sys.argv.pop(1))
def write_and_die(*arguments):
    global left
    write(*arguments)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
RunFolder.write_checkpoint = write_and_die
main(sys.argv[1:])
"""

KILLED_AT_WRITE = """
import os, signal, sys
from vcl.cli import main
from vcl.codec.container_layout import TRAILER_MAGIC
pwrite, last, count = os.pwrite, sys.argv.pop(1), 0
def write_half_and_die(descriptor, data, offset):
    global count
    count += 1
    if TRAILER_MAGIC not in bytes(data) if last == "trailer" else count < int(last):
        return pwrite(descriptor, data, offset)
    pwrite(descriptor, bytes(data)[:len(data) // 2], offset)
    os.kill(os.getpid(), signal.SIGKILL)
os.pwrite = write_half_and_die
main(sys.argv[1:])
"""

FULL_DISK = """
import os, resource, sys
from vcl.cli import main
from vcl.codec import container_writer
append = container_writer.append
def append_on_a_full_disk(path, *words, **options):
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) + 700,) * 2)
    append(path, *words, **options)
container_writer.append = append_on_a_full_disk
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("checkpoints", [1, 4, 5, 8])
def test_a_compilation_killed_in_training_goes_on_to_the_same_bytes(compiled, tmp_path, clip_paths, checkpoints):
    words = ["compile", *clip_paths, "-o", tmp_path / "library.vcl", "--quiet", *SMALL]
    assert run_python(KILLED_AT_CHECKPOINT, checkpoints, *words).returncode == -signal.SIGKILL
    assert (tmp_path / ".library.vcl.work").is_dir()
    assert run_vcl(*words).returncode == 0
    assert (tmp_path / "library.vcl").read_bytes() == compiled.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["library.vcl"]


@pytest.mark.parametrize("writes", [1, 2, 7, 12, "trailer"])
def test_an_appending_that_is_killed_in_its_commit_leaves_what_was_there_and_goes_on(
    compiled, tmp_path, clip_paths, writes
):
    library = tmp_path / "library.vcl"
    assert main(["compile", *clip_paths[:2], "-o", str(library), "--quiet", *SMALL]) == 0
    before = library.read_bytes()
    killed = run_python(KILLED_AT_WRITE, writes, "append", library, clip_paths[2], "--quiet")
    assert killed.returncode == -signal.SIGKILL
    assert library.read_bytes().startswith(before)
    assert len(Library.open(library).videos) == 2
    assert np.array_equal(frames_of(library, 1), frames_of(compiled, 1))
    assert run_vcl("append", library, clip_paths[2], "--quiet").returncode == 0
    assert library.read_bytes() == compiled.read_bytes()


def test_a_full_disk_leaves_the_library_as_it_was(compiled, tmp_path, clip_paths):
    library = tmp_path / "library.vcl"
    assert main(["compile", *clip_paths[:2], "-o", str(library), "--quiet", *SMALL]) == 0
    before = library.read_bytes()
    full = run_python(FULL_DISK, "append", library, clip_paths[2], "--quiet")
    assert full.returncode == 2
    assert full.stderr.splitlines()[-1] == f"vcl: {library} cannot be written (File too large)"
    assert library.read_bytes() == before
    assert run_vcl("append", library, clip_paths[2], "--quiet").returncode == 0
    assert library.read_bytes() == compiled.read_bytes()


def test_a_decoding_loads_no_training_code(compiled, tmp_path):
    heavy = ("avalanche", "wandb", "pandas", "matplotlib", "vcl.sessions", "vcl.rundir")
    script = f"""
import sys
from vcl.cli import main
assert main(["decode", {str(compiled)!r}, "--session", "1", "--frames", "0:1", "-o", {str(tmp_path / "x.npy")!r}]) == 0
print([name for name in {heavy} if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    assert np.array_equal(np.load(tmp_path / "x.npy"), frames_of(compiled, 1)[:1])


def test_videos_decode_to_files_and_folders_at_their_own_rate(compiled, tmp_path, capsys):
    for name, words in (("a.mkv", ["--session", "clip2"]), ("b.npy", ["--video", "2"]), ("c", ["--session", "2"])):
        assert main(["decode", str(compiled), *words, "-o", str(tmp_path / name)]) == 0
    assert "a.mkv: 6 frames of clip2 at 25 frames a second\n" in capsys.readouterr().out
    frames = np.load(tmp_path / "b.npy")
    with av.open(str(tmp_path / "a.mkv")) as container:
        read = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert np.array_equal(read.transpose(0, 3, 1, 2), frames)
    assert len(list((tmp_path / "c").iterdir())) == 6
    assert main(["decode", str(compiled), "--format", "npy", "-o", str(tmp_path / "all")]) == 0
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["clip0.npy", "clip1.npy", "clip2.npy"]
    assert np.array_equal(np.load(tmp_path / "all" / "clip2.npy"), frames)


def test_strict_frames_are_those_whose_hashes_are_in_the_file(compiled, tmp_path, capsys):
    words = ["decode", str(compiled), "--session", "1", "--strict", "--frames", "1:3"]
    assert main([*words, "-o", str(tmp_path / "x.npy")]) == 0
    assert np.load(tmp_path / "x.npy").shape == (2, 3, 32, 48)
    capsys.readouterr()
    assert main(["verify", str(compiled), "--frames"]) == 0
    line = f"{compiled}: every byte and every number and every frame is as it was written\n"
    assert capsys.readouterr().out == line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--session", "clip3"], "has no video clip3; did you mean clip"),
        (["--session", "3"], "has no video 3; it has clip0, clip1, clip2"),
        (["--session", "1", "--frames", "2:9"], "--frames must lie within 0:4, the frames of clip1, got 2:9"),
        (["--session", "1", "--after", "1"], "--after is for run folders, and "),
        (["--session", "1", "--strict", "--precision", "bfloat16"], "--precision is for floating point, and --strict "),
        ([], "--out is one file for 3 videos (clip0, clip1, clip2): choose one with --session, or a folder"),
    ],
)
def test_what_cannot_be_decoded_is_refused_in_one_line(compiled, tmp_path, capsys, words, line):
    assert line in refused(capsys, "decode", compiled, *words, "-o", tmp_path / "x.mkv")
    assert not list(tmp_path.iterdir())


def test_a_library_is_shown_as_a_table_and_as_json_whose_bytes_add_up(compiled, clips, capsys):
    assert main(["info", str(compiled)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-7:] == ["masks", "weights", "side", "bytes", "bpp", "so", "far"]
    assert lines[2].split()[:5] == ["1", "clip1", "48x32", "4", "25"]
    assert lines[-1].endswith("bytes, nerv of 48x32, frames decode bit for bit on every machine")
    assert main(["info", str(compiled), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["bytes"] == compiled.stat().st_size == sum(video["bytes"] for video in data["videos"])
    first, second, _ = data["videos"]
    assert first["bytes"] == first["mask"] + first["weight"] + first["side"]
    assert first["bpp"] == first["bpp_so_far"] == 8 * first["bytes"] / (5 * 32 * 48)
    assert second["bpp_so_far"] == 8 * (first["bytes"] + second["bytes"]) / (9 * 32 * 48)
    assert first["layers"].keys() >= {"fc1.weight", "fc2.weight"}
    sums = {kind: sum(layer[kind] for layer in first["layers"].values()) for kind in ("weight", "mask")}
    assert sums["weight"] == pytest.approx(first["weight"], rel=0.05)
    assert 0.5 * first["mask"] < sums["mask"] < first["mask"]
    assert (first["name"], first["size"], first["rate"]) == ("clip0", [32, 48], "25")


def test_a_byte_that_was_changed_is_found(library, capsys):
    content = bytearray(library.read_bytes())
    content[len(content) // 2] ^= 1
    library.write_bytes(content)
    assert "is damaged" in refused(capsys, "verify", library)


def test_a_run_is_exported_with_the_frames_that_it_measured(finished_run, tmp_path, capsys):
    folder = finished_run("wsn", method={"bits": 6})[1]
    library = tmp_path / "exported.vcl"
    assert main(["export", str(folder.path), "-o", str(library)]) == 0
    assert main(["verify", str(library), "--frames"]) == 0
    rows = folder.matrix()["rows"]
    videos = Library.open(library).videos
    assert [video.psnr for video in videos] == [rows[session]["psnr"][session] for session in range(3)]
    assert main(["decode", str(folder.path), "--session", "1", "-o", str(tmp_path / "run.npy")]) == 0
    assert np.array_equal(np.load(tmp_path / "run.npy"), frames_of(library, 1))
    assert "is replaced only with --overwrite" in refused(capsys, "export", folder.path, "-o", library)
    assert "--strict is for libraries, and " in refused(capsys, "decode", folder.path, "--strict", "-o", tmp_path / "x")


def test_a_run_folder_takes_one_video_at_a_time(tiny_config, stream, tmp_path, clip_paths, capsys):
    config = tiny_config("wsn", stream={**stream, "videos": ["clip0"]}, train={"epochs": 1})
    run(config, tmp_path / "run")
    line = "is a run folder, which takes one video at a time, got 2"
    assert line in refused(capsys, "append", tmp_path / "run", *clip_paths[1:])
    assert main(["append", str(tmp_path / "run"), clip_paths[1], "--quiet"]) == 0


def test_a_library_that_is_not_there_is_no_run_folder_either(tmp_path, clip_paths, capsys):
    missing = tmp_path / "missing.vcl"
    line = f"vcl: {missing} does not exist; vcl compile makes a library"
    assert refused(capsys, "append", missing, clip_paths[0]) == line


@pytest.mark.parametrize("words", [["--target-bpp", "1"], ["--target-psnr", "0"], ["--no-strict"]])
def test_what_only_a_library_can_reach_is_refused_for_a_run_folder(tmp_path, clip_paths, capsys, words):
    line = f"vcl: {words[0]} is for libraries, and {tmp_path / 'run'} is none"
    assert refused(capsys, "append", tmp_path / "run", clip_paths[0], *words) == line


def test_a_check_names_the_videos_whose_frames_have_no_hashes(library, tmp_path, capsys):
    new = save(tmp_path / "new.mkv", moving_wave(2, 3))
    assert main(["append", str(library), str(new), "--no-strict", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["verify", str(library), "--frames"]) == 0
    what = "every byte and every number and every frame (but for new, without hashes of frames)"
    assert capsys.readouterr().out == f"{library}: {what} is as it was written\n"


def test_words_are_told_apart_and_refused_where_they_make_no_sense(library, tmp_path, clip_paths, capsys):
    new = tmp_path / "new.vcl"
    config = tmp_path / "mine.yaml"
    config.write_text("train: {epochs: 1}\n")
    assert "a library has one config, got" in refused(capsys, "compile", clip_paths[0], config, config, "-o", new)
    assert "needs a video, got none" in refused(capsys, "compile", config, "train.epochs=1", "-o", new)
    assert "a library has its config in it, got" in refused(capsys, "append", library, config)
    assert "needs a video, got none" in refused(capsys, "append", library, "train.epochs=1")
    named = save(tmp_path / "a=b.mkv", moving_wave(2, 0))
    words = [*SMALL, "train.threads=1", "--quiet"]
    assert main(["compile", str(named), "-o", str(new), str(config), *words]) == 0
    assert Library.open(new).videos[0].name == "a=b"


def test_progress_and_the_table_are_shown(tmp_path, clip_paths, capsys, caplog):
    caplog.set_level("INFO", "vcl")
    assert main(["compile", clip_paths[0], "-o", str(tmp_path / "l.vcl"), "--no-strict", *SMALL]) == 0
    output = capsys.readouterr().out
    assert output.splitlines()[-2].endswith("no strict profile")
    assert output.splitlines()[-1].startswith(f"Library: {tmp_path / 'l.vcl'}   Videos: vcl decode ")
    assert "session 0 clip0: epoch 2 of 2" in caplog.text
