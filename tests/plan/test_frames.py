"""Lengths of videos, without decoding them."""

import numpy as np
import pytest
import yaml

from vcl.config import StreamConfig
from vcl.datasets.prepare import prepare
from vcl.datasets.stream import open_stream
from vcl.errors import VideoError
from vcl.plan.frames import frame_counts, to_decode
from vcl.video.pixels import write_png
from vcl.video.transform import Transform


def test_frames_are_those_of_the_manifest_where_the_videos_are_not_here(manifest):
    def counts(**knobs):
        return frame_counts(StreamConfig(benchmark=manifest, videos=("known",), **knobs))["known"]

    assert counts() == 100
    assert counts(start=10, stride=7) == 13
    assert counts(start=10, stride=7, frames=5) == 5
    with pytest.raises(
        VideoError, match=r"known: asked for frames 10\.\.101 but the clip of its benchmark has 100; stream"
    ):
        counts(start=10, stride=7, frames=14)


def test_a_length_that_nobody_says_is_asked_for(manifest):
    with pytest.raises(VideoError, match=r"unknown: it is not known .* give stream.frames, or stream.root to count"):
        frame_counts(StreamConfig(benchmark=manifest))
    assert frame_counts(StreamConfig(benchmark=manifest, frames=9)) == {"known": 9, "unknown": 9}
    assert frame_counts(StreamConfig(benchmark="folder", videos=("a", "b"), frames=9)) == {"a": 9, "b": 9}
    with pytest.raises(VideoError, match=r"needs a root.*; give stream.root, or stream.videos and stream.frames"):
        frame_counts(StreamConfig(benchmark="folder", frames=9))


def test_videos_that_are_here_are_counted_and_not_decoded(stream, tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.video.transform.read_frames", None)
    assert frame_counts(StreamConfig(**stream)) == {"clip0": 5, "clip1": 4, "clip2": 6}
    package = StreamConfig(benchmark="samples", videos=("bikes",))
    assert frame_counts(package) == {"bikes": 250}
    raw = tmp_path / "raw.yaml"
    raw.write_text(yaml.safe_dump({"raw": {"height": 4, "width": 4}, "videos": [{"name": "a", "path": "a.yuv"}]}))
    (tmp_path / "a.yuv").write_bytes(bytes(24 * 7))
    assert frame_counts(StreamConfig(benchmark=str(raw), root=str(tmp_path))) == {"a": 7}


@pytest.mark.parametrize("form", ["prepared", "raw", "folder"])
def test_frames_that_are_not_there_are_refused_as_the_run_would(form, tmp_path):
    (tmp_path / "a.yuv").write_bytes(bytes(384 * 7))
    path = "a" if form == "folder" else "a.yuv"
    raw = {"height": 16, "width": 16}
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"raw": raw, "videos": [{"name": "a", "path": path, "frames": 99}]}))
    root = tmp_path
    if form == "prepared":
        root = tmp_path / "out"
        prepare(str(own), tmp_path, root, Transform(16, 16), as_found=True)
    elif form == "folder":
        (tmp_path / "a").mkdir()
        for t in range(7):
            write_png(tmp_path / "a" / f"{t}.png", np.zeros((3, 16, 16), np.uint8))

    def stream(**knobs):
        return StreamConfig(str(own), str(root), size=(16, 16), cache=str(tmp_path / "cache"), **knobs)

    for knobs in ({"frames": 7}, {"frames": 3, "start": 2, "stride": 2}):
        assert frame_counts(stream(**knobs)) == {"a": len(open_stream(stream(**knobs))[0].frames)}
    beyond = [{"frames": 8}, {"frames": 4, "start": 2, "stride": 2}]
    for knobs in beyond if form == "prepared" else [*beyond, {}]:
        for read in (open_stream, frame_counts):
            with pytest.raises(VideoError, match=r"^a: "):
                read(stream(**knobs))


def test_whole_prepared_videos_are_not_read_to_plan(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((5, 3, 16, 16), np.uint8))
    prepare("folder", tmp_path, tmp_path / "out", Transform(16, 16))
    monkeypatch.setattr("vcl.datasets.prepared.frame_array", None)

    def decoded(**knobs):
        return to_decode(StreamConfig("folder", str(tmp_path / "out"), **{"size": (16, 16), **knobs}), ["a"])

    assert decoded() == decoded(frames=3) == []
    assert decoded(frames=3, start=1) == decoded(size=(16, 32)) == ["a"]


def test_a_file_that_does_not_know_its_length_is_counted_by_packets(tmp_path):
    from vcl.datasets.resolve import resolve

    source = resolve("samples", None, ["carphone"])[0]
    (tmp_path / "carphone.mp4").symlink_to(source.path)
    assert frame_counts(StreamConfig(benchmark="folder", root=str(tmp_path))) == {"carphone": 120}
    (tmp_path / "carphone.mp4").unlink()
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"broken\.mp4: cannot be opened as a video"):
        frame_counts(StreamConfig(benchmark="folder", root=str(tmp_path)))
