"""Libraries whose records do not fit together are refused in one line, and what may be ignored is ignored."""

from dataclasses import replace

import pytest
from codec.random_sessions import NOTES, TWO, architecture_of, session_appends, write_library

from vcl.codec.container_writer import Record
from vcl.codec.library import Library
from vcl.codec.payloads import ARCHITECTURE, META, OWN, STRICT, VIDEO, WEIGHTS
from vcl.errors import BitstreamError


def without(records, kind):
    return [record for record in records if record.kind != kind]


def replaced(records, kind, change):
    return [replace(record, payload=change(record.payload)) if record.kind == kind else record for record in records]


CHANGES = {
    "no network": (lambda a: [without(a[0], ARCHITECTURE), a[1]], "a session lacks its record of kind 0x1"),
    "no video": (lambda a: [a[0], without(a[1], VIDEO)], "a session lacks its record of kind 0x10"),
    "no weights": (lambda a: [a[0], without(a[1], WEIGHTS)], "session 1 lacks its record of kind 0x12"),
    "no own numbers": (lambda a: [a[0], without(a[1], OWN)], "the own numbers of session 1 ends within a field"),
    "a session twice": (lambda a: [a[0], a[1], a[1]], "session 1 has two records of kind 0x10"),
    "no session": (lambda a: [[]], "it has no session"),
    "one missing": (
        lambda a: [a[0], [replace(record, session=2) for record in a[1]]],
        r"sessions must be numbered from 0, got \[0, 2\]",
    ),
    "a newer record": (
        lambda a: [a[0], [replace(record, version=2) for record in a[1]]],
        "a record of kind 0x10 has version 2; a newer vcl reads it",
    ),
    "an unknown record": (lambda a: [a[0], [*a[1], Record(0x15, 1, b"")]], "needs a newer vcl"),
    "one name twice": (
        lambda a: [a[0], replaced(a[1], VIDEO, lambda payload: payload.replace(b"video 1", b"video 0"))],
        "two videos have one name",
    ),
    "notes that are none": (
        lambda a: [a[0], [*a[1], Record(META, 1, b"\1\0")]],
        "the notes of the library ends within",
    ),
    "too few hashes": (
        lambda a: [a[0], replaced(a[1], STRICT, lambda payload: payload[:-8])],
        "the frame hashes of the library ends within a field",
    ),
    "another hash": (
        lambda a: [a[0], replaced(a[1], STRICT, lambda payload: payload[:-1] + bytes([payload[-1] ^ 1]))],
        "frame 4 of video 1 is not the one that was written",
    ),
    "other exponents": (
        lambda a: [a[0], replaced(a[1], STRICT, lambda payload: payload[:1] + b"\3" + payload[2:])],
        "frame 0 of video 1 is not the one that was written",
    ),
    "too few exponents": (
        lambda a: [a[0], replaced(a[1], STRICT, lambda payload: bytes([payload[0] - 1]) + payload[2:])],
        "a session of this network must have 4 exponents, got 3",
    ),
    "another base": (
        lambda a: [
            replaced(a[0], ARCHITECTURE, lambda payload: payload.replace(b"\0\0\xf4\x3f", b"\0\0\xf5\x3f")),
            a[1],
        ],
        "frame 0 of video 0 is not the one that was written",
    ),
    "other numbers": (
        lambda a: [a[0], replaced(a[1], VIDEO, lambda payload: payload[:-9] + bytes([payload[-9] ^ 1]) + payload[-8:])],
        "the numbers of session 1 are not those that were sealed",
    ),
    "a network too large for the file": (
        lambda a: [replaced(a[0], ARCHITECTURE, lambda payload: architecture_of(stem_width=250_000).to_bytes()), a[1]],
        "the network of so short a library must have at most",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_library_that_does_not_fit_together_is_refused_in_one_line(tmp_path, name):
    change, message = CHANGES[name]
    path = write_library(tmp_path / "a.vcl", change(session_appends(architecture_of(), TWO)))
    with pytest.raises(BitstreamError, match=message) as refusal:
        everything(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_a_strict_frame_that_is_not_the_one_that_was_written_is_not_given(tmp_path):
    change, message = CHANGES["another hash"]
    library = Library.open(write_library(tmp_path / "a.vcl", change(session_appends(architecture_of(), TWO))))
    assert sum(len(batch) for batch in library.strict_frames(1, range(4))) == 4
    with pytest.raises(BitstreamError, match=message):
        next(library.strict_frames(1, range(4, 5)))


def everything(path):
    library = Library.open(path)
    library.verify(frames=True)
    assert library.notes


def test_the_last_network_of_one_that_is_overwritten_must_be_there(tmp_path):
    appends = session_appends(architecture_of("shared_latest"), TWO, strict=False)
    path = write_library(tmp_path / "a.vcl", [appends[0], without(appends[1], WEIGHTS)])
    with pytest.raises(BitstreamError, match=r"a\.vcl: session 1 lacks its record of kind 0x12"):
        next(Library.open(path).frames(0))


def test_records_that_a_reader_may_ignore_are_ignored(tmp_path):
    appends = session_appends(architecture_of(), TWO)
    appends[1] += [Record(0x8099, 1, b"?"), Record(META, 1, b"of the future", version=2)]
    library = Library.open(write_library(tmp_path / "a.vcl", appends))
    library.verify(frames=True)
    assert library.notes == NOTES


def test_a_backbone_that_is_not_installed_any_more_is_named(tmp_path):
    payload = architecture_of().to_bytes().replace(b"nerv", b"sirn")
    appends = session_appends(architecture_of(), TWO[:1])
    path = write_library(tmp_path / "a.vcl", [replaced(appends[0], ARCHITECTURE, lambda _: payload)])
    with pytest.raises(BitstreamError, match="of a kind that is not installed: 'sirn'"):
        Library.open(path)


def test_a_file_that_is_not_there_or_is_no_library_is_named(tmp_path):
    with pytest.raises(BitstreamError, match=r"a\.vcl cannot be read \(No such file or directory\)"):
        Library.open(tmp_path / "a.vcl")
    (tmp_path / "b.vcl").write_bytes(b"not a library")
    with pytest.raises(BitstreamError, match=r"b\.vcl is no vcl library"):
        Library.open(tmp_path / "b.vcl")
