"""Containers, raw files and folders -> frames."""

import logging
import struct
import wave
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vcl.video.readers.container
from vcl.errors import VideoError
from vcl.video.read import read_frames
from vcl.video.source import RawFormat, VideoSource, natural_key

MATRICES = {"BT.709": (0.2126, 0.0722), "BT.601": (0.299, 0.114)}


def frames_of(path, *args, raw=None, allow_truncated=False, expected=None):
    return np.stack(list(read_frames(VideoSource("clip", Path(path), raw, allow_truncated, expected), *args)))


def rgb_of(y, cb, cr, matrix, bits=8):
    """RGB of limited-range YUV planes, from the definition of the matrix."""
    kr, kb = MATRICES[matrix]
    scale = 2 ** (bits - 8)
    luma = (y.astype(float) / scale - 16) / 219
    blue, red = ((c.astype(float) / scale - 128) / 224 for c in (cb, cr))
    r = luma + 2 * (1 - kr) * red
    b = luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.stack([r, g, b], axis=-1) * 255, 0, 255)


def calm_planes(height, width, seed=0):
    """Three planes near grey, so that their RGB needs no clipping."""
    return np.random.default_rng(seed).integers(100, 156, (3, height, width), dtype=np.uint8)


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


def test_one_frame_is_a_video(write_video, write_folder, clip):
    assert frames_of(write_video("one.mkv", clip[:1])).shape == (1, 48, 64, 3)
    assert frames_of(write_folder("one", clip[:1])).shape == (1, 48, 64, 3)


@pytest.mark.parametrize(("height", "matrix"), [(720, "BT.709"), (718, "BT.601")])
def test_raw_444_follows_the_matrix_of_its_height(tmp_path, height, matrix):
    planes = calm_planes(height, 31)
    planes.tofile(tmp_path / "clip.yuv")
    read = frames_of(tmp_path / "clip.yuv", raw=RawFormat(height, 31, "yuv444p"))
    assert np.abs(read[0] - rgb_of(*planes, matrix)).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(48, 64), (35, 51)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv420p10le"])
def test_raw_subsampled_planes_of_even_and_odd_sizes_convert(tmp_path, pixel_format, height, width):
    rows = (height + 1) // 2 if "420" in pixel_format else height
    columns = (width + 1) // 2
    bits = 10 if "10" in pixel_format else 8
    levels = [120 << (bits - 8), 110 << (bits - 8), 140 << (bits - 8)]
    kind = "<u2" if bits == 10 else "u1"
    sizes = [(height, width), (rows, columns), (rows, columns)]
    planes = [np.full(size, level, kind) for size, level in zip(sizes, levels, strict=True)]
    (tmp_path / "clip.yuv").write_bytes(2 * b"".join(plane.tobytes() for plane in planes))
    read = frames_of(tmp_path / "clip.yuv", raw=RawFormat(height, width, pixel_format))
    assert read.shape == (2, height, width, 3)
    # PyAV before 18 offers no exact rounding and is up to 2.3 levels off here.
    assert np.abs(read - rgb_of(*(np.array(level) for level in levels), "BT.601", bits)).max() <= 2.5


def test_start_frames_and_stride_choose_frames(write_video, write_folder, clip):
    for path in (write_video("clip.mkv", clip), write_folder("clip", clip)):
        assert np.array_equal(frames_of(path, 1, 3, 4), clip[[1, 5, 9]])
        assert np.array_equal(frames_of(path, 4, None, 3), clip[[4, 7]])


def test_only_frames_asked_for_are_converted(write_video, clip, monkeypatch):
    converted = []
    convert = vcl.video.readers.container._to_rgb
    monkeypatch.setattr(vcl.video.readers.container, "_to_rgb", lambda *args: converted.append(1) or convert(*args))
    frames_of(write_video("clip.mkv", clip), 0, 2, 4)
    assert len(converted) == 2


def test_images_are_read_in_natural_order(write_folder, clip):
    frames = np.concatenate([clip, clip[:2][:, ::-1]])
    assert np.array_equal(frames_of(write_folder("clip", frames)), frames)
    assert sorted(["img10", "img2", "img02", "b", "1"], key=natural_key) == ["1", "b", "img02", "img2", "img10"]


def test_other_and_hidden_files_of_a_folder_are_ignored(write_folder, clip):
    folder = write_folder("clip", clip)
    (folder / "notes.txt").write_text("not an image")
    (folder / "._img1.png").write_bytes(b"not an image either")
    assert np.array_equal(frames_of(folder), clip)


def test_grey_palette_and_alpha_become_rgb(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    rgba = np.random.default_rng(1).integers(0, 256, (3, 4, 4), dtype=np.uint8)
    on_black = np.rint(rgba[..., :3] * (rgba[..., 3:] / 255))
    palette = Image.fromarray(grey).convert("P")
    two = np.stack([grey, rgba[..., 3]], axis=2)
    grey_on_black = np.rint(grey * (rgba[..., 3] / 255))
    expected = [
        (Image.fromarray(grey), np.repeat(grey[..., None], 3, axis=2)),
        (palette, np.asarray(palette.convert("RGB"))),
        (Image.fromarray(rgba), on_black),
        (Image.fromarray(grey > 100), np.repeat((grey > 100)[..., None], 3, axis=2) * 255),
        (Image.fromarray(two), np.repeat(grey_on_black[..., None], 3, axis=2)),
    ]
    for place, (image, pixels) in enumerate(expected):
        folder = tmp_path / str(place)
        folder.mkdir()
        image.save(folder / "0.png")
        assert np.array_equal(frames_of(folder)[0], pixels), image.mode


def test_a_transparent_colour_of_a_png_becomes_black(tmp_path):
    pixels = np.full((2, 2, 3), 200, dtype=np.uint8)
    pixels[0, 0] = (1, 2, 3)
    Image.fromarray(pixels).save(tmp_path / "0.png", transparency=(200, 200, 200))
    assert frames_of(tmp_path)[0].reshape(4, 3).tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_transparent_level_of_a_shallow_grey_png_is_that_level_alone(tmp_path, depth):
    top = 2**depth - 1
    levels = np.random.default_rng(depth).integers(0, top + 1, (5, 8), dtype=np.uint8)
    bits = np.unpackbits(levels[..., None], axis=2)[..., -depth:].reshape(5, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(bits, axis=1))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 8, 5, depth, 0, 0, 0, 0)), (b"tRNS", struct.pack(">H", 1))]
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in [*chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]:
        content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    (tmp_path / "0.png").write_bytes(content)
    expected = np.where(levels == 1, 0, levels * (255 // top))
    assert np.array_equal(frames_of(tmp_path)[0], np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_pngs_are_divided_by_257(tmp_path, write_deep_png, channels):
    levels = np.random.default_rng(2).integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    levels[0, 0] = 65535
    levels[0, 1] = 255
    write_deep_png(tmp_path / "0.png", levels)
    colour, alpha = (levels, 65535) if channels in (1, 3) else (levels[..., :-1], levels[..., -1:])
    exact = np.broadcast_to(np.rint(colour / 257 * (alpha / 65535)), (5, 7, 3))
    assert np.array_equal(frames_of(tmp_path)[0], exact)


@pytest.fixture
def write_deep_png():
    """Write ``(H, W, n)`` uint16 as a PNG by hand: Pillow writes 16 bits for grey only."""

    def write(path, levels):
        height, width, channels = levels.shape
        kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
        chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
        chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        content = b"\x89PNG\r\n\x1a\n"
        for name, body in chunks:
            content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        path.write_bytes(content)

    return write


def test_a_damaged_sixteen_bit_png_is_refused(tmp_path, write_deep_png):
    levels = np.random.default_rng(2).integers(0, 65536, (50, 70, 3), dtype=np.uint16)
    write_deep_png(tmp_path / "0.png", levels)
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "0.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoError, match=r"0\.png: the image cannot be read"):
        frames_of(tmp_path)


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


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (RawFormat(4, 4, "yuv999p"), "raw pixel_format must be one that FFmpeg knows, got 'yuv999p'"),
        (RawFormat(4, 4, "yuyv422"), "raw pixel_format must have one plane for each component"),
        *(
            (RawFormat(4, 4, name), f"raw pixel_format must have 8 to 16 bits for each component, got '{name}'")
            for name in ("gbrpf32le", "monow", "pal8", "cuda")
        ),
        (RawFormat(99999999999, 4), "raw height and width must be below 2147483648, got 99999999999x4"),
        (RawFormat(0, 4), "raw height and width must be at least 1, got 0x4"),
        (RawFormat(4, 4), "whole number of frames of 24 bytes, found 2 and 1 bytes more"),
        (RawFormat(8, 8), "whole number of frames of 96 bytes, found 0 and 49 bytes more"),
    ],
)
def test_a_raw_file_that_does_not_fit_its_format_is_refused(tmp_path, raw, message):
    (tmp_path / "clip.yuv").write_bytes(bytes(49))
    with pytest.raises(VideoError, match=message):
        frames_of(tmp_path / "clip.yuv", raw=raw)


def test_a_raw_file_keeps_its_whole_frames_when_truncation_is_allowed(tmp_path, caplog):
    (tmp_path / "clip.yuv").write_bytes(bytes(49))
    assert frames_of(tmp_path / "clip.yuv", raw=RawFormat(4, 4), allow_truncated=True).shape == (2, 4, 4, 3)
    assert "kept the first 2 frames" in caplog.text


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
    fifth = [place for place in range(len(content)) if content[place : place + 4] == b"\x89PNG"][4]
    content[fifth : fifth + 8] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(VideoError, match="cut off or damaged: frame 4 cannot be decoded"):
        frames_of(path)
    assert np.array_equal(frames_of(path, allow_truncated=True), clip[:4])
    assert "kept the first 4 frames" in caplog.text


def test_frames_that_an_edit_list_hides_are_not_missed(write_video, clip, tmp_path):
    import av

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


def test_images_of_different_sizes_are_named_with_their_sizes(write_folder, clip):
    folder = write_folder("clip", clip[:3])
    Image.fromarray(clip[0][:40, :60]).save(folder / "img3.png")
    with pytest.raises(VideoError, match=r"clip: all images .* found img1\.png at 64x48 and img3\.png at 60x40"):
        frames_of(folder)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_damaged_image_is_named(tmp_path, clip, cut, suffix):
    Image.fromarray(clip[0]).save(tmp_path / f"0.{suffix}")
    cut(tmp_path / f"0.{suffix}", 0.5)
    (tmp_path / f"0.{suffix}").unlink()
    with pytest.raises(VideoError, match=rf"cut_0\.{suffix}: the image cannot be read \(.+\)"):
        frames_of(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(VideoError, match="a frame folder must hold PNG or JPEG images, found none"):
        frames_of(tmp_path)
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(VideoError, match="a frame folder must hold PNG or JPEG images, found none"):
        frames_of(tmp_path)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((0, 11), r"clip: asked for frames 0\.\.10 but the clip .* has 10"),
        ((2, 4, 3), r"clip: asked for frames 2\.\.11 but the clip .* has 10"),
        ((10,), r"clip: asked for frames 10\.\.\. but the clip .* has 10"),
        ((-1,), "clip: start must be at least 0, got -1"),
        ((0, 0), "clip: frames must be at least 1, or left out for all, got 0"),
        ((0, None, 0), "clip: stride must be at least 1, got 0"),
    ],
)
def test_a_range_the_clip_does_not_have_is_refused(write_folder, clip, asked, message):
    with pytest.raises(VideoError, match=message):
        frames_of(write_folder("clip", clip), *asked)


def test_a_count_other_than_expected_is_refused(write_folder, clip, caplog):
    folder = write_folder("clip", clip)
    assert len(frames_of(folder, expected=10)) == 10
    for expected in (9, 11):
        with pytest.raises(VideoError, match=f"clip: the benchmark says {expected} frames but the clip .* has 10"):
            frames_of(folder, expected=expected)
    with caplog.at_level(logging.WARNING):
        assert len(frames_of(folder, expected=11, allow_truncated=True)) == 10
    assert "should have 11 frames; kept the 10 there are" in caplog.text
