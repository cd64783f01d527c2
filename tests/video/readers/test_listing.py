"""Nothing in a folder is left out or counted twice without a warning."""

import numpy as np
import pytest
from PIL import Image

from vcl.datasets.prepare import prepare
from vcl.datasets.resolve import resolve
from vcl.errors import VideoError
from vcl.video.cache import load_clip
from vcl.video.probe import probe
from vcl.video.read import read_frames
from vcl.video.source import VideoSource
from vcl.video.transform import Transform

SMALL = Transform(4, 4)


def frames_in(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / name)
    return folder


def doors(folder, tmp_path):
    """Every way to read a folder."""
    source = VideoSource("clip", folder)
    return (
        lambda: list(read_frames(source)),
        lambda: probe(source),
        lambda: load_clip(source, SMALL, tmp_path / "cache"),
        lambda: prepare("folder", folder.parent, tmp_path / "out", SMALL),
    )


@pytest.mark.parametrize(
    ("names", "first", "second"),
    [
        (["1.jpg", "2.jpg", "1.png", "2.png"], "1.jpg", "1.png"),
        (["00.jpg", "01.jpg", "00_mask.png", "01_mask.png"], "00.jpg", "00_mask.png"),
        (["left_1.png", "left_2.png", "right_1.png", "right_2.png"], "left_1.png", "right_1.png"),
        (["a.png", "a.jpeg"], "a.jpeg", "a.png"),
        (["1.JPG", "1.jpg"], "1.JPG", "1.jpg"),
        (["1.png", "2.png", "01.png", "02.png"], "01.png", "1.png"),
        (["1.png", "2.png", "１.png", "２.png"], "1.png", "１.png"),
        (["01.png", "02.png", "01_copy2.png"], "01.png", "01_copy2.png"),
        (["01.png", "02.png", "160x90_01.png", "160x90_02.png"], "01.png", "160x90_01.png"),
        (["f01.png", "f02.png", "f01-96x64.png"], "f01.png", "f01-96x64.png"),
    ],
)
def test_two_files_for_one_frame_are_refused_everywhere(tmp_path, names, first, second):
    folder = frames_in(tmp_path / "roots" / "clip", *names)
    for door in doors(folder, tmp_path):
        with pytest.raises(
            VideoError, match=rf"clip: there must be one file per frame, found {first} and {second}; keep"
        ):
            door()


@pytest.mark.parametrize(
    "names",
    [
        ["1.jpg", "2.png", "3.jpeg"],
        ["clip1_01.png", "clip2_01.png"],
        ["2021-05-01_12-00-00.png", "2021-05-01_12-01-00.png"],
        ["a.png", "b.jpg"],
    ],
)
def test_frames_of_several_kinds_or_numbers_are_frames(tmp_path, names):
    assert len(list(read_frames(VideoSource("clip", frames_in(tmp_path / "clip", *names))))) == len(names)


@pytest.mark.parametrize(
    ("names", "warnings"),
    [
        (
            ["1.png", "2.png", "3.png", "cover.jpg"],
            ["images that are not named like the rest are taken as frames: cover.jpg"],
        ),
        (["1.png", "2.png", "4.png", "5.png"], ["numbers of frames are missing: between 2.png and 4.png"]),
        (["a1.png", "a3.png", "a5.png"], []),
        (["1.png", "4.png", "9.png", "16.png", "25.png"], []),
        (["a.png", "b.png", "c.png"], []),
        (["clip1_1.png", "clip1_2.png", "clip2_8.png", "clip2_9.png"], []),
    ],
)
def test_a_name_unlike_the_others_and_a_gap_in_the_numbers_are_warned_of(tmp_path, caplog, names, warnings):
    folder = frames_in(tmp_path / "clip", *names)
    assert len(list(read_frames(VideoSource("clip", folder)))) == len(names)
    assert caplog.messages == [f"{folder}: {remark}" for remark in warnings]


def test_videos_and_folders_of_images_beside_frames_are_warned_of(tmp_path, caplog):
    folder = frames_in(tmp_path / "clip", "1.png", "2.png")
    frames_in(folder / "masks", "1.png")
    for name in ("preview.mp4", "poses.npy", "notes.txt"):
        (folder / name).write_bytes(b"x")
    assert len(list(read_frames(VideoSource("clip", folder)))) == 2
    assert caplog.messages == [
        f"{folder}: only its images are used, not: masks (has frames deeper inside, such as masks/1.png), "
        "preview.mp4 (a video beside frames)"
    ]


def test_an_animation_is_no_frame(tmp_path):
    folder = frames_in(tmp_path / "clip", "1.png", "2.png")
    pictures = [Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in (0, 100)]
    pictures[0].save(folder / "2.png", save_all=True, append_images=pictures[1:])
    with pytest.raises(VideoError, match=r"2\.png: a frame must be one image, found an animation"):
        list(read_frames(VideoSource("clip", folder)))


@pytest.mark.parametrize("target", ["gone/2.png", "1.png/2.png", "2.png"])
def test_a_frame_that_is_a_dead_link_or_empty_is_named_everywhere(tmp_path, target):
    folder = frames_in(tmp_path / "roots" / "clip", "1.png", "3.png")
    (folder / "2.png").symlink_to(target)
    for door in doors(folder, tmp_path):
        with pytest.raises(VideoError, match=r"clip/2\.png: a link to what is missing"):
            door()
    (folder / "2.png").unlink()
    (folder / "2.png").touch()
    for door in doors(folder, tmp_path):
        with pytest.raises(VideoError, match=r"clip/2\.png: a frame must have content, found 0 bytes"):
            door()


def test_a_dead_link_to_a_video_is_named(tmp_path):
    (tmp_path / "clip.mp4").symlink_to("gone/clip.mp4")
    with pytest.raises(VideoError, match=r"clip\.mp4: a link to what is missing"):
        load_clip(resolve("folder", tmp_path)[0], SMALL, tmp_path / "cache")
    with pytest.raises(VideoError, match=r"clip\.mp4: a link to what is missing"):
        prepare("folder", tmp_path, tmp_path / "out", SMALL)


@pytest.fixture
def mixed(tmp_path):
    """A root with one video and many things that are none, or are not read."""
    frames_in(tmp_path / "apple", "1.png")
    (tmp_path / "berry.wmv").write_bytes(b"x")
    frames_in(tmp_path, "cherry.gif", "date.webp", "elder.jpg")
    (tmp_path / "fig").mkdir()
    (tmp_path / "fig" / "inner.mp4").write_bytes(b"x")
    (tmp_path / "grape").mkdir()
    frames_in(tmp_path / "grape" / "img1", "1.jpg")
    frames_in(tmp_path / "hazel", "1.webp")
    (tmp_path / "ilex").symlink_to("gone")
    (tmp_path / "jasmine").write_bytes(b"\0\0\0\x10ftypisom" + bytes(8))
    for quiet in (".DS_Store", "Thumbs.db", "notes.txt", "table.csv", "prepared.json"):
        (tmp_path / quiet).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    frames_in(tmp_path / ".hidden", "1.png")
    return tmp_path


def test_what_looks_like_a_video_and_is_not_used_is_named_in_one_line(mixed, caplog):
    for _ in range(2):
        assert [source.name for source in resolve("folder", mixed)] == ["apple"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{mixed}: not used: berry.wmv (.wmv files are not read), cherry.gif (an image outside a frame folder), "
        "date.webp (an image outside a frame folder), elder.jpg (an image outside a frame folder), "
        "fig (is a folder that holds a video, fig/inner.mp4), "
        "grape (has frames deeper inside, such as grape/img1/1.jpg), "
        "hazel (has images that are not PNG or JPEG, such as hazel/1.webp), ilex (a link to what is missing), "
        "jasmine (looks like a video, but its name has another ending)"
    ]


def test_nothing_is_warned_of_where_the_videos_are_chosen(mixed, caplog):
    resolve("folder", mixed, ["apple"])
    assert caplog.text == ""


def test_hundreds_of_unused_files_are_named_in_one_line(tmp_path, caplog):
    frames_in(tmp_path / "apple", "1.png")
    for number in range(300):
        (tmp_path / f"clip{number}.wmv").touch()
    resolve("folder", tmp_path)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith("clip19.wmv (.wmv files are not read) and 280 more")


def test_a_folder_with_nothing_that_is_read_says_what_it_has(tmp_path):
    frames_in(tmp_path, "1.png")
    rule = r"must hold video files .*, found 1\.png \(an image outside a frame folder\); it is one video itself"
    with pytest.raises(VideoError, match=rule):
        resolve("folder", tmp_path)


def test_images_of_other_kinds_in_a_frame_folder_are_warned_of_once(tmp_path, caplog):
    folder = frames_in(tmp_path / "clip", "1.png", "2.webp", "3.png")
    for _ in range(2):
        assert len(list(read_frames(VideoSource("clip", folder)))) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}: images that are not PNG or JPEG are left out: 2.webp"
    ]
