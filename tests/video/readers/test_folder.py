"""A folder of images -> frames."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from video_fixtures import frames_of

from vcl.errors import VideoError


def write_png(path, size, depth, kind, rows, transparency=None):
    """Write a PNG of a depth and colour type that Pillow does not write; ``rows`` are filter bytes and pixels."""
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", transparency), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        if body is not None:
            content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(content)


def write_deep_png(path, levels):
    """Write ``(H, W, C)`` uint16 as a PNG."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    write_png(path, levels.shape[:2], 16, {1: 0, 2: 4, 3: 2, 4: 6}[levels.shape[2]], rows)


def test_images_are_read_in_natural_order(write_folder, clip):
    frames = np.concatenate([clip, clip[:2][:, ::-1]])
    assert np.array_equal(frames_of(write_folder("clip", frames)), frames)


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
    for number, (image, pixels) in enumerate(expected):
        folder = tmp_path / str(number)
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
    write_png(tmp_path / "0.png", (5, 8), depth, 0, rows, transparency=struct.pack(">H", 1))
    expected = np.where(levels == 1, 0, levels * (255 // top))
    assert np.array_equal(frames_of(tmp_path)[0], np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_pngs_are_divided_by_257(tmp_path, channels):
    levels = np.random.default_rng(2).integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    levels[0, 0] = 65535
    levels[0, 1] = 255
    write_deep_png(tmp_path / "0.png", levels)
    colour, alpha = (levels, 65535) if channels in (1, 3) else (levels[..., :-1], levels[..., -1:])
    exact = np.broadcast_to(np.rint(colour / 257 * (alpha / 65535)), (5, 7, 3))
    assert np.array_equal(frames_of(tmp_path)[0], exact)


def test_a_damaged_sixteen_bit_png_is_refused(tmp_path):
    levels = np.random.default_rng(2).integers(0, 65536, (50, 70, 3), dtype=np.uint16)
    write_deep_png(tmp_path / "0.png", levels)
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "0.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoError, match=r"0\.png: the image cannot be read"):
        frames_of(tmp_path)


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
