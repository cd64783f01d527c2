"""Locks on folders: who is kept out, who is not, and what happens where there are none."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vcl.errors import VclError
from vcl.folder_lock import exclusive_lock, is_locked, shared_lock

DRAFT = f".a.{32 * '0'}.part"


def no_locks(*_):
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def test_a_second_process_is_kept_out_and_told_by_whom(tmp_path):
    code = (
        "import sys; from pathlib import Path; from vcl.errors import VclError\n"
        "from vcl.folder_lock import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1]), VclError):\n"
        "    print(flush=True); sys.stdin.readline()\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        assert is_locked(tmp_path)
        with pytest.raises(VclError, match=rf"is in use by process {holder.pid} on \S+$"):
            with exclusive_lock(tmp_path, VclError):
                pass
        holder.kill()
        holder.wait()
    assert not is_locked(tmp_path)
    with exclusive_lock(tmp_path, VclError) as held:
        assert held


def test_whoever_looks_keeps_nobody_out(tmp_path):
    (tmp_path / ".lock").touch()
    with (tmp_path / ".lock").open("rb") as looking:
        # As is_locked does, but still at it when the other comes.
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not is_locked(tmp_path)
        timer = threading.Timer(0.05, fcntl.flock, (looking, fcntl.LOCK_UN))
        timer.start()
        with exclusive_lock(tmp_path, VclError) as held:
            assert held
        timer.join()


def test_where_there_are_no_locks_work_goes_on_after_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(fcntl, "flock", no_locks)
    (tmp_path / DRAFT).touch()
    with exclusive_lock(tmp_path, VclError) as held, shared_lock(tmp_path):
        assert not held
        assert not is_locked(tmp_path)
    assert (tmp_path / DRAFT).exists()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "its file system has no locks (Function not implemented): make sure that no other process" in caplog.text


def test_a_folder_without_locks_is_warned_of_once_in_a_process(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for folder in (tmp_path / name, Path(name)):
            with exclusive_lock(folder, VclError):
                pass
    assert [message.split(":")[0] for message in caplog.messages] == [str(tmp_path / "one"), str(tmp_path / "two")]


def test_the_lock_file_of_another_program_keeps_what_it_holds(tmp_path):
    (tmp_path / ".lock").write_text("theirs")
    with exclusive_lock(tmp_path, VclError):
        assert (tmp_path / ".lock").read_text() == "theirs"
        with pytest.raises(VclError, match=r"is in use by another process$"), exclusive_lock(tmp_path, VclError):
            pass


def test_drafts_go_with_the_first_to_come_and_stay_while_others_write(tmp_path):
    (tmp_path / DRAFT).touch()
    (tmp_path / ".download.part").touch()
    with shared_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".download.part"]
        (tmp_path / DRAFT).touch()
        with shared_lock(tmp_path):
            assert (tmp_path / DRAFT).exists()


def test_only_the_drafts_that_are_named_go(tmp_path):
    (tmp_path / DRAFT).touch()
    with shared_lock(tmp_path, "b"):
        assert (tmp_path / DRAFT).exists()
