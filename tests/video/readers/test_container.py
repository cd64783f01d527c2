"""Container files -> frames: every pixel, every frame, and no damaged one."""

import re
import wave
from fractions import Fraction

import av
import numpy as np
import pytest
from video_fixtures import encode, frames_of

from vcl.datasets.prepare import prepare
from vcl.errors import VideoError
from vcl.video.probe import probe
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


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mov"])
def test_lossless_containers_give_back_every_pixel(write_video, clip, suffix):
    assert np.array_equal(frames_of(write_video(f"clip{suffix}", clip)), clip)


def test_a_lossy_mp4_keeps_count_size_and_rough_colours(write_video):
    grey = np.full((7, 48, 64, 3), 90, dtype=np.uint8)
    grey[..., 0] = 160
    read = frames_of(write_video("clip.mp4", grey))
    assert read.shape == grey.shape
    assert np.abs(read.astype(int) - grey).max() <= 4


def test_a_y4m_of_444_is_near_its_pixels(write_video, clip):
    read = frames_of(write_video("clip.y4m", 100 + clip // 5))
    assert np.abs(read.astype(int) - (100 + clip // 5)).max() <= 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, r"none\.mp4: no such file or folder"),
        ("zero.mp4", b"", r"zero\.mp4: a video file must have content, found 0 bytes"),
        ("text.mp4", b"no video " * 99, r"text\.mp4: cannot be opened as a video \("),
        ("text.nfo", b"no video " * 999, r"text\.nfo: a video file must have a video stream, found none"),
        ("clip.yuv", b"123", r"clip\.yuv: a raw video has no header, so it needs raw"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path, capfd, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoError, match=message) as refusal:
        frames_of(tmp_path / name)
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_a_sound_file_is_refused(tmp_path):
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(800))
    with pytest.raises(VideoError, match=r"sound\.wav: a video file must have a video stream, found sound only"):
        frames_of(tmp_path / "sound.wav")


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi", "clip.y4m", "front.mp4"])
def test_a_cut_file_is_refused_or_keeps_its_whole_frames(write_video, clip, cut, caplog, capfd, name, share):
    # In a file made for streaming the index comes first, so that a player can begin before the end has arrived.
    options = {"movflags": "+faststart"} if name == "front.mp4" else {}
    whole = write_video(name, clip, **options)
    short = cut(whole, share)
    with pytest.raises(VideoError, match=rf"cut_{name}: the file is cut off or damaged: .*; allow_truncated keeps"):
        frames_of(short)
    read = frames_of(short, allow_truncated=True)
    assert 0 < len(read) < len(clip)
    assert np.array_equal(read, frames_of(whole)[: len(read)])
    assert caplog.records[-1].getMessage().endswith(f"kept the first {len(read)} frames")
    assert capfd.readouterr().err == ""


def test_a_cut_file_without_its_index_is_refused_even_when_truncation_is_allowed(write_video, clip, cut):
    short = cut(write_video("clip.mov", clip), 0.5)
    with pytest.raises(
        VideoError, match=r"the file is cut off: at least \d+ bytes are missing, and what is left cannot"
    ):
        frames_of(short, allow_truncated=True)


def test_a_frame_that_does_not_decode_is_refused(write_video, clip, caplog):
    path = write_video("clip.mov", clip)
    content = bytearray(path.read_bytes())
    fifth = [match.start() for match in re.finditer(rb"\x89PNG", content)][4]
    content[fifth : fifth + 8] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(VideoError, match="cut off or damaged: frame 4 cannot be decoded"):
        frames_of(path)
    assert np.array_equal(frames_of(path, allow_truncated=True), clip[:4])
    assert "kept the first 4 frames" in caplog.text


def test_frames_that_an_edit_list_hides_are_not_missed(write_video, clip, tmp_path):
    whole = write_video("clip.mp4", clip)
    with av.open(str(whole)) as reader, av.open(str(tmp_path / "trimmed.mp4"), "w") as writer:
        stream = reader.streams.video[0]
        copy = writer.add_stream_from_template(stream)
        for packet in reader.demux(stream):
            if packet.dts is not None:
                packet.pts -= 3 * 512
                packet.dts -= 3 * 512
                packet.stream = copy
                writer.mux(packet)
    assert 0 < len(frames_of(tmp_path / "trimmed.mp4")) < len(clip)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_hole_in_the_middle_is_refused_or_ends_the_frames(suffix, tmp_path, clip, caplog):
    muxer, codec, pixel_format, options = CONTAINERS[suffix]
    path = tmp_path / f"clip{suffix}"
    encode(path, clip, codec, pixel_format, muxer=muxer, muxer_options=options, g="2")
    whole = frames_of(path)
    assert damaged_at(path) is None
    assert len(whole) == 10
    content = bytearray(path.read_bytes())
    # From the header of the sixth frame on, as a bad sector might.
    with av.open(str(path)) as container:
        offset = [packet.pos for packet in container.demux(video=0) if packet.pos is not None][5]
    offset = {".avi": offset - 8 if content[offset : offset + 4] != b"00dc" else offset}.get(suffix, offset)
    if suffix == ".mp4":
        offset = content.index(b"moof", content.index(b"moof") + 4) - 4
    content[offset : offset + 512] = bytes(512)
    path.write_bytes(content)
    message = "the file is cut off or damaged: its parts do not follow one another at byte"
    for door in (frames_of, lambda path: probe(VideoSource("clip", path))):
        with pytest.raises(VideoError, match=rf"clip{suffix}: {message}"):
            door(path)
    with pytest.raises(VideoError, match=message):
        prepare("folder", tmp_path, tmp_path / "out", Transform(24, 32))
    before = frames_of(path, allow_truncated=True)
    assert 0 < len(before) < 10
    assert np.array_equal(before, whole[: len(before)])
    assert f"kept the first {len(before)} frames" in caplog.text


def test_a_beginning_that_refers_to_frames_before_the_file_is_warned_of(tmp_path, clip, caplog):
    """An HEVC stream that was cut out at a key frame whose leading frames refer to what came before it."""
    options = {"x265-params": "log-level=none:open-gop=1:keyint=5:min-keyint=5:scenecut=0:bframes=2:b-adapt=0"}
    whole, late = encode(tmp_path / "whole.mkv", clip, "libx265", "yuv420p", **options), tmp_path / "late.mkv"
    with av.open(str(whole)) as reader, av.open(str(late), "w") as writer:
        copy = writer.add_stream_from_template(reader.streams.video[0])
        packets = [packet for packet in reader.demux(video=0) if packet.size]
        second = [index for index, packet in enumerate(packets) if packet.is_keyframe][1]
        for packet in packets[second:]:
            packet.stream = copy
            writer.mux(packet)
    kept = frames_of(late)
    assert np.array_equal(kept, frames_of(whole)[-len(kept) :])
    assert f"late.mkv: begins with {len(packets) - second - len(kept)} frames that do not decode" in caplog.text


def packets_of(path):
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def test_frames_that_do_not_decode_are_counted(tmp_path, clip):
    """A sample without a picture is no error to the decoder of HEVC, which gives one frame less."""
    path = encode(tmp_path / "clip.mp4", clip, "libx265", "yuv420p", **{"x265-params": "log-level=none:bframes=0"})
    content = bytearray(path.read_bytes())
    offset, size = packets_of(path)[-1]
    content[offset : offset + size] = (size - 4).to_bytes(4, "big") + b"\x46\x01" + b"\x50" * (size - 6)  # A delimiter.
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"cut off or damaged: 1 frames do not decode"):
        frames_of(path)
    assert len(frames_of(path, allow_truncated=True)) == 9


def test_a_png_frame_of_a_video_that_fails_its_checksum_is_refused(write_video, clip):
    path = write_video("clip.mov", clip)
    content = bytearray(path.read_bytes())
    offset, size = packets_of(path)[4]
    content[offset + size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(VideoError, match="cut off or damaged: frame 4 cannot be decoded"):
        frames_of(path)


def test_transparent_pixels_of_a_video_are_laid_over_black(tmp_path, clip):
    rgba = np.concatenate([clip, clip[..., ::-1][..., :1]], axis=-1)
    path = encode(tmp_path / "clip.mov", rgba, "png", "rgba")
    assert np.array_equal(frames_of(path), np.rint(clip * (rgba[..., 3:] / 255)))


def test_pixels_that_are_not_square_and_interlaced_fields_are_warned_of(tmp_path, clip, caplog):
    def widen(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    path = tmp_path / "clip.mpg"
    encode(path, clip, "mpeg2video", "yuv420p", configure=widen, flags="+ildct+ilme")
    assert len(frames_of(path)) == 10
    assert [record.getMessage().split("clip.mpg: ")[1] for record in caplog.records] == [
        "has pixels that are not square (4/3) and interlaced fields; its frames are taken as they are stored"
    ]
