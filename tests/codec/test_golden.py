"""A library of the released format, which every later version decodes to the same bits.

``library_1.vcl`` is of format 1.0, and neither it nor its numbers here ever change. When the format gets another
version, ``make_golden.py`` makes ``library_2.vcl`` and a copy of these tests holds its numbers; here the last test and
the check of the version go, as an encoder writes the newest format alone. Everything else must still pass.
"""

import hashlib
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from vcl.codec.container import Container
from vcl.codec.container_layout import MAJOR, MINOR
from vcl.codec.container_writer import Record, append, create
from vcl.codec.encode import Draws
from vcl.codec.library import Library
from vcl.codec.library_records import first_records, session_records
from vcl.codec.payloads import ARCHITECTURE, Architecture
from vcl.codec.strict_frames import strict_record
from vcl.subnet.ledger import Ledger

PATH = Path(__file__).parent / "golden" / "library_1.vcl"

FILE = "a1dd8982cc349348f9d7ba9ab7baad54c7c34c27cc4f36468c0182ffed082424"
NAMES = ["drift", "rise"]
STATES = [
    "84800568a4ffb3d64071fc104b72a10fc282ba611821255b7a23d71027349246",
    "c885c81a730fe3dc0dc89ff2f98d80d351c8797352dd9f3f0dda3e4af7ddc894",
]
"""P0: hashes of the numbers that decode each session."""

FRAMES = [
    ["3c18bed7f8bb236c", "be09b54df70b6360", "12c3a0956f92a275", "d8b3975d87e4852a"],
    ["9eee487d4ec61650", "f371c9a3881b58f6", "0ca3a28d86426591"],
]
"""Of each strict frame, the first bytes of its SHA-256."""

SEED = 3
BOUNDS = {
    "fc1.weight": "0x1.0000000000000p+0",
    "fc2.weight": "0x1.94c583ada5b53p+0",
    "blocks.0.conv.weight": "0x1.3797e1030932ap-1",
    "blocks.0.operator.positive_real": "0x1.4a7e9cb8a3491p+0",
    "blocks.0.operator.positive_imag": "0x1.4a7e9cb8a3491p+0",
    "blocks.0.operator.negative_real": "0x1.4a7e9cb8a3491p+0",
    "blocks.0.operator.negative_imag": "0x1.4a7e9cb8a3491p+0",
    "blocks.1.conv.weight": "0x1.3797e1030932ap-1",
}
"""Of first weights, as hexadecimal floats: the encoder is told them, a decoder reads them."""


@pytest.fixture
def library():
    return Library.open(PATH)


def test_the_golden_file_is_the_one_that_was_released():
    assert hashlib.sha256(PATH.read_bytes()).hexdigest() == FILE
    assert (MAJOR, MINOR) == (1, 0), "a new version of the format needs a golden file of its own"


def test_it_says_of_its_videos_what_it_always_said(library):
    assert [video.name for video in library.videos] == NAMES
    assert [video.frames for video in library.videos] == [4, 3]
    assert {video.size for video in library.videos} == {(16, 24)}
    assert {video.rate for video in library.videos} == {Fraction(25)}
    assert library.architecture.state_kind == "shared_masked"
    assert not library.recovered


def test_its_numbers_are_those_that_were_sealed(library):
    assert [library.subnetwork(session).sha256() for session in range(2)] == STATES


def test_its_strict_frames_are_the_same_bits_on_every_machine(library):
    for session, hashes in enumerate(FRAMES):
        frames = torch.cat(list(library.strict_frames(session)))
        assert [hashlib.sha256(frame.numpy().tobytes()).hexdigest()[:16] for frame in frames] == hashes
    library.verify(frames=True)


def test_its_fast_frames_are_within_a_level_of_the_strict_ones(library):
    for session in range(2):
        fast, strict = (torch.cat(list(decode(session))).int() for decode in (library.frames, library.strict_frames))
        assert int((fast - strict).abs().max()) <= 1


def test_encoding_what_was_decoded_gives_the_same_bytes(library, tmp_path):
    before = Ledger(library.layout, library.architecture.state_kind)
    bounds = {name: float.fromhex(bound) for name, bound in BOUNDS.items()}
    sections = Container.open(PATH).sections
    for session, record in enumerate(library.ledger().records()):
        video = library.videos[session]
        records = session_records(record, before, video, Draws(SEED, session, bounds))
        records += strict_record(library.architecture, library.subnetwork(session), session, video.frames)
        before.append(record)
        if session:
            append(tmp_path / "a.vcl", records)
        else:
            create(tmp_path / "a.vcl", [*first_records(library.architecture, library.notes), *records])
    again = Container.open(tmp_path / "a.vcl")
    for old, new in zip(sections, again.sections, strict=True):
        payloads = Container.open(PATH).read(old), again.read(new)
        if old.kind == ARCHITECTURE:  # Networks have had more settings since.
            assert Architecture.from_bytes(payloads[0]) == Architecture.from_bytes(payloads[1])
        else:
            assert Record(old.kind, old.session, payloads[0]) == Record(new.kind, new.session, payloads[1])
