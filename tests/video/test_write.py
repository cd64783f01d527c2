"""Decoded frames -> files and folders, read back by PyAV and Pillow."""

import resource
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image
from video_fixtures import frames_of

from vcl.errors import VideoError
from vcl.video import encode
from vcl.video.write import check_file, check_folder, write_frames, write_video

# White, yellow, cyan, green, magenta, red, blue and black at 100 %, and their 8-bit levels in limited range as the
# standards' colour bars have them.
BARS = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]], np.uint8)
BT709_BARS = [
    (235, 128, 128), (219, 16, 138), (188, 154, 16), (173, 42, 26),
    (78, 214, 230), (63, 102, 240), (32, 240, 118), (16, 128, 128),
]  # fmt: skip
BT601_BARS = [
    (235, 128, 128), (210, 16, 146), (170, 166, 16), (145, 54, 34),
    (106, 202, 222), (81, 90, 240), (41, 240, 110), (16, 128, 128),
]  # fmt: skip
SUFFIXES = [".mp4", ".mkv", ".y4m", ".npy"]


def noise(frames, height, width):
    return np.random.default_rng(0).integers(0, 256, (frames, 3, height, width), np.uint8)


def batches(frames, size=2):
    """As a decoder gives them: floats in [0, 1]."""
    return iter(torch.from_numpy(frames).float().div(255).split(size))


def bars(height):
    """One frame of eight upright bars, 16 columns each, as ``(1, 3, height, 128)``."""
    return np.broadcast_to(np.repeat(BARS.T * 255, 16, axis=1)[None, :, None], (1, 3, height, 128)).copy()


def planes_of(path):
    """Y, Cb and Cr of the first frame in the middle of each bar, as they are stored."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        levels = []
        for plane, part in zip(frame.planes, frame.format.components, strict=True):
            rows = np.frombuffer(plane, np.uint8).reshape(part.height, plane.line_size)
            width = part.width // 8
            levels.append(rows[part.height // 2, width // 2 : part.width : width])
    return np.stack(levels, axis=1).astype(int)


def read_back(path):
    return frames_of(path).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("suffix", [".mkv", ".npy"])
@pytest.mark.parametrize(("frames", "height", "width"), [(5, 32, 48), (3, 35, 51), (1, 2, 3)])
def test_mkv_and_npy_keep_every_pixel(tmp_path, suffix, frames, height, width):
    clip = noise(frames, height, width)
    assert write_video(tmp_path / f"clip{suffix}", batches(clip)) == frames
    assert np.array_equal(read_back(tmp_path / f"clip{suffix}"), clip)
    assert len(list(tmp_path.iterdir())) == 1


def test_png_images_keep_every_pixel_and_are_numbered_from_the_first(tmp_path):
    clip = noise(3, 5, 7)
    assert write_frames(tmp_path / "frames", batches(clip), first=9) == 3
    images = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in images] == ["00009.png", "00010.png", "00011.png"]
    assert np.array_equal([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in images], clip)


@pytest.mark.parametrize(("height", "levels"), [(720, BT709_BARS), (576, BT601_BARS)])
def test_a_y4m_has_the_levels_of_the_colour_bars_that_players_expect_at_its_height(tmp_path, height, levels):
    write_video(tmp_path / "bars.y4m", batches(bars(height)))
    header = (tmp_path / "bars.y4m").read_bytes().split(b"\n")[0].decode()
    assert header == f"YUV4MPEG2 W128 H{height} F25:1 Ip A1:1 C444 XCOLORRANGE=LIMITED"
    assert planes_of(tmp_path / "bars.y4m").tolist() == [list(level) for level in levels]
    assert np.abs(read_back(tmp_path / "bars.y4m").astype(int) - bars(height)).max() <= 2


def test_an_mp4_has_the_levels_of_the_bt709_colour_bars_and_says_so(tmp_path):
    write_video(tmp_path / "bars.mp4", batches(bars(96)))
    assert np.abs(planes_of(tmp_path / "bars.mp4") - np.array(BT709_BARS)).max() <= 1
    with av.open(str(tmp_path / "bars.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        tags = codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range
    assert tags == (1, 1, 1, 1)  # BT.709 three times, and limited range.
    middles = read_back(tmp_path / "bars.mp4")[0, :, 48, 8::16].T.astype(int)
    assert np.abs(middles - BARS * 255).max() <= 3


def test_an_mkv_says_that_it_is_rgb_of_full_range(tmp_path):
    write_video(tmp_path / "clip.mkv", batches(noise(2, 8, 8)))
    with av.open(str(tmp_path / "clip.mkv")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.colorspace, codec.color_range) == ("ffv1", "bgr0", 0, 2)


def test_every_grey_stays_grey(tmp_path):
    greys = np.broadcast_to(np.arange(256, dtype=np.uint8), (1, 3, 4, 256)).copy()
    write_video(tmp_path / "grey.y4m", batches(greys))
    planes = np.frombuffer((tmp_path / "grey.y4m").read_bytes().split(b"FRAME\n")[1], np.uint8).reshape(3, 4, 256)
    assert (planes[1:] == 128).all()
    assert np.array_equal(planes[0, 0], np.floor(16 + np.arange(256) * 219 / 255 + 0.5))


def test_chroma_lies_at_the_left_column_and_between_two_rows():
    rows, columns = np.mgrid[0:6, 0:8].astype(np.int32)
    chroma = encode._subsampled(10 * rows + columns) / 8
    expected = 10 * (np.arange(0, 6, 2)[:, None] + 0.5) + np.arange(0, 8, 2)
    assert np.array_equal(chroma[:, 1:], expected[:, 1:])
    assert np.array_equal(chroma[:, 0], expected[:, 0] + 0.25)  # The first column has itself to its left.


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_frames_give_the_same_bytes(tmp_path, suffix):
    clip = noise(9, 64, 96)
    for name in "ab":
        write_video(tmp_path / f"{name}{suffix}", batches(clip))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".y4m"])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(1, 2), Fraction(120)])
def test_a_video_plays_at_the_rate_and_has_every_frame(tmp_path, suffix, rate):
    write_video(tmp_path / f"clip{suffix}", batches(noise(12, 32, 48)), rate)
    with av.open(str(tmp_path / f"clip{suffix}")) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(float(rate), rel=1e-4)
        assert sum(1 for _ in container.decode(video=0)) == 12


def test_a_batch_is_decoded_when_those_before_it_are_written(tmp_path):
    def watched():
        for number, batch in enumerate(batches(noise(6, 4, 4))):
            assert len(list(tmp_path.rglob("*.png"))) == 2 * number
            yield batch

    assert write_frames(tmp_path / "frames", watched()) == 6


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.y4m", "clip.npy", "frames"])
def test_what_is_stopped_leaves_nothing_and_takes_nothing_away(tmp_path, name):
    def stopped():
        yield from batches(noise(4, 32, 48))
        raise KeyboardInterrupt

    def write(path):
        return write_video(path, stopped(), overwrite=True) if path.suffix else write_frames(path, stopped())

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    existing = tmp_path / name
    existing.write_bytes(b"before") if existing.suffix else existing.mkdir()
    with pytest.raises(KeyboardInterrupt):
        write(existing)
    assert list(tmp_path.rglob("*")) == [existing]
    assert existing.is_dir() or existing.read_bytes() == b"before"


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.y4m", "clip.npy", "frames"])
def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(tmp_path, name):
    clip = batches(noise(8, 64, 96))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # The system refuses to write more, as a full disk does.
    try:
        with pytest.raises(VideoError, match=rf"{name}.*cannot be written \(File too large\)$"):
            write_video(tmp_path / name, clip) if "." in name else write_frames(tmp_path / name, clip)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "size", "line"),
    [
        ("clip.avi", (4, 4), r"must end in one of \.mp4, \.mkv, \.y4m, \.npy, got \.avi"),
        ("clip", (4, 4), "got no suffix"),
        ("clip.mp4", (5, 4), r"\.mp4 needs an even height and width, got 5x4"),
        ("clip.mp4", (4, 5), "got 4x5"),
        ("none/clip.mkv", (4, 4), "the folder .*none must exist"),
        ("there.mkv", (4, 4), "exists already"),
        ("there.mkv/clip.mkv", (4, 4), "must exist"),
        ("folder.mkv", (4, 4), "must be a file"),
        (f"{'a' * 300}.mkv", (4, 4), "File name too long"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, size, line):
    (tmp_path / "there.mkv").write_bytes(b"before")
    (tmp_path / "folder.mkv").mkdir()
    with pytest.raises(VideoError, match=line):
        write_video(tmp_path / name, batches(noise(1, *size)))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder.mkv", "there.mkv"]
    assert (tmp_path / "there.mkv").read_bytes() == b"before"


def test_a_video_that_is_there_is_replaced_when_asked(tmp_path):
    (tmp_path / "clip.npy").write_bytes(b"before")
    write_video(tmp_path / "clip.npy", batches(noise(1, 4, 4)), overwrite=True)
    assert np.array_equal(np.load(tmp_path / "clip.npy"), noise(1, 4, 4))


def test_no_frame_is_no_video(tmp_path):
    with pytest.raises(VideoError, match="must have a frame, got none"):
        write_video(tmp_path / "clip.mkv", iter(()))


def test_a_new_folder_is_not_there_before_it_is_whole_so_that_a_killed_command_can_be_given_again(tmp_path):
    folder, existed = tmp_path / "frames", []

    def watched():
        for batch in batches(noise(6, 4, 4)):
            existed.append(folder.exists())
            yield batch

    assert write_frames(folder, watched()) == 6
    assert existed == [False, False, False]
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for folder, line in ((tmp_path, "but it holds mine.txt"), (tmp_path / "mine.txt", "found a file")):
        with pytest.raises(VideoError, match=line):
            write_frames(folder, batches(noise(1, 4, 4)))
    with pytest.raises(VideoError, match="must exist"):
        check_folder(tmp_path / "none" / "frames")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_without_permission_is_refused_before_frames_are_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # Root, who runs tests in containers, may do everything.
    for check in (lambda: check_file(tmp_path / "clip.mkv"), lambda: check_folder(tmp_path)):
        with pytest.raises(VideoError, match="must be writable"):
            check()
