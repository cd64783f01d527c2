"""The library file: its bytes, what is read back, what is refused, and what reading costs."""

import hashlib
import os
import struct
import zlib
from dataclasses import replace
from uuid import UUID, uuid5

import pytest
from codec.container_files import FIRST, SECOND, THIRD, contents, is_verified, library
from codec.mutator import assemble

from vcl.codec import container as reading
from vcl.codec import container_layout as layout
from vcl.codec import container_writer as writing
from vcl.codec.container import Container
from vcl.codec.container_layout import COMMIT, OPTIONAL
from vcl.codec.container_writer import Record, append, create
from vcl.errors import BitstreamError


def with_crc(data):
    return data + struct.pack("<I", zlib.crc32(data))


def entry(kind, version, session, offset, payload):
    digest = hashlib.sha256(payload).digest()
    return struct.pack("<HHIQQ", kind, version, session, offset, len(payload)) + digest


def test_the_bytes_of_a_library_of_two_commits_are_those_worked_by_hand(tmp_path):
    path = library(tmp_path / "a.vcl", [Record(0x0001, 7, b"abc", version=5)], [])
    listed = entry(0x0001, 5, 7, 64, b"abc")
    uuid = uuid5(UUID("3f0b6c1e-52a5-4c57-9d0e-8a3c1f6b7e24"), hashlib.sha256(listed).hexdigest())
    header = with_crc(b"\x89VCL\r\n\x1a\n\1\0\0\0\0\0\0\0\0\0\0\0" + uuid.bytes)
    record = with_crc(b"VREC\1\0\5\0\7\0\0\0\3\0\0\0\0\0\0\0") + b"abc" + bytes(5)

    table = b"\0\0\0\0\1\0\0\0" + bytes(56) + listed
    commit = with_crc(b"VREC\xc0\0\1\0\0\0\0\0\x78\0\0\0\0\0\0\0") + table
    link = entry(0x00C0, 1, 0, 40 + 32 + 24, table)
    first = header + record + commit + with_crc(link) + b"VCLT"
    assert len(first) == 40 + 32 + 24 + 120 + 64

    table = b"\1\0\0\0\0\0\0\0" + link
    commit = with_crc(b"VREC\xc0\0\1\0\0\0\0\0\x40\0\0\0\0\0\0\0") + table
    second = commit + with_crc(entry(0x00C0, 1, 0, 280 + 24, table)) + b"VCLT"
    assert path.read_bytes() == first + second
    assert Container.open(path).uuid == uuid


@pytest.mark.parametrize("count", [1, 2, 16, 17, 18, 33])
def test_the_bytes_are_those_of_an_independent_writer_also_where_a_full_table_is_due(tmp_path, count):
    appends = [(*SECOND, Record(0x0014, number, bytes(number))) for number in range(count)]
    path = library(tmp_path / "a.vcl", *appends)
    assert path.read_bytes() == assemble(appends)
    assert contents(path) == tuple(record for records in appends for record in records)
    assert is_verified(path)


def test_an_append_leaves_the_bytes_before_it_and_the_uuid_as_they_are(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    before, opened = path.read_bytes(), Container.open(path)
    append(path, SECOND)
    after = Container.open(path)
    assert path.read_bytes()[: len(before)] == before
    assert after.uuid == opened.uuid
    assert after.sections[: len(FIRST)] == opened.sections
    assert (opened.commits, opened.end, after.commits, after.end) == (1, len(before), 2, path.stat().st_size)
    assert not after.recovered
    # Opened earlier, and true to what it saw.
    opened.verify()
    assert [opened.read(section) for section in opened.sections] == [record.payload for record in FIRST]


def test_the_same_records_give_the_same_bytes_and_others_another_uuid(tmp_path):
    paths = [library(tmp_path / name, records) for name, records in (("a", FIRST), ("b", FIRST), ("c", SECOND))]
    same, again, other = paths
    assert same.read_bytes() == again.read_bytes()
    assert Container.open(same).uuid != Container.open(other).uuid


def test_a_file_that_exists_is_replaced_only_on_request(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    with pytest.raises(BitstreamError, match=r"a\.vcl exists, and is replaced only with overwrite$"):
        create(path, SECOND)
    assert contents(path) == FIRST
    create(path, SECOND, overwrite=True)
    assert contents(path) == SECOND
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("count", [16, 17, 32])
def test_opening_reads_no_more_commits_than_lie_between_full_tables(tmp_path, monkeypatch, count):
    path = library(tmp_path / "a.vcl", *[[Record(1, number, b"x")] for number in range(count)])
    sizes = []
    unpack = layout.unpack_commit
    monkeypatch.setattr(layout, "unpack_commit", lambda data: sizes.append(len(data)) or unpack(data))
    assert len(Container.open(path).sections) == count
    assert len(sizes) == (count - 1) % 16 + 1


def test_a_section_of_an_unknown_type_is_left_out_where_it_is_optional_and_else_refused(tmp_path):
    path = library(tmp_path / "a.vcl", [Record(1, 0, b"a"), Record(2 | OPTIONAL, 0, b"b"), Record(3, 1, b"c")])
    assert [section.kind for section in Container.open(path, kinds={1, 3}).sections] == [1, 3]
    assert len(Container.open(path, kinds={1, 2 | OPTIONAL, 3}).sections) == 3
    with pytest.raises(
        BitstreamError, match=r"a.vcl needs a newer vcl: the section of type 0x0003 of session 1 .* know$"
    ):
        Container.open(path, kinds={1})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("magic", b"\x89PNG\r\n\x1a\n", "is no vcl library$"),
        ("major", 2, "has format version 2; this vcl reads version 1$"),
        ("incompatible", 4, "needs a newer vcl: it has the incompatible flags 0x00000004$"),
    ],
)
def test_a_header_that_this_version_cannot_know_is_refused(tmp_path, field, value, message):
    path = tmp_path / "a.vcl"
    path.write_bytes(assemble([FIRST], change=lambda name, right: value if name == field else right))
    with pytest.raises(BitstreamError, match=f"^{path} {message}"):
        Container.open(path)


@pytest.mark.parametrize("field", ["minor", "compatible"])
def test_a_newer_minor_version_and_unknown_compatible_flags_are_accepted_and_appended_to(tmp_path, field):
    path = tmp_path / "a.vcl"
    path.write_bytes(assemble([FIRST], change=lambda name, right: 9 if name == field else right))
    append(path, SECOND)
    assert contents(path) == FIRST + SECOND
    assert is_verified(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no vcl library"),
        (b"\x89VCL", "is no vcl library"),
        (b"PK\3\4" + bytes(100), "is no vcl library"),
        (assemble([FIRST])[:39], "is cut off: a library has a header of 40 bytes, got 39"),
        (assemble([FIRST])[:40], "is cut off or damaged: it holds no whole commit"),
        (assemble([FIRST])[:-1], "is cut off or damaged: it holds no whole commit"),
        (assemble([FIRST])[:-4] + b"vclt", "is cut off or damaged: it holds no whole commit"),
    ],
)
def test_what_is_no_whole_library_is_neither_read_nor_appended_to(tmp_path, data, message):
    path = tmp_path / "a.vcl"
    path.write_bytes(data)
    for use in (Container.open, lambda path: append(path, SECOND)):
        with pytest.raises(BitstreamError, match=f"^{path} {message}$"):
            use(path)
    assert path.read_bytes() == data


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (
        ("missing", "No such file or directory"),
        (".", "Is a directory"),
        ("pipe", "Illegal seek"),
    ):
        with pytest.raises(BitstreamError, match=reason):
            Container.open(tmp_path / name)
    for name, reason in (("missing", "No such file or directory"), (".", "Is a directory")):
        with pytest.raises(BitstreamError, match=rf"cannot be written \({reason}\)$"):
            append(tmp_path / name, SECOND)
    with pytest.raises(BitstreamError, match=r"a.vcl cannot be written \(No such file or directory\)$"):
        create(tmp_path / "missing" / "a.vcl", FIRST)


def test_records_beyond_a_limit_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "MAX_PAYLOAD", 16)
    monkeypatch.setattr(writing, "MAX_SECTIONS", 3)
    path = library(tmp_path / "a.vcl", FIRST)
    before = path.read_bytes()
    for records, message in (
        ([Record(1, 0, bytes(17))], "cannot hold a section of more than 16 bytes, got 17"),
        ([Record(1, 0, b""), Record(2, 0, b"")], "cannot hold more than 3 sections, got 4"),
        ([Record(COMMIT, 0, b"")], "cannot hold a section of type 0x00c0, which is that of commits"),
    ):
        with pytest.raises(BitstreamError, match=f"^{path} {message}$"):
            append(path, records)
    with pytest.raises(BitstreamError, match=r"b.vcl cannot hold a section of more than 16 bytes, got 17$"):
        create(tmp_path / "b.vcl", [Record(1, 0, bytes(17))])
    monkeypatch.setattr(writing, "MAX_COMMITS", 1)
    with pytest.raises(BitstreamError, match=r"a\.vcl cannot hold more than 1 commits$"):
        append(path, [])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_more_sections_than_a_library_may_have_are_refused(tmp_path, monkeypatch):
    path = library(tmp_path / "a.vcl", FIRST, SECOND)
    monkeypatch.setattr(layout, "MAX_SECTIONS", 3)
    with pytest.raises(BitstreamError, match=r"a\.vcl has 4 sections; a library has at most 3$"):
        Container.open(path)


def test_a_section_that_is_longer_than_any_may_be_is_refused_before_memory_is_taken(tmp_path):
    """The file is sparse: it has the bytes that the section claims."""
    path = library(tmp_path / "a.vcl", FIRST)
    claimed = 2**40
    section = layout.Section(1, 1, 0, 40 + 24, claimed, bytes(32))
    payload = layout.pack_commit(layout.Commit(0, None, (section,)))
    place = layout.Section(COMMIT, 1, 0, section.end + 24, len(payload), hashlib.sha256(payload).digest())
    with path.open("r+b") as file:
        file.truncate(section.end)
        file.seek(section.end)
        file.write(layout.pack_record_header(place) + payload + layout.pack_trailer(place))
    with pytest.raises(BitstreamError, match=f"has {claimed} bytes, which cannot lie there$"):
        Container.open(path)


def test_a_section_that_is_gone_or_changed_is_refused_when_it_is_read(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    container = Container.open(path)
    with pytest.raises(
        BitstreamError, match=r"a\.vcl is damaged: the SHA-256 of the section of type 0x0001 .* differs$"
    ):
        container.read(replace(container.sections[0], length=5))
    path.write_bytes(path.read_bytes()[:70])
    with pytest.raises(
        BitstreamError, match=r"a\.vcl is damaged: the SHA-256 of the section of type 0x0001 .* differs$"
    ):
        container.read(container.sections[0])


@pytest.mark.parametrize("same_bytes", [True, False])
def test_the_search_for_a_commit_reads_each_byte_a_few_times_whatever_it_holds(tmp_path, monkeypatch, same_bytes):
    """Trailers that are right but for the commit's digest, each behind a commit of its own or all behind one."""
    path = library(tmp_path / "a.vcl", FIRST)
    data = path.read_bytes()
    start = len(data)
    for _ in range(500):
        offset = start + 24 if same_bytes else len(data) + 24
        data += bytes(24 + 64)
        data += layout.pack_trailer(layout.Section(COMMIT, 1, 0, offset, len(data) - offset, bytes(32)))
    path.write_bytes(data)
    read = []
    pread = os.pread
    monkeypatch.setattr(reading.os, "pread", lambda *words: read.append(pread(*words)) or read[-1])
    assert contents(path) == FIRST
    windows = 1 if same_bytes else 500
    assert sum(map(len, read)) < 4 * len(data) + 4096 * windows


def test_a_trailer_is_found_across_the_windows_of_the_search(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    data = path.read_bytes()
    for torn in (*range(4000, 4200), 3 * 2**20 + 5):
        path.write_bytes(data + b"V" * torn)
        assert Container.open(path).end == len(data)


def test_a_short_read_is_continued(tmp_path, monkeypatch):
    path = library(tmp_path / "a.vcl", FIRST, SECOND)
    pread = os.pread
    monkeypatch.setattr(
        reading.os, "pread", lambda descriptor, length, offset: pread(descriptor, min(length, 7), offset)
    )
    assert contents(path) == FIRST + SECOND
    append(path, THIRD)
    assert is_verified(path)


def test_a_torn_tail_is_reported_and_the_next_append_removes_it(tmp_path, caplog):
    path = library(tmp_path / "a.vcl", FIRST)
    end = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"torn")
    container = Container.open(path)
    assert container.recovered
    assert container.end == end
    assert caplog.messages == [f"{path}: ignored 4 bytes behind the last whole commit: an unfinished append, or damage"]
    with pytest.raises(
        BitstreamError, match=f"must end with its last whole commit at byte {end}; an append is unfinished$"
    ):
        container.verify()
    append(path, SECOND)
    assert path.read_bytes() == assemble([FIRST, SECOND])
