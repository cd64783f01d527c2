"""Damage in the middle of a file is told of, in every container that can tell."""

import io
import struct

import av
import numpy as np
import pytest

from vcl.datasets.prepare import prepare
from vcl.errors import VideoError
from vcl.video.probe import probe
from vcl.video.read import read_frames
from vcl.video.readers import avi, matroska, mp4, packets
from vcl.video.readers.structure import damaged_at
from vcl.video.source import VideoSource
from vcl.video.transform import Transform

# By suffix: muxer, codec, pixel format, options of the muxer.
CONTAINERS = {
    ".mkv": ("matroska", "ffv1", "bgr0", {}),
    ".webm": ("webm", "libvpx", "yuv420p", {}),
    ".avi": ("avi", "rawvideo", "bgr24", {}),
    ".mp4": ("mp4", "libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    ".ts": ("mpegts", "libx264", "yuv420p", {}),
    ".mpg": ("mpeg", "mpeg2video", "yuv420p", {}),
    ".h264": ("h264", "libx264", "yuv420p", {}),
    ".flv": ("flv", "flv", "yuv420p", {}),
}


@pytest.fixture
def encode(tmp_path, clip):
    def make(name, muxer, codec, pixel_format, options=None, **codec_options):
        path = tmp_path / name
        with av.open(str(path), "w", format=muxer, options=options or {}) as container:
            stream = container.add_stream(codec, rate=25, options=codec_options)
            stream.height, stream.width, stream.pix_fmt = 48, 64, pixel_format
            for frame in clip:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
            container.mux(stream.encode())
        return path

    return make


def read(path, allow_truncated=False):
    return np.stack(list(read_frames(VideoSource("clip", path, allow_truncated=allow_truncated))))


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_hole_in_the_middle_is_refused_or_ends_the_frames(encode, suffix, tmp_path, caplog):
    path = encode(f"clip{suffix}", *CONTAINERS[suffix], g="2")
    whole = read(path)
    assert damaged_at(path) is None
    assert len(whole) == 10
    content = bytearray(path.read_bytes())
    # From the header of the sixth frame on, as a bad sector might.
    with av.open(str(path)) as container:
        place = [packet.pos for packet in container.demux(video=0) if packet.pos is not None][5]
    place = {".avi": place - 8 if content[place : place + 4] != b"00dc" else place}.get(suffix, place)
    if suffix == ".mp4":
        place = content.index(b"moof", content.index(b"moof") + 4) - 4
    content[place : place + 512] = bytes(512)
    path.write_bytes(content)
    message = "the file is cut off or damaged: its parts do not follow one another at byte"
    for door in (read, lambda path: probe(VideoSource("clip", path))):
        with pytest.raises(VideoError, match=rf"clip{suffix}: {message}"):
            door(path)
    with pytest.raises(VideoError, match=message):
        prepare("folder", tmp_path, tmp_path / "out", Transform(24, 32))
    before = read(path, allow_truncated=True)
    assert 0 < len(before) < 10
    assert np.array_equal(before, whole[: len(before)])
    assert f"kept the first {len(before)} frames" in caplog.text


def element(kind, body, size=None):
    return bytes.fromhex(kind) + (bytes([0x80 | len(body)]) if size is None else size) + body


OPEN = b"\x01" + b"\xff" * 7
HEAD = element("1a45dfa3", b"abcd")
TRACKS = element("1654ae6b", element("ae", element("d7", b"\1")))
BLOCK = element("a3", b"\x81\0\0\0pixels")
GROUP = element("a0", element("a1", b"\x81\0\0\0pixels"))


def segment(*parts):
    return HEAD + element("18538067", b"".join(parts), OPEN)


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (segment(TRACKS, element("1f43b675", BLOCK + GROUP)), None),
        (segment(TRACKS, element("1f43b675", BLOCK, OPEN), element("1f43b675", GROUP, OPEN)), None),
        (
            segment(TRACKS, element("1f43b675", BLOCK), element("ec", b"void"), element("4321", b"of another time")),
            None,
        ),
        (segment(element("1f43b675", BLOCK)), None),
        (segment(TRACKS, element("1f43b675", BLOCK)) + b"\0", 48),
        (segment(TRACKS, element("1f43b675", BLOCK + bytes(len(BLOCK)))), 48),
        (segment(TRACKS, element("1f43b675", BLOCK + BLOCK.replace(b"\x81", b"\x82"))), 48),
        (segment(TRACKS, element("1f43b675", BLOCK + BLOCK.replace(b"\xa3", b"\xa4"))), 48),
        (segment(TRACKS, element("1f43b675", BLOCK + GROUP.replace(b"\xa1", b"\xa2"))), 48),
        (segment(TRACKS, element("1f43b675", BLOCK, OPEN))[:-3], 43),
        (HEAD, 9),
    ],
)
def test_elements_of_matroska_must_follow_one_another(content, damage):
    assert matroska.damaged_at(io.BytesIO(content), len(content)) == damage


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def chunk(kind, body):
    return struct.pack("<4sI", kind, len(body)) + body


MOOF = box(b"moof", box(b"mfhd", b"abcd") + box(b"traf", box(b"tfhd", b"")))
MOVI = chunk(b"LIST", b"movi" + chunk(b"00dc", b"ab") + chunk(b"00dc", b"cd"))


def riff(body):
    return chunk(b"RIFF", b"AVI " + body)


def ogg(flags, body):
    return b"OggS\0" + bytes([flags]) + bytes(20) + bytes([1, len(body)]) + body


def tag(body):
    head = b"\x09" + len(body).to_bytes(3, "big") + bytes(7)
    return head + body + (11 + len(body)).to_bytes(4, "big")


FLV = b"FLV\1\1\0\0\0\x09\0\0\0\0"
PACK = b"\0\0\1\xba\x44" + bytes(8) + b"\xf8"
PES = b"\0\0\1\xe0\0\3abc"
PACKET = b"\x47" + bytes(187)
UNIT = b"\0\0\0\1\x65unit"


@pytest.mark.parametrize(
    ("walk", "content", "damage"),
    [
        (mp4.damaged_at, box(b"ftyp", b"isom") + MOOF + box(b"mdat", b"x") + MOOF, None),
        (mp4.damaged_at, box(b"ftyp", b"isom") + bytes(30) + MOOF, 12),
        (mp4.damaged_at, MOOF.replace(b"tfhd", bytes(4)), 0),
        (mp4.damaged_at, box(b"ftyp", b"isom") + box(b"mdat", b"x") + b"\xff\xff\xff\xffappended", None),
        (avi.damaged_at, riff(MOVI + chunk(b"idx1", b"abc") + b"\0"), None),
        (avi.damaged_at, riff(MOVI + chunk(b"idx1", b"abc") + chunk(b"JUNK", b"")), None),
        (avi.damaged_at, riff(MOVI.replace(b"ab00dc", bytes(6))), 34),
        (avi.damaged_at, riff(MOVI)[:-1], 34),
        (packets.ts_damaged_at, PACKET * 9, None),
        (packets.ts_damaged_at, (b"time" + PACKET) * 9, None),
        (packets.ts_damaged_at, PACKET * 4 + bytes(188) + PACKET * 4, 4 * 188),
        (packets.ts_damaged_at, PACKET * 4 + PACKET[:50], 4 * 188),
        (packets.ps_damaged_at, PACK + PES + PES + b"\0\0\1\xb9" + bytes(99), None),
        (packets.ps_damaged_at, PACK + PES + bytes(9) + PES, 23),
        (packets.ps_damaged_at, PACK + PES[:-1], 14),
        (packets.flv_damaged_at, FLV + tag(b"abc") + tag(b""), None),
        (packets.flv_damaged_at, FLV + tag(b"abc") + bytes(15) + tag(b""), 31),
        (packets.flv_damaged_at, FLV + tag(b"abc")[:-1], 13),
        (packets.annex_b_damaged_at, UNIT + UNIT + bytes(2 << 20) + UNIT + bytes(9), None),
        (packets.annex_b_damaged_at, UNIT + b"ab\0\0\3\1cd" + UNIT, None),
        (packets.annex_b_damaged_at, UNIT + UNIT + bytes(9) + b"ab" + UNIT, 10),
        (packets.annex_b_damaged_at, UNIT + UNIT + bytes(2 << 20) + b"ab" + UNIT, 10),
        (packets.annex_b_damaged_at, UNIT + b"ab\0\0\3\4cd" + UNIT, 1),
        (packets.ogg_damaged_at, ogg(2, b"ab") + ogg(4, b"c"), None),
        (packets.ogg_damaged_at, ogg(2, b"ab") + bytes(30) + ogg(4, b"c"), 30),
        (packets.ogg_damaged_at, ogg(2, b"ab") + ogg(4, b"c")[:-1], 30),
        (packets.ogg_damaged_at, ogg(2, b"ab") + ogg(0, b"c"), 59),
    ],
)
def test_parts_of_other_containers_must_follow_one_another(walk, content, damage):
    assert walk(io.BytesIO(content), len(content)) == damage


def test_a_beginning_that_refers_to_frames_before_the_file_is_told_of(encode, tmp_path, caplog):
    """An HEVC stream that was cut out at a key frame whose leading frames refer to what came before it."""
    options = {"x265-params": "log-level=none:open-gop=1:keyint=5:min-keyint=5:scenecut=0:bframes=2:b-adapt=0"}
    whole, late = encode("whole.mkv", "matroska", "libx265", "yuv420p", **options), tmp_path / "late.mkv"
    with av.open(str(whole)) as reader, av.open(str(late), "w") as writer:
        copy = writer.add_stream_from_template(reader.streams.video[0])
        packets = [packet for packet in reader.demux(video=0) if packet.size]
        second = [place for place, packet in enumerate(packets) if packet.is_keyframe][1]
        for packet in packets[second:]:
            packet.stream = copy
            writer.mux(packet)
    kept = read(late)
    assert np.array_equal(kept, read(whole)[-len(kept) :])
    assert f"late.mkv: begins with {len(packets) - second - len(kept)} frames that do not decode" in caplog.text


def packets_of(path):
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def test_frames_that_do_not_decode_are_counted(encode):
    """A sample without a picture is no error to the decoder of HEVC, which gives one frame less."""
    path = encode("clip.mp4", "mp4", "libx265", "yuv420p", **{"x265-params": "log-level=none:bframes=0"})
    content = bytearray(path.read_bytes())
    place, size = packets_of(path)[-1]
    content[place : place + size] = (size - 4).to_bytes(4, "big") + b"\x46\x01" + b"\x50" * (size - 6)  # A delimiter.
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"cut off or damaged: 1 frames do not decode"):
        read(path)
    assert len(read(path, allow_truncated=True)) == 9


def test_a_png_frame_of_a_video_that_fails_its_checksum_is_refused(write_video, clip):
    path = write_video("clip.mov", clip)
    content = bytearray(path.read_bytes())
    place, size = packets_of(path)[4]
    content[place + size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(VideoError, match="cut off or damaged: frame 4 cannot be decoded"):
        read(path)


def test_a_frame_of_ffv1_that_fails_its_checksum_is_refused(encode, clip):
    path = encode("clip.mkv", "matroska", "ffv1", "bgr0", level="3", slicecrc="1")
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        fifth = [bytes(packet) for packet in container.demux(video=0)][4]
    content[content.index(fifth) + len(fifth) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(VideoError, match="cut off or damaged: frame 4 disagrees with its checksum"):
        read(path)
    assert np.array_equal(read(path, allow_truncated=True), clip[:4])
