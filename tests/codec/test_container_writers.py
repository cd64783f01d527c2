"""Writing library files where calls fail, processes die, others write too, or writing is not allowed."""

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from codec.container_files import FIRST, SECOND, THIRD, contents, is_verified, library

from vcl.codec import container_layout as layout
from vcl.codec.container import Container
from vcl.codec.container_writer import append, create
from vcl.errors import BitstreamError, LibraryInUseError

CALLS = ("pwrite", "fsync", "ftruncate")
NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
NO_DISK = OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def watched(before):
    """Call ``before(number, name, words)`` before each writing call; words that it returns replace those given."""
    count = 0

    def watch(name, call):
        def watching(*words):
            nonlocal count
            count += 1
            return call(*(before(count - 1, name, words) or words))

        return watching

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, watch(name, getattr(os, name)))
        yield


def failing(error, first, last=None):
    """Calls number ``first`` to ``last`` fail, or all from ``first`` on; a write that fails has written half before."""

    def before(number, name, words):
        if first <= number <= (number if last is None else last):
            if name == "pwrite":
                descriptor, data, offset = words
                with open(descriptor, "r+b", closefd=False) as file:
                    file.seek(offset)
                    file.write(bytes(data[: len(data) // 2]))
            raise error

    return watched(before)


def calls_of(write):
    """How many writing calls are made."""
    names = []
    with watched(lambda number, name, words: names.append(name)):
        write()
    return len(names)


@pytest.mark.parametrize("torn", [b"", b"the start of an append"])
@pytest.mark.parametrize("error", [NO_SPACE, NO_DISK, KeyboardInterrupt()])
def test_an_append_of_which_any_call_fails_leaves_the_file_as_it_was(tmp_path, error, torn):
    path = library(tmp_path / "a.vcl", FIRST)
    before = path.read_bytes()
    count = calls_of(lambda: append(path, SECOND))
    after = path.read_bytes()
    for number in range(count + (2 if torn else 0)):
        path.write_bytes(before + torn)
        with failing(error, number, number):
            with pytest.raises((BitstreamError, KeyboardInterrupt)) as raised:
                append(path, SECOND)
        if isinstance(error, OSError):
            assert str(raised.value) == f"{path} cannot be written ({error.strerror})"
        assert path.read_bytes() == before
        append(path, SECOND)
        assert path.read_bytes() == after
    assert count == 10


def test_where_even_cutting_off_fails_the_file_holds_the_old_sections_or_the_new_ones(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    before = path.read_bytes()
    count = calls_of(lambda: append(path, SECOND))
    after = path.read_bytes()
    for number in range(count):
        path.write_bytes(before)
        with failing(NO_DISK, number):
            with pytest.raises(BitstreamError, match=r"cannot be written \(Input/output error\)$"):
                append(path, SECOND)
        assert path.read_bytes().startswith(before)
        # All is written when the last call, which forces it to disk, fails.
        assert contents(path) == (FIRST + SECOND if number == count - 1 else FIRST)
        if number < count - 1:
            append(path, SECOND)
        assert path.read_bytes() == after


@pytest.mark.parametrize("error", [NO_SPACE, NO_DISK, KeyboardInterrupt()])
@pytest.mark.parametrize("exists", [True, False])
def test_a_library_of_which_any_call_fails_does_not_appear_and_replaces_none(tmp_path, error, exists):
    path = tmp_path / "a.vcl"
    count = calls_of(lambda: create(path, SECOND))
    path.unlink()
    if exists:
        create(path, FIRST)
    for number in range(count):
        # The last one forces the folder to disk, when the file has its name already.
        is_named = number == count - 1
        with failing(error, number, number):
            with pytest.raises((BitstreamError, KeyboardInterrupt)):
                create(path, SECOND, overwrite=True)
        assert list(tmp_path.iterdir()) == ([path] if exists or is_named else [])
        if exists or is_named:
            assert contents(path) == (SECOND if is_named else FIRST)
    assert count == 12


@pytest.mark.parametrize("has_links", [True, False])
def test_a_library_that_another_process_makes_meanwhile_is_not_replaced(tmp_path, monkeypatch, has_links):
    path = tmp_path / "a.vcl"
    link = os.link

    def link_too_late(*words):
        path.write_bytes(b"precious")
        if not has_links:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        link(*words)

    monkeypatch.setattr(os, "link", link_too_late)
    with pytest.raises(BitstreamError, match=r"a\.vcl exists, and is replaced only with overwrite$"):
        create(path, FIRST)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_library_is_also_made_where_there_are_no_links(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    create(tmp_path / "a.vcl", FIRST)
    assert contents(tmp_path / "a.vcl") == FIRST
    assert list(tmp_path.iterdir()) == [tmp_path / "a.vcl"]


def test_writes_that_take_a_few_bytes_at_a_time_are_continued(tmp_path):
    def few(number, name, words):
        return (words[0], words[1][:5], words[2]) if name == "pwrite" else None

    expected = library(tmp_path / "a.vcl", FIRST, SECOND).read_bytes()
    with watched(few):
        path = library(tmp_path / "b.vcl", FIRST, SECOND)
    assert path.read_bytes() == expected


def test_a_write_that_takes_nothing_is_an_error_and_no_endless_loop(tmp_path, monkeypatch):
    path = library(tmp_path / "a.vcl", FIRST)
    monkeypatch.setattr(os, "pwrite", lambda *words: 0)
    with pytest.raises(BitstreamError, match=r"cannot be written \(Input/output error\)$"):
        append(path, SECOND)
    assert contents(path) == FIRST


def test_readers_see_the_old_sections_until_the_last_byte_is_written(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    states = []
    with watched(lambda number, name, words: states.append(contents(path))):
        append(path, SECOND)
    assert states[:-1] == [FIRST] * (len(states) - 1)
    assert states[-1] == FIRST + SECOND


def test_a_second_writer_is_refused_while_one_writes_and_changes_nothing(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    expected = library(tmp_path / "b.vcl", FIRST, SECOND).read_bytes()
    refused = []
    writing = []

    def second_writer(number, name, words):
        if writing:  # A call of the second writer itself, to its draft.
            return
        writing.append(name)
        for write in (append, lambda path, records: create(path, records, overwrite=True)):
            with pytest.raises(LibraryInUseError, match=f"^{path} is in use: another process is writing to it$"):
                write(path, THIRD)
            refused.append(name)
        writing.clear()

    with watched(second_writer):
        append(path, SECOND)
    assert len(refused) == 2 * 10
    assert path.read_bytes() == expected
    append(path, THIRD)
    assert contents(path) == FIRST + SECOND + THIRD


def test_an_append_to_a_library_that_has_moved_on_is_refused_and_changes_nothing(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    seen = Container.open(path).last_commit
    append(path, SECOND, after=seen)
    before = path.read_bytes()
    with pytest.raises(LibraryInUseError, match=r"a\.vcl is in use: another process has just written to it$"):
        append(path, THIRD, after=seen)
    assert path.read_bytes() == before


def test_a_file_that_is_replaced_before_the_lock_is_held_is_not_appended_to(tmp_path, monkeypatch):
    path, other = library(tmp_path / "a.vcl", FIRST), library(tmp_path / "b.vcl", SECOND)
    expected = other.read_bytes()
    monkeypatch.setattr(fcntl, "flock", lambda *words: other.replace(path))
    with pytest.raises(LibraryInUseError, match=r"a\.vcl is in use: another process has just replaced it$"):
        append(path, THIRD)
    assert path.read_bytes() == expected


def test_where_there_are_no_locks_the_append_goes_on_after_a_warning(tmp_path, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    path = library(tmp_path / "a.vcl", FIRST)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    append(path, SECOND)
    assert contents(path) == FIRST + SECOND
    rule = "make sure that no other process writes to this file"
    assert caplog.messages == [f"{path}: its file system has no locks (Function not implemented): {rule}"]


def test_a_library_that_is_damaged_in_an_older_commit_is_not_cut_to_what_lies_before(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST, SECOND, THIRD)
    data = bytearray(path.read_bytes())
    data[Container.open(path).sections[3].end + layout.RECORD.size] ^= 1
    path.write_bytes(data)
    with pytest.raises(BitstreamError, match="the SHA-256 of the section of type 0x00c0"):
        append(path, SECOND)
    assert path.read_bytes() == data


@contextmanager
def without_rights():
    """An own folder in which this process, whoever runs it, has the rights of its owner and no more."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid():
            yield Path(name)
            return
        os.chown(name, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


def test_a_file_and_a_folder_that_are_read_only_are_read_and_not_written():
    with without_rights() as folder:
        path = library(folder / "a.vcl", FIRST)
        before = path.read_bytes()
        folder.chmod(0o500)
        try:
            with pytest.raises(BitstreamError, match=r"b\.vcl cannot be written \(Permission denied\)$"):
                create(folder / "b.vcl", SECOND)
            append(path, SECOND)  # Needs no other file beside it.
            assert contents(path) == FIRST + SECOND
            path.write_bytes(before)
            path.chmod(0o400)
            with pytest.raises(BitstreamError, match=r"a\.vcl cannot be written \(Permission denied\)$"):
                append(path, SECOND)
            assert contents(path) == FIRST
            assert is_verified(path)
        finally:
            folder.chmod(0o700)


APPENDING = """
import sys
from pathlib import Path
from vcl.codec.container_writer import Record, append
for number in range(int(sys.argv[2]), 1000):
    append(Path(sys.argv[1]), [Record(1, number, bytes([number % 256]) * (number % 100)), Record(2, number, b"end")])
    print(flush=True)
"""


@pytest.mark.process
def test_a_writer_that_is_killed_again_and_again_loses_and_mixes_nothing(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    done = 0
    for kill in range(12):
        words = [sys.executable, "-c", APPENDING, str(path), str(done)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
            reported = sum(writer.stdout.readline() == b"\n" for _ in range(kill + 1))
            writer.kill()
            reported += writer.stdout.read().count(b"\n")
        records = contents(path)[len(FIRST) :]
        assert [record.session for record in records] == [number // 2 for number in range(len(records))]
        assert all(record.payload == bytes([record.session % 256]) * (record.session % 100) for record in records[::2])
        assert len(records) // 2 - done in (reported, reported + 1)
        done = len(records) // 2
    append(path, SECOND)
    assert is_verified(path)


HOLDING = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print(flush=True)
    sys.stdin.read()
"""


@pytest.mark.process
def test_a_writer_in_another_process_keeps_others_out_until_it_is_gone(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    words = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(LibraryInUseError, match=r"a\.vcl is in use: another process is writing to it$"):
            append(path, SECOND)
        assert contents(path) == FIRST
        holder.kill()
        holder.wait()
    append(path, SECOND)
    assert contents(path) == FIRST + SECOND
