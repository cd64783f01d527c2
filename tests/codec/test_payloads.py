"""What the records of a library say of the network and of its videos, written, read and refused."""

import math
import struct
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from codec.random_sessions import architecture_of

from vcl.codec.fields import FieldReader, FieldWriter
from vcl.codec.payloads import STATE_KINDS, Architecture, Video, meta_from_bytes, meta_to_bytes
from vcl.config import NervConfig
from vcl.config.backbones import BACKBONES
from vcl.datasets.names import check_names
from vcl.errors import BitstreamError

VIDEO = Video("a clip ä", 7, (8, 12), Fraction(30000, 1001), "0f" * 32, "a0" * 32, 31.25)


@pytest.mark.parametrize("kind", STATE_KINDS)
def test_a_network_comes_back_with_every_setting(kind):
    network = Architecture(
        kind,
        NervConfig(
            initial="paper",
            levels=7,
            base=1.37,
            strides=(3, 2, 1),
            operator_block=2,
            operator_path="only",
            operator_spectrum="packed",
            session_embedding="fraction",
            expansion=1.5,
        ),
        (60, 120),
        9,
    )
    assert Architecture.from_bytes(network.to_bytes()) == network


def test_the_bytes_of_a_network_are_as_specified():
    payload = architecture_of(sessions=3).to_bytes()
    assert payload[:11] == struct.pack("<BHHIH", 0, 8, 12, 3, 22)
    assert struct.pack("<H", 6) + b"levels" + struct.pack("<Bq", 2, 3) in payload
    assert struct.pack("<H", 4) + b"base" + struct.pack("<Bd", 3, 1.25) in payload
    assert struct.pack("<H", 7) + b"strides" + struct.pack("<BBq", 5, 1, 2) in payload
    assert struct.pack("<H", 4) + b"name" + struct.pack("<BH", 4, 4) + b"nerv" in payload


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": 4}, "the kind of state of the network of the library must lie in 0..3, got 4"),
        ({"height": 0}, "the size of the network of the library must lie in 1..16384, got 0"),
        ({"width": 16385}, "the size of the network of the library must lie in 1..16384, got 16385"),
        ({"height": 16384, "width": 2049}, "must have at most 33554432 pixels, got 33570816"),
        ({"count": 257}, "the number of settings of the network of the library must lie in 0..256, got 257"),
        ({"count": 21}, "bytes behind its last field"),
        ({"count": 23}, "ends within a field"),
    ],
)
def test_a_malformed_network_is_refused(change, message):
    fields = {"kind": 0, "height": 8, "width": 12, "sessions": 0, "count": 22, **change}
    payload = struct.pack("<BHHIH", *fields.values()) + architecture_of().to_bytes()[11:]
    with pytest.raises(BitstreamError, match=message):
        Architecture.from_bytes(payload)


def settings_payload(**settings):
    """A network of these settings, each a type and its bytes."""
    writer = FieldWriter()
    writer.number("BHHIH", 0, 8, 12, 0, len(settings))
    for name, (kind, value) in settings.items():
        writer.text(name)
        writer.raw(bytes([kind]) + value)
    return writer.bytes()


NERV = (4, b"\4\0nerv")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "of a kind that is not installed: None"),
        ({"name": (2, bytes(8))}, "of a kind that is not installed: 0"),
        ({"name": (4, b"\3\0ner")}, "of a kind that is not installed: 'ner'"),
        ({"name": NERV, "depth": (2, bytes(8))}, "has a setting that nerv lacks: 'depth'"),
        ({"name": NERV, "levels": (7, b"")}, "the type of a setting of the network of the library must lie in 0..6"),
        ({"name": NERV, "levels": (1, b"\2")}, "a setting of the network of the library must lie in 0..1, got 2"),
        ({"name": NERV, "levels": (0, b"")}, "cannot be built: backbone.levels must be a whole number, got null"),
        ({"name": NERV, "levels": (2, struct.pack("<q", -1))}, "cannot be built: backbone.levels must be 1 or more"),
        ({"name": NERV, "base": (3, struct.pack("<d", math.nan))}, "cannot be built: backbone.base must"),
        ({"name": NERV, "expansion": (3, struct.pack("<d", math.inf))}, "cannot be built: backbone.expansion must"),
        (
            {"name": NERV, "strides": (5, b"\x41" + bytes(8 * 65))},
            "the length of a setting .* must lie in 0..64, got 65",
        ),
        ({"name": NERV, "strides": (5, b"\0")}, "cannot be built: backbone.strides must"),
        ({"name": NERV, "initial": (4, b"\1\0x")}, "cannot be built: backbone.initial must be one of paper, scaled"),
        ({"name": (4, b"\2\0\xff\xff")}, "has a text that is not UTF-8"),
        ({"name": (4, b"\1\4" + bytes(1025))}, "the length of a text .* must lie in 0..1024, got 1025"),
    ],
)
def test_settings_that_no_network_has_are_refused_in_one_line(settings, message):
    with pytest.raises(BitstreamError, match=message) as refusal:
        Architecture.from_bytes(settings_payload(**settings))
    assert "\n" not in str(refusal.value)


def test_a_network_of_a_package_that_does_not_load_is_refused_in_one_line(monkeypatch):
    class Broken:
        value = "outside:Network"

        def load(self):
            raise ImportError("no module named outside")

    monkeypatch.setattr(BACKBONES, "installed", lambda name: [Broken()])
    payload = settings_payload(name=(4, b"\7\0outside"))
    with pytest.raises(
        BitstreamError, match=r"cannot be built: the backbone outside of outside:Network cannot be loaded"
    ):
        Architecture.from_bytes(payload)


@pytest.mark.parametrize(
    ("size", "knobs", "message"),
    [
        ((9, 12), {}, r"cannot be built: stream.size must be multiples of 2, .* got \[9, 12\]"),
        ((2, 12), {}, "cannot be built: backbone.operator_block must have an input of 2 px or more"),
        ((8, 12), {"channels": 10**6}, "must have at most 134217728 weights, got"),
        ((8, 12), {"stem_width": 10**6, "levels": 10**4, "base": 1.001}, "must have at most 134217728 weights, got"),
        ((8, 12), {"channels": 10**6, "stem_width": 10**6}, "must have at most 134217728 weights, got"),
        ((8, 12), {"strides": (2**62, 2**62)}, "cannot be built: stream.size must be multiples of"),
        (
            (4096, 8192),
            {"operator_block": 0, "strides": (16,), "channels": 33},
            "must have at most 1073741824 activations in a layer, got 1107296256",
        ),
    ],
)
def test_networks_of_gigabytes_are_refused_before_they_take_memory(size, knobs, message):
    network = architecture_of(size=size, **knobs)
    with pytest.raises(BitstreamError, match=message) as refusal:
        network.network()
    assert "\n" not in str(refusal.value)


def test_a_network_is_built_on_the_device_that_is_named():
    assert next(architecture_of().network().parameters()).is_meta
    assert next(architecture_of().network("cpu").parameters()).device == torch.device("cpu")


def test_settings_that_a_library_cannot_hold_are_not_written():
    network = replace(architecture_of(), backbone=replace(NervConfig(), strides=(1,) * 65))
    with pytest.raises(BitstreamError, match=r"cannot hold a network with a setting like \(1, 1"):
        network.to_bytes()


@pytest.mark.parametrize("psnr", [31.25, None, 0.0])
def test_a_video_comes_back(psnr):
    video = replace(VIDEO, psnr=psnr)
    assert Video.from_bytes(video.to_bytes(), (8, 12)) == video


def test_the_bytes_of_a_video_are_as_specified():
    expected = struct.pack("<H9sIHHII", 9, "a clip ä".encode(), 7, 8, 12, 30000, 1001)
    assert VIDEO.to_bytes() == expected + b"\x0f" * 32 + b"\xa0" * 32 + struct.pack("<d", 31.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "the name of a video of the library, '', is empty"),
        ({"name": "a\nb"}, r"the library, 'a\\nb', holds a line break or another control character"),
        ({"name": "../dog"}, r"the library, '\.\./dog', is hidden"),
        ({"frames": 0}, "the number of frames of a video of the library must lie in 1..16777216, got 0"),
        ({"frames": 2**24 + 1}, "the number of frames of a video of the library must lie in 1..16777216"),
        ({"size": (9, 16385)}, "the size of a video of the library must lie in 1..16384, got 16385"),
        ({"size": (0, 12)}, "the size of a video of the library must lie in 1..16384, got 0"),
        ({"rate": Fraction(0)}, "the rate of a video of the library must lie in 1..2147483648, got 0"),
        ({"rate": Fraction(1, 2**31 + 1)}, "the rate of a video of the library must lie in 1..2147483648, got"),
        ({"source_sha256": ""}, "a hash of a video of the library must have 64 hex digits, got ''"),
        ({"state_sha256": "00" * 33}, "a hash of a video of the library must have 64 hex digits, got '00"),
    ],
)
def test_a_video_that_could_not_be_read_is_not_written(change, message):
    with pytest.raises(BitstreamError, match=message):
        replace(VIDEO, **change)


@pytest.mark.parametrize(
    ("at", "field", "message"),
    [
        (2, b"\n", r"the library, '\\n clip ä', holds a line break or another control character"),
        (11, bytes(4), "the number of frames of a video of the library must lie in 1..16777216, got 0"),
        (15, b"\x09", "the size of a video of the library must lie in 1..8, got 9"),
        (17, b"\x0d", "the size of a video of the library must lie in 1..12, got 13"),
        (19, bytes(4), "the rate of a video of the library must lie in 1..2147483648, got 0"),
        (23, bytes(4), "the rate of a video of the library must lie in 1..2147483648, got 0"),
        (99, b"", "ends within a field"),
        (99, bytes(9), "has 1 bytes behind its last field"),
    ],
)
def test_a_malformed_video_is_refused(at, field, message):
    payload = VIDEO.to_bytes()
    changed = payload[:at] + field + payload[at + len(field) :] if at < 99 else payload[:91] + field
    with pytest.raises(BitstreamError, match=message):
        Video.from_bytes(changed, (8, 12))


@pytest.mark.parametrize(
    "name",
    ["a\u202fb", "a\u00a0b", "a\u3000b", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u200f\u05d0\u05d1", "e\u0301"],
)
def test_every_name_that_a_file_may_have_is_written_and_read(name):
    check_names([name], "videos")
    assert Video.from_bytes(replace(VIDEO, name=name).to_bytes(), (8, 12)).name == name


def test_a_quality_that_is_no_number_is_none():
    payload = VIDEO.to_bytes()[:-8] + struct.pack("<d", math.inf)
    assert Video.from_bytes(payload, (8, 12)).psnr is None


@pytest.mark.parametrize("texts", [{}, {"config": "a: 1\nb: ä", "vcl": ""}, {"long": "x" * 100_000}])
def test_notes_come_back(texts):
    assert meta_from_bytes(meta_to_bytes(texts)) == texts


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "ends within a field"),
        (struct.pack("<H", 257), "the number of notes of the notes of the library must lie in 0..256, got 257"),
        (struct.pack("<HH1sI", 1, 1, b"a", 2**32 - 1), "ends within a field: 4294967295 bytes at 9 of 9"),
        (struct.pack("<HH1sI1s", 1, 1, b"a", 1, b"\xff"), "the note 'a' of the library is not UTF-8"),
        (bytes(3), "has 1 bytes behind its last field"),
    ],
)
def test_malformed_notes_are_refused(payload, message):
    with pytest.raises(BitstreamError, match=message):
        meta_from_bytes(payload)


def test_a_text_that_a_reader_would_refuse_is_not_written():
    with pytest.raises(BitstreamError, match="must have at most 1024 bytes, got 1025"):
        FieldWriter().text("x" * 1025)


def test_fields_are_read_in_order_and_only_once():
    writer = FieldWriter()
    writer.number("HI", 1, 2)
    writer.number("d", 0.5)
    writer.block(b"abc")
    writer.raw(b"rest")
    reader = FieldReader(writer.bytes(), "a payload")
    assert (reader.number("H"), reader.number("I"), reader.real(), reader.block()) == (1, 2, 0.5, b"abc")
    assert (reader.rest(), reader.rest()) == (b"rest", b"")
    reader.end()
