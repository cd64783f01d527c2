"""The record of a prepared folder: what it says, how clips are mapped by it, and its verification."""

import hashlib
import json
import os

import numpy as np
import pytest
from raw_video import SMALL, planes

from vcl.datasets.prepare import prepare
from vcl.datasets.prepared import prepared_clip, read_prepared, verify
from vcl.datasets.resolve import resolve
from vcl.errors import VideoError
from vcl.video.transform import Transform


def test_the_digest_of_the_first_frames_is_computed_once(source, tmp_path, benchmark, monkeypatch):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    out = tmp_path / "out"

    def leading_clip():
        return prepared_clip(resolve(benchmark, out, ["bee"])[0], Transform(12, 16, frames=3))

    prepare(benchmark, source, out, SMALL, videos=["bee"])
    first = leading_clip().sha256
    assert first == hashlib.sha256(np.load(out / "bee.npy")[:3].tobytes()).hexdigest()
    with monkeypatch.context() as patched:
        patched.setattr("vcl.datasets.prepared.hashlib.sha256", None)
        patched.setattr(
            "vcl.datasets.prepared.stamp", lambda path: json.loads((out / "leading.json").read_text())["bee:3"]["stamp"]
        )
        assert leading_clip().sha256 == first
    frames = np.load(out / "bee.npy", mmap_mode="r+")
    frames[0] ^= 1
    frames.flush()
    os.utime(out / "bee.npy", ns=(1, 1))
    assert leading_clip().sha256 == hashlib.sha256(frames[:3].tobytes()).hexdigest() != first


def test_a_prepared_folder_that_cannot_be_written_is_read(source, tmp_path, benchmark, monkeypatch):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    out = tmp_path / "out"
    prepare(benchmark, source, out, SMALL, videos=["bee"])

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("vcl.datasets.prepared.remember", refused)
    assert len(prepared_clip(resolve(benchmark, out, ["bee"])[0], Transform(12, 16, frames=3)).frames) == 3
    assert not (out / "leading.json").exists()


def test_an_older_record_without_layouts_is_read(source, tmp_path, write_folder, clip):
    write_folder("downloads/dog", clip[:4])
    videos = prepare("folder", source, tmp_path / "out", SMALL)
    record = json.loads((tmp_path / "out" / "prepared.json").read_text())
    del record["videos"]["dog"]["source_raw"]
    (tmp_path / "out" / "prepared.json").write_text(json.dumps(record))
    assert prepare("folder", source, tmp_path / "out", SMALL, progress=lambda *_: pytest.fail("again")) == videos


def test_verification_names_what_is_missing_changed_or_not_recorded(source, tmp_path, benchmark, write_folder, clip):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    write_folder("downloads/dog", clip[:4, :24, :32])
    out = tmp_path / "out"
    prepare(benchmark, source, out, SMALL)
    assert dict(verify(out)) == {"bee": "", "dog": ""}
    frames = np.load(out / "bee.npy", mmap_mode="r+")
    frames[-1, -1, -1, -1] ^= 1
    frames.flush()
    (out / "dog.npy").rename(out / "cat.npy")
    problems = dict(verify(out))
    assert problems["bee"].startswith("bee.npy has other frames than were prepared: SHA-256 ")
    assert problems["dog"] == "dog.npy is missing"
    assert problems["cat"] == "cat.npy is not recorded in prepared.json"
    with pytest.raises(VideoError, match=r"must be a prepared folder, found no prepared\.json in it"):
        list(verify(source))


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"version": 2}',
        '{"version": 1, "videos": {}}',
        '{"version": 1, "videos": {"a": {"source_size": [1e999, 2]}}}',
        '{"version": 1, "videos": {"a": {"frames": "4", "sha256": "00", "stamp": "", "source": "", "source_sha256": "",'
        ' "source_stamp": "", "source_size": [4, 4], "rate": null}}, "transform": {"height": 4, "width": 4}}',
        "[" * 9999,
    ],
)
def test_a_damaged_record_is_refused(tmp_path, content):
    (tmp_path / "prepared.json").write_text(content)
    with pytest.raises(VideoError, match=r"prepared\.json: the record of a prepared folder cannot be read"):
        read_prepared(tmp_path)


def test_an_array_that_is_damaged_or_of_another_length_fails_the_verification_and_is_not_mapped(
    source, tmp_path, benchmark
):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    out = tmp_path / "out"
    prepare(benchmark, source, out, SMALL, videos=["bee"])
    array = np.load(out / "bee.npy")
    np.save(out / "bee.npy", array[:3])
    assert dict(verify(out)) == {"bee": "bee.npy must be (4, 3, 12, 16), found (3, 3, 12, 16)"}
    (prepared,) = resolve(benchmark, out, ["bee"])
    with pytest.raises(VideoError, match=r"bee\.npy: must be 4 frames as prepared\.json says, found \(3, 3, 12, 16\)"):
        prepared_clip(prepared, SMALL)
    (out / "bee.npy").write_bytes(b"no array")
    assert "bee.npy: the array of frames cannot be read" in dict(verify(out))["bee"]
