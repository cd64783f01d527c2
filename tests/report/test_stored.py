import json

import pytest
from fake_run import a_matrix, closed, footprint

from vcl.codec.footprint import Footprint, SessionBytes
from vcl.errors import VclError
from vcl.export import export
from vcl.report import stored
from vcl.report.stored import FILE, footprint_of, keep_footprint, stored_bytes
from vcl.run import run_clips
from vcl.rundir import RunFolder

SESSION = SessionBytes("bear", 350, 30, 43, {"stem": {"weight": 300.0, "mask": 10.0}, "conv": {"weight": 50.0}})


def test_bytes_are_summed_by_kind_and_by_layer():
    two = Footprint((SESSION, SessionBytes("swan", 2, 1, 503, {"stem": {"weight": 2.0, "mask": 1.0}})))
    assert two.by_kind() == {"weight": 352, "mask": 31, "side": 546}
    assert two.total == 929
    assert two.first(1).total == 423
    assert two.by_layer() == {"stem": {"weight": 302, "mask": 11}, "conv": {"weight": 50}}


@pytest.mark.parametrize(
    ("method", "knobs"),
    [
        ("wsn", {"bits": 6}),
        ("wsn", {}),
        ("wsn", {"bits": 5, "mask_unit": "kernel"}),
        ("residual", {}),
        ("single", {"bits": 8}),
        ("finetune", {}),
    ],
)
def test_a_footprint_is_that_of_the_file_that_the_run_exports_to(method, knobs, tiny_config, clips, tmp_path):
    folder = run_clips(tiny_config(method, method=knobs, train={"epochs": 1}), clips, tmp_path / "run")
    export(folder, tmp_path / "run.vcl", strict=False)
    measured = footprint_of(folder)
    assert measured.total == (tmp_path / "run.vcl").stat().st_size
    assert [session.video for session in measured.sessions] == [clip.name for clip in clips]
    kinds = measured.by_kind()
    assert (kinds["mask"] > 0) == (method in ("wsn", "packnet"))
    assert kinds["weight"] > 0
    by_layer = sum(sizes["weight"] for sizes in measured.by_layer().values())
    # What belongs to the stream as a whole is in no layer.
    assert 0.9 * kinds["weight"] - 2000 < by_layer <= kinds["weight"]
    assert min(session.side for session in measured.sessions) > 64  # Two hashes are among it.


def test_a_method_that_overwrites_its_network_stores_the_latest(tiny_config, clips, tmp_path):
    folder = run_clips(tiny_config("finetune", train={"epochs": 1}), clips, tmp_path / "run")
    *earlier, last = footprint_of(folder).sessions
    assert [session.by_kind()["weight"] for session in earlier] == [0, 0]
    assert 0 < last.by_kind()["weight"] - folder.session_bytes(2)["weight"] < 64


def test_a_buffer_is_counted_beside_the_library(tiny_config, clips, tmp_path):
    config = tiny_config("replay", method={"buffer": 3}, train={"epochs": 1})
    folder = run_clips(config, clips, tmp_path / "run")
    sizes = stored_bytes(folder, 3)
    assert sizes["buffer"] == folder.session_bytes(2)["buffer"] > 0
    assert sum(sizes.values()) == footprint_of(folder).total + sizes["buffer"]


def test_a_run_is_exported_once(tiny_config, clips, tmp_path, monkeypatch):
    folder = run_clips(tiny_config("wsn", train={"epochs": 1}), clips, tmp_path / "run")
    measured = footprint_of(folder)
    monkeypatch.setattr(stored, "_measured", lambda folder: pytest.fail("exported again"))
    assert footprint_of(folder) == measured


def test_kept_bytes_hold_for_as_long_as_the_sessions_do(masked, monkeypatch):
    anew = Footprint((SESSION,) * 3)
    monkeypatch.setattr(stored, "_measured", lambda folder: anew)
    assert footprint_of(masked) == footprint(a_matrix())
    masked.record({**closed(2, "swan"), "state_sha256": "cd"})
    assert footprint_of(masked) == anew
    assert json.loads((masked.path / FILE).read_text())["key"][1:] == ["ab", "ab", "cd"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key": 3}', '{"sessions": [{}]}', "\0", "[" * 100_000])
def test_a_kept_file_that_is_something_else_is_made_again(content, masked, monkeypatch):
    anew = Footprint((SESSION,) * 3)
    monkeypatch.setattr(stored, "_measured", lambda folder: anew)
    (masked.path / FILE).write_text(content)
    assert footprint_of(masked) == anew
    monkeypatch.setattr(stored, "_measured", lambda folder: pytest.fail("exported again"))
    assert footprint_of(masked) == anew


def test_a_folder_that_cannot_be_written_is_read_all_the_same(masked, monkeypatch):
    anew = Footprint((SESSION,) * 3)
    monkeypatch.setattr(stored, "_measured", lambda folder: anew)
    (masked.path / FILE).unlink()
    (masked.path / FILE).mkdir()  # Even for root.
    assert footprint_of(masked) == anew
    assert list((masked.path / FILE).iterdir()) == []


def test_sessions_without_a_hash_are_measured_each_time(make_run, monkeypatch):
    run = make_run()
    run.record({**closed(2, "swan"), "state_sha256": None})
    keep_footprint(run, Footprint(()))
    monkeypatch.setattr(stored, "_measured", lambda folder: Footprint((SESSION,)))
    assert footprint_of(run).sessions == (SESSION,)


def test_bytes_can_be_counted_as_they_were_after_an_earlier_session(masked, dense):
    assert stored_bytes(masked, 3) == {"weight": 900, "mask": 39, "side": 608, "buffer": 0}
    assert stored_bytes(masked, 2) == {"weight": 700, "mask": 26, "side": 572, "buffer": 0}
    assert stored_bytes(dense, 3) == {"weight": 200, "mask": 0, "side": 608, "buffer": 0}


def test_a_run_that_cannot_be_exported_is_named(masked):
    (masked.path / FILE).unlink()
    with pytest.raises(VclError, match=r"run cannot be exported: stream.size must be multiples of 80"):
        footprint_of(masked)


def test_bytes_counted_while_a_session_closes_are_counted_again(tiny_config, clips, tmp_path):
    config = tiny_config("wsn", method={"bits": 6}, train={"epochs": 1})
    sizes = []

    def count(event):
        # The second session is told of, and its file is not there yet.
        if event["kind"] == "session" and event["session"] == 1:
            sizes.append(footprint_of(RunFolder.existing(tmp_path / "run")).total)

    folder = run_clips(config, clips[:2], tmp_path / "run", lambda _: [count])
    assert sizes[0] < footprint_of(folder).total
    export(folder, tmp_path / "run.vcl", strict=False)
    assert footprint_of(folder).total == (tmp_path / "run.vcl").stat().st_size
