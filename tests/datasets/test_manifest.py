"""Manifests: those that come with the package, and what the user's own may say."""

import pytest

from vcl.datasets.resolve import benchmark_names, manifest_of
from vcl.errors import VideoError


def test_shipped_benchmarks_are_known_and_every_manifest_reads():
    uvg, davis = ["uvg17", "uvg17a", "uvg7", "uvg8"], ["davis10", "davis20", "davis50", "davis7"]
    assert benchmark_names() == ["bunny", *davis, "folder", "samples", *uvg]
    for name in benchmark_names():
        assert manifest_of(name).name == name


def test_shipped_benchmarks_have_as_many_videos_and_frames_as_their_papers_say():
    videos = {name: manifest_of(name).videos for name in benchmark_names()}

    def counts(name):
        return len(videos[name]), sum(entry.frames or 0 for entry in videos[name])

    assert counts("uvg17") == counts("uvg17a") == (17, 132 + 14 * 600 + 2 * 300)
    assert counts("uvg8") == (8, 132 + 3900)
    assert counts("uvg7") == (7, 3900)
    assert counts("davis50") == (50, 3455)
    assert [counts(f"davis{n}")[0] for n in (7, 10, 20)] == [7, 10, 20]
    names = {name: [entry.name for entry in entries] for name, entries in videos.items()}
    assert set(names["uvg17"]) == set(names["uvg17a"])
    assert names["uvg17a"][:8] == names["uvg8"]
    assert names["davis50"] == sorted(names["davis50"])


def test_a_benchmark_takes_videos_of_another_by_name_and_adds_its_own(manifest, tmp_path):
    manifest("source: somewhere\nfolders: [sub, .]\nvideos: [{name: a, frames: 3}, {name: b}]")
    other = tmp_path / "other.yaml"
    other.write_text("of: own\nvideos: [b, {name: c}, a]")
    combined = manifest_of(str(other))
    assert [entry.name for entry in combined.videos] == ["b", "c", "a"]
    assert (combined.videos[2].frames, combined.source, combined.folders) == (3, "somewhere", ("sub", "."))
    for text, message in [
        ("of: own\nvideos: [z]", r"must be one of a, b, got 'z'"),
        ("videos: [z]", r"must be a mapping, or the benchmark say what it is of, got 'z'"),
        ("of: other\nvideos: [z]", r"of must name a benchmark beside it that is of no other itself, got 'other'"),
        ("of: ../secret\nvideos: [z]", r"of must name a benchmark beside it"),
    ]:
        other.write_text(text)
        with pytest.raises(VideoError, match=message):
            manifest_of(str(other))


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
        (f"videos: [{{name: {'a' * 300}}}]", "got 'a+', which is longer than 200 bytes"),
        ("a: !!python/object/apply:os.getcwd []", "tags such as .*os.getcwd are not read"),
    ],
)
def test_a_wrong_manifest_is_refused_by_key_and_rule(manifest, text, message):
    with pytest.raises(VideoError, match=message) as refusal:
        manifest_of(manifest(text))
    assert "\n" not in str(refusal.value)


def test_a_manifest_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(VideoError, match=r"none\.yaml: the benchmark cannot be read"):
        manifest_of(str(tmp_path / "none.yaml"))


def test_names_in_a_manifest_are_text_whatever_they_look_like(manifest):
    names = ["0010", "1e3", "no", "12:30", "2021_05_01", "1.10", "on"]
    path = manifest("videos: [" + ", ".join(f"{{name: {name}}}" for name in names) + "]")
    assert [entry.name for entry in manifest_of(path).videos] == names
