"""One rule for the names of videos, at every door."""

import json
import os
import unicodedata

import pytest
from raw_video import SMALL

from vcl.config import StreamConfig
from vcl.datasets.names import name_fault
from vcl.datasets.prepare import prepare
from vcl.datasets.prepared import read_prepared
from vcl.datasets.resolve import manifest_of, resolve
from vcl.datasets.stream import open_stream
from vcl.errors import VideoError
from vcl.plan.frames import frame_counts
from vcl.video.transform import Transform

LATIN1 = os.fsdecode(b"caf\xe9")

BAD = {
    "clips\\one": "holds a slash, a backslash or a NUL",
    LATIN1: r"is not UTF-8 \(its bytes are b'caf\\xe9'\)",
    "two\nlines": "holds a line break or another control character",
    "bell\a": "holds a line break or another control character",
    "end\u2028": "holds a line break or another control character",
    " before": "begins or ends with a space",
    "after ": "begins or ends with a space",
    "dot.": "ends with a dot",
    "é" * 101: "is longer than 200 bytes",
}


@pytest.mark.parametrize("name", ["007", "été", "보행자", "中文", "می‌خواهم", "👩‍🚀", "a b", "x.y", "$a$", "é" * 100])
def test_a_name_may_be_text_of_any_alphabet(name):
    assert not name_fault(name)


@pytest.mark.parametrize("name", ["", "/", "a/b", "\0", ".", "..", ".hidden", *BAD])
def test_a_name_that_no_file_or_line_can_hold_is_none(name):
    assert name_fault(name)


@pytest.mark.parametrize("name", BAD)
def test_a_video_that_must_be_renamed_is_named_in_one_printable_line(tmp_path, write_folder, clip, name):
    (write_folder("frames", clip[:1])).rename(tmp_path / name)
    for door in (
        lambda: resolve("folder", tmp_path),
        lambda: prepare("folder", tmp_path, tmp_path / "out", Transform(24, 32)),
    ):
        with pytest.raises(VideoError, match=rf"a video with such a name must be renamed: .* {BAD[name]}") as refusal:
            door()
        assert str(refusal.value).isprintable()
    assert not (tmp_path / "out").exists()


def test_a_bad_name_is_no_matter_where_other_videos_are_chosen(tmp_path, write_folder, clip):
    write_folder("good", clip[:1])
    write_folder("bad ", clip[:1])
    assert [source.name for source in resolve("folder", tmp_path, ["good"])] == ["good"]


def test_names_that_differ_in_the_encoding_of_an_accent_are_one_name(tmp_path, write_folder, clip):
    decomposed = unicodedata.normalize("NFD", "é")
    write_folder(decomposed, clip[:1])
    assert resolve("folder", tmp_path, ["é"])[0].path == tmp_path / decomposed
    write_folder("é", clip[:1])
    with pytest.raises(VideoError, match=r"names of videos must differ, found .+ twice"):
        resolve("folder", tmp_path)


def test_a_root_that_is_not_utf_8_is_refused_in_one_printable_line(tmp_path, write_folder, clip):
    (tmp_path / LATIN1).mkdir()
    with pytest.raises(VideoError, match=r"stream.root must be renamed, since it is not UTF-8") as no:
        resolve("folder", tmp_path / LATIN1)
    assert str(no.value).isprintable()


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "C:\\x", "..\\x", '"a\\0b"'])
@pytest.mark.parametrize(
    "where", ["videos: [{{name: a, path: {0}}}]", "videos: [{{name: a, aliases: [{0}]}}]", "folders: [{0}]"]
)
def test_a_manifest_keeps_to_its_root(manifest, path, where):
    with pytest.raises(
        VideoError, match=r"own\.yaml.*: a path must stay inside the root, without \.\. and not absolute"
    ):
        manifest_of(manifest(where.format(path)))


def test_a_link_inside_the_root_may_lead_anywhere(tmp_path, manifest, write_folder, clip):
    target = write_folder("elsewhere", clip[:1])
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").symlink_to(target)
    assert resolve(manifest("videos: [{name: a}]"), root)[0].path == root / "a"


@pytest.mark.parametrize("videos", [(), ("after ",)])
def test_a_plan_refuses_a_name_as_a_run_does(tmp_path, write_folder, clip, videos):
    write_folder("after ", clip[:1])
    config = StreamConfig("folder", str(tmp_path), videos=videos, size=(16, 16), frames=1)
    for door in (open_stream, frame_counts):
        with pytest.raises(VideoError, match=r"'after ' begins or ends with a space, or ends with a dot$"):
            door(config)


@pytest.mark.parametrize("name", ["../escaped", "/absolute", "a\\b", ".hidden"])
def test_a_name_that_would_lie_elsewhere_is_refused(source, manifest, tmp_path, name):
    with pytest.raises(VideoError, match=r"a name must be that of one file, got .*, which (holds a slash|is hidden)"):
        prepare(manifest(f"videos: [{{name: '{name}', path: x}}]"), source, tmp_path / "out", SMALL)
    video = {"frames": 1, "sha256": "0" * 64, "stamp": "", "source": "", "source_sha256": "", "source_stamp": ""}
    record = {"version": 1, "transform": {"height": 1, "width": 1}}
    (source / "prepared.json").write_text(
        json.dumps({**record, "videos": {name: {**video, "source_size": [1, 1], "rate": None}}})
    )
    with pytest.raises(VideoError, match="a name must be that of one file"):
        read_prepared(source)
