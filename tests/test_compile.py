"""Libraries that grow session by session, in this process."""

import errno
import os
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import moving_wave
from library_videos import SMALL, Stop, frames_of, save

from vcl.codec import container_writer
from vcl.codec.library import Library
from vcl.compile.growth import _placeholder
from vcl.errors import BitstreamError, LibraryInUseError
from vcl.folder_lock import exclusive_lock
from vcl.library import append, compile, decode
from vcl.metrics.quality import psnr, to_unit

pytestmark = pytest.mark.usefixtures("clip_cache")


@pytest.mark.parametrize(
    "method",
    [
        [],
        ["method.name=pfnr", "backbone.operator_block=1"],
        ["method.name=packnet", "method.quantised_share=0.1"],
        ["method.name=residual"],
        ["method.name=single", "method.bits=null"],
        ["method.mask_unit=row", "method.mask_rate=0.01"],
    ],
    ids=["wsn", "pfnr", "packnet", "residual", "single", "rows"],
)
def test_a_video_that_is_appended_gives_the_bytes_of_one_compiled_with_the_others(tmp_path, clip_paths, method):
    settings = [*SMALL, *method]
    compile(clip_paths, tmp_path / "three.vcl", settings=settings, strict=False)
    compile(clip_paths[:2], tmp_path / "two.vcl", settings=settings, strict=False)
    two = (tmp_path / "two.vcl").read_bytes()
    append(tmp_path / "two.vcl", clip_paths[2:], strict=False)
    assert (tmp_path / "two.vcl").read_bytes() == (tmp_path / "three.vcl").read_bytes()
    assert (tmp_path / "three.vcl").read_bytes().startswith(two)


def test_what_decodes_is_what_was_measured_and_strict_frames_are_nearly_the_same(compiled, clips):
    opened = Library.open(compiled)
    assert [(video.name, video.frames, video.size) for video in opened.videos] == [
        ("clip0", 5, (32, 48)),
        ("clip1", 4, (32, 48)),
        ("clip2", 6, (32, 48)),
    ]
    for session, clip in enumerate(clips):
        decoded = frames_of(compiled, clip.name)
        quality = psnr(to_unit(torch.from_numpy(decoded)), to_unit(torch.from_numpy(np.array(clip.frames))))
        assert float(quality.double().mean()) == pytest.approx(opened.videos[session].psnr, abs=1e-6)
        assert opened.videos[session].source_sha256 == clip.sha256
        strict = torch.cat(list(decode(opened, session, strict=True))).numpy()
        assert np.abs(strict.astype(int) - decoded).max() <= 1


def test_some_frames_are_those_of_the_whole(compiled):
    some = torch.cat(list(decode(compiled, 2, range(4, 6)))).numpy()
    assert np.array_equal(some, frames_of(compiled, "clip2")[4:])


def test_the_same_command_again_trains_nothing_and_changes_nothing(library, clip_paths, monkeypatch):
    before = library.read_bytes()
    monkeypatch.setattr("vcl.sessions.trainer.Trainer", None)
    compile(clip_paths, library, settings=SMALL)
    append(library, clip_paths[1:])
    assert library.read_bytes() == before
    assert [path.name for path in library.parent.iterdir()] == ["library.vcl"]


@pytest.mark.parametrize(("session", "epoch"), [(0, 0), (1, 1), (2, 0)])
def test_a_compilation_that_breaks_off_in_training_goes_on_to_the_same_bytes(
    compiled, tmp_path, clip_paths, session, epoch
):
    def stop(event):
        if event["kind"] == "epoch" and (event["session"], event["epoch"]) == (session, epoch):
            raise Stop

    path = tmp_path / "library.vcl"
    with pytest.raises(Stop):
        compile(clip_paths, path, settings=SMALL, listeners=[stop])
    assert path.exists() == (session > 0)
    if path.exists():
        assert compiled.read_bytes().startswith(path.read_bytes())
    steps = []
    compile(clip_paths, path, settings=SMALL, listeners=[steps.append])
    assert path.read_bytes() == compiled.read_bytes()
    first = next(event for event in steps if event["kind"] == "step")
    assert (first["session"], first["step"] > 1) == (session, True)  # Not from the start of the session.
    assert [item.name for item in tmp_path.iterdir()] == ["library.vcl"]


@pytest.mark.parametrize("verb", ["create", "append"])
def test_a_commit_that_fails_leaves_the_library_as_it_was_and_is_repeated(
    compiled, tmp_path, clip_paths, monkeypatch, verb
):
    def fail(*_, **__):
        raise BitstreamError("no space left")

    path = tmp_path / "library.vcl"
    if verb == "append":
        compile(clip_paths[:2], path, settings=SMALL)
    before = path.read_bytes() if path.exists() else None
    with monkeypatch.context() as patch:
        patch.setattr(container_writer, verb, fail)
        with pytest.raises(BitstreamError, match="no space left"):
            compile(clip_paths, path, settings=SMALL)
    assert (path.read_bytes() if path.exists() else None) == before
    compile(clip_paths, path, settings=SMALL)
    assert path.read_bytes() == compiled.read_bytes()


def test_a_session_does_not_go_on_from_the_checkpoint_of_another(library, stream, tmp_path, clips):
    """An appending is broken off, and another video appended first."""

    def stop(event):
        if event["kind"] == "epoch":
            raise Stop

    later = save(tmp_path / "later.mkv", moving_wave(4, 3))
    other = save(tmp_path / "other.mkv", moving_wave(3, 4))
    undisturbed = Path(shutil.copy(library, tmp_path / "undisturbed.vcl"))
    with pytest.raises(Stop):
        append(library, [later], listeners=[stop])
    append(library, [other])
    append(library, [later])
    append(undisturbed, [other, later])
    assert library.read_bytes() == undisturbed.read_bytes()


def test_videos_of_other_sizes_and_rates_decode_at_their_own(tmp_path):
    """The largest gives the size, 33 x 50, rounded up to whole strides of 2; a larger one, appended, is scaled down."""
    odd = save(tmp_path / "odd.mkv", moving_wave(3, 0)[:, :, :31, :41], 10)
    whole = save(tmp_path / "whole.mkv", np.pad(moving_wave(4, 1), ((0, 0), (0, 0), (0, 1), (0, 2))), "30000/1001")
    large = save(tmp_path / "large.mkv", moving_wave(3, 2).repeat(2, 2).repeat(3, 3), 50)
    path = tmp_path / "library.vcl"
    opened = compile([odd, whole], path, settings=SMALL)
    assert opened.architecture.size == (34, 50)
    opened = append(path, [large], settings=["train.epochs=3"])
    assert [video.size for video in opened.videos] == [(31, 41), (33, 50), (22, 50)]
    assert [video.rate for video in opened.videos] == [10, Fraction(30000, 1001), 50]
    assert [frames_of(path, video.name).shape for video in opened.videos] == [
        (3, 3, 31, 41),
        (4, 3, 33, 50),
        (3, 3, 22, 50),
    ]
    assert "epochs: 3\n" in opened.notes["config"]


def test_another_process_that_compiles_the_same_library_is_named(tmp_path, clip_paths):
    (tmp_path / ".library.vcl.work").mkdir()
    with (
        exclusive_lock(tmp_path / ".library.vcl.work", LibraryInUseError),
        pytest.raises(LibraryInUseError, match=rf"^{tmp_path}/library\.vcl is in use by process \d+ on"),
    ):
        compile(clip_paths, tmp_path / "library.vcl", settings=SMALL)


def test_a_work_folder_that_goes_before_it_is_locked_is_that_of_another_process(library, clip_paths, monkeypatch):
    before = library.read_bytes()

    def too_late(folder, *rest):
        shutil.rmtree(folder)
        return exclusive_lock(folder, *rest)

    monkeypatch.setattr("vcl.compile.exclusive_lock", too_late)
    with pytest.raises(LibraryInUseError, match="is in use: another process has just finished it; try again"):
        append(library, clip_paths)
    assert library.read_bytes() == before


def test_a_work_folder_that_cannot_be_removed_is_no_failure_of_its_library(library, clip_paths, monkeypatch):
    """As where a file system shows a file that is still open."""

    def busy(*_, **__):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", busy)
        append(library, clip_paths)
    assert (library.parent / ".library.vcl.work").is_dir()
    append(library, clip_paths)
    assert not (library.parent / ".library.vcl.work").exists()


def test_a_library_has_one_work_folder_by_whatever_name(library, tmp_path, clip_paths):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.vcl"
    link.symlink_to(library)
    (tmp_path / ".library.vcl.work").mkdir()
    with (
        exclusive_lock(tmp_path / ".library.vcl.work", LibraryInUseError),
        pytest.raises(LibraryInUseError, match=rf"^{library} is in use by process \d+ on"),
    ):
        append(link, clip_paths)
    assert list(link.parent.iterdir()) == [link]


def test_a_session_that_another_host_has_added_meanwhile_is_not_added_twice(library, tmp_path):
    """Its work folder is locked on that host alone."""
    new, other = (save(tmp_path / name, moving_wave(2, 3)) for name in ("new.mkv", "other.mkv"))

    def other_host(event):
        if event["kind"] == "session":
            (tmp_path / ".library.vcl.work").rename(tmp_path / "hidden")
            append(library, [other], strict=False)
            (tmp_path / "hidden").rename(tmp_path / ".library.vcl.work")

    with pytest.raises(LibraryInUseError, match="another process has just written to it"):
        append(library, [new], strict=False, listeners=[other_host])
    assert [video.name for video in Library.open(library).videos] == ["clip0", "clip1", "clip2", "other"]


def test_earlier_videos_are_never_looked_at(compiled, tmp_path):
    video = Library.open(compiled).videos[0]
    clip = _placeholder(video, (32, 48))
    assert clip.frames.shape == (5, 3, 32, 48)
    assert not any(clip.frames.strides)


def test_frames_of_one_colour_are_told_of_and_so_is_a_video_that_is_there_already(tmp_path, clip_paths, caplog):
    caplog.set_level("INFO", logger="vcl")
    settings = [*SMALL, "train.epochs=1", "train.lr=1e-9"]
    compile(clip_paths[:1], tmp_path / "l.vcl", settings=settings, strict=False)
    assert "dB is hardly more than one colour has" in caplog.text
    append(tmp_path / "l.vcl", clip_paths[:1], strict=False)
    assert f"{tmp_path / 'l.vcl'} has clip0 already" in caplog.text
