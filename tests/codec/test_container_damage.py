"""Damaged library files: cut anywhere, flipped anywhere, half written, or malformed behind right checksums."""

import logging
import os
import random
import tracemalloc

import pytest
from codec.container_files import FIRST, SECOND, THIRD, contents, contents_or_none, is_verified, library
from codec.mutator import HARMLESS, assemble, mutated_library

from vcl.codec import container_layout as layout
from vcl.codec.container import Container
from vcl.codec.container_writer import append
from vcl.errors import BitstreamError

SECTOR = 64
ALL = FIRST + SECOND + THIRD


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Thousands of warnings are not of interest here."""
    caplog.set_level(logging.ERROR, "vcl.codec")


def test_an_append_that_is_cut_at_any_byte_leaves_the_old_sections_or_the_new_ones(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    start = path.stat().st_size
    append(path, SECOND)
    data = path.read_bytes()
    for length in range(start, len(data)):
        path.write_bytes(data[:length])
        assert contents(path) == FIRST
        assert Container.open(path).recovered == (length > start)
        if length % 16 == 1:  # The rest of them differ only in what is cut off.
            append(path, SECOND)
            assert path.read_bytes() == data
    path.write_bytes(data)
    assert contents(path) == FIRST + SECOND


def test_a_library_that_is_cut_in_its_first_commit_is_refused(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(BitstreamError, match=r"a\.vcl is "):
            Container.open(path)


def test_a_flipped_bit_never_gives_a_wrong_payload_and_verify_notices_each(tmp_path):
    """Reading does without some bytes (record headers, padding, older commits); ``verify`` does not."""
    path = library(tmp_path / "a.vcl", FIRST, SECOND, THIRD)
    data = path.read_bytes()
    assert is_verified(path)
    outcomes = {ALL: 0, FIRST + SECOND: 0, None: 0}
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        outcomes[contents_or_none(path)] += 1
        assert not is_verified(path)
    # The last commit's payload and its trailer, and no more, fall back; all that is in use of the rest is refused.
    assert outcomes[FIRST + SECOND] == layout.COMMIT_START.size + 2 * layout.ENTRY.size + layout.TRAILER.size
    assert outcomes[None] > sum(len(record.payload) for record in ALL)


def test_a_damaged_payload_leaves_all_other_sections_readable(tmp_path):
    path = library(tmp_path / "a.vcl", FIRST, SECOND)
    data = bytearray(path.read_bytes())
    bad = Container.open(path).sections[2]
    data[bad.offset] ^= 1
    path.write_bytes(data)
    container = Container.open(path)
    for section, record in zip(container.sections, FIRST + SECOND, strict=True):
        if section == bad:
            with pytest.raises(BitstreamError, match="the SHA-256 of the section of type 0x0011 of session 1 at byte"):
                container.read(section)
        else:
            assert container.read(section) == record.payload


class WriteLog:
    """What reaches the disk, as steps that each end with a call that forces the file to disk.

    Args:
        monkeypatch: of pytest; while it lasts, calls are written down and carried out.
    """

    def __init__(self, monkeypatch):
        self.steps = [[]]
        for name in ("pwrite", "ftruncate", "fsync"):
            monkeypatch.setattr(os, name, self._logged(name, getattr(os, name)))

    def _logged(self, name, call):
        def logged(descriptor, *words):
            if name == "fsync":
                self.steps.append([])
            else:
                self.steps[-1].append(tuple(word if isinstance(word, int) else bytes(word) for word in words))
            return call(descriptor, *words)

        return logged


def apply(image, calls):
    """A file after these calls, as bytes."""
    image = bytearray(image)
    for call in calls:
        if len(call) == 1:
            del image[call[0] :]
        else:
            data, offset = call
            image.extend(bytes(max(0, offset - len(image))))
            image[offset : offset + len(data)] = data
    return bytes(image)


def after_power_cut(before, calls, random):
    """A file whose power was cut while these calls were on their way to the disk.

    A sector of what was written is there, is not, or holds zeros or garbage; the file has its old length, its new one
    or one between. Bytes of a sector that were not written to stay as they were.
    """
    after = apply(before, calls)
    first = min((min(len(before), len(after)), *(call[-1] for call in calls)))
    image = bytearray(before[:first])
    lost = random.choice((0.1, 0.5, 1))
    for start in range(first - first % SECTOR, len(after), SECTOR):
        part = slice(max(start, first), min(start + SECTOR, len(after)))
        size = part.stop - part.start
        old = before[part].ljust(size, b"\0")
        bad = random.choice([old, bytes(size), random.randbytes(size)])
        image += bad if random.random() < lost else after[part]
    image += before[len(image) :]
    return bytes(image[: random.choice([len(before), len(after), random.randint(min(first, len(after)), len(image))])])


@pytest.mark.parametrize("cuts", [500, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("torn", [b"", b"the start of an append"])
def test_after_a_power_cut_the_sections_are_the_old_ones_or_the_new_ones(tmp_path, monkeypatch, torn, cuts):
    path = library(tmp_path / "a.vcl", FIRST, SECOND)
    image = path.read_bytes() + torn
    path.write_bytes(image)
    with monkeypatch.context() as patched:
        log = WriteLog(patched)
        append(path, THIRD)
    whole = path.read_bytes()
    assert [len(calls) > 0 for calls in log.steps] == [True] * (3 if torn else 2) + [False]
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    chance = random.Random(1)
    outcomes = {FIRST + SECOND: 0, ALL: 0}
    for calls in log.steps[:-1]:
        for _ in range(cuts):
            path.write_bytes(after_power_cut(image, calls, chance))
            state = contents(path)
            outcomes[state] += 1
            if state == FIRST + SECOND:
                append(path, THIRD)
                assert path.read_bytes() == whole
        image = apply(image, calls)
    assert image == whole
    assert outcomes[ALL] > cuts // 20
    assert outcomes[FIRST + SECOND] > 1.7 * cuts


def refusal(path):
    """Why a file is refused; None where each of its bytes is right."""
    try:
        container = Container.open(path)
        for section in container.sections:
            container.read(section)
        container.verify()
    except BitstreamError as error:
        return str(error)
    return None


def check_mutations(path, seeds):
    """Each malformed library is refused, or read as what it is; gives how many were refused."""
    appends, period = (FIRST, SECOND, THIRD, ()), 2
    right = assemble(appends, period)
    refused = 0
    for seed in seeds:
        data, changed = mutated_library(appends, seed, period)
        path.write_bytes(data)
        reason = refusal(path)
        if data == right or HARMLESS.issuperset(changed):
            assert reason is None
        elif len(changed) == 1:  # Two changes may agree with each other.
            assert reason.startswith(f"{path} ")
            assert "\n" not in reason
        refused += reason is not None
    return refused


@pytest.fixture
def short_period(monkeypatch):
    """Full tables come often enough to have them in a small library."""
    monkeypatch.setattr(layout, "FULL_TABLE_PERIOD", 2)


@pytest.mark.usefixtures("short_period")
def test_malformed_libraries_whose_checksums_hold_are_refused_in_one_line_and_little_memory(tmp_path):
    path = tmp_path / "a.vcl"
    path.write_bytes(assemble((FIRST, SECOND, THIRD, ()), 2))
    assert is_verified(path)
    assert check_mutations(path, range(1800)) > 1500
    tracemalloc.start()
    try:
        check_mutations(path, range(1800, 2000))
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.usefixtures("short_period")
def test_a_hundred_thousand_malformed_libraries_are_refused(tmp_path):
    assert check_mutations(tmp_path / "a.vcl", range(2000, 102_000)) > 75_000
