"""What a run will take, said before it is run. No test here asserts a time."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from vcl import config as configs
from vcl import plan as planning
from vcl.cli import main
from vcl.config import StreamConfig
from vcl.datasets.prepare import prepare
from vcl.datasets.stream import open_stream
from vcl.errors import ConfigError, VclError, VideoError
from vcl.plan import plan
from vcl.plan.calibrate import calibration_of, measure, shortened
from vcl.plan.calibration import Calibration, PeakMemory, RowTimes, SessionTimes
from vcl.plan.frames import frame_counts, to_decode
from vcl.plan.hours import seconds_of
from vcl.plan.machine import peak_memory
from vcl.plan.network import macs_of, network_of, state_kind_of
from vcl.plan.stored import session_files
from vcl.plan.work import work_of
from vcl.report.summary import stored_bytes, total_bytes
from vcl.run import run_clips
from vcl.sessions.methods import METHODS
from vcl.video.cache import Clip
from vcl.video.pixels import write_png
from vcl.video.transform import Transform

LENGTHS = (5, 4, 6)

CALIBRATION = Calibration(
    seconds=1.0,
    start=100.0,
    session=SessionTimes(
        begin=10.0, first_step=1.0, later_step=2.0, rehearsed=1, end=5.0, end_frame=0.5, save=3.0, seal=7.0
    ),
    row=RowTimes(fixed=20.0, per_session=0.25, frame=0.125, sampled_frame=0.0625),
    memory=PeakMemory(process=10**6, frames=0),
    checkpoint=1000,
)


@pytest.fixture
def without_calibration(monkeypatch):
    """Plans at once, with numbers that are not measured."""
    monkeypatch.setattr(planning, "calibration_of", lambda config, macs: CALIBRATION)


@pytest.mark.parametrize(
    ("words", "weights"),
    [
        (["method.name=wsn"], 12_544_256),
        (["method.name=pfnr", "backbone.operator_block=1"], 14_149_888),
        (["method.name=pfnr", "backbone.operator_block=2"], 50_391_296),
        (["method.name=pfnr", "backbone.operator_block=3"], 145_254_656),
        (["method.name=pfnr", "backbone.operator_block=1", "backbone.operator_path=only"], 11_327_488),
        (["method.name=pfnr", "backbone.operator_block=2", "backbone.operator_path=only"], 50_004_224),
        (["method.name=pfnr", "backbone.operator_block=3", "backbone.operator_path=only"], 144_922_880),
    ],
)
def test_the_papers_networks_have_the_papers_numbers_of_weights(words, weights, tmp_path, without_calibration):
    found = plan(configs.load(None, [*words, "stream.frames=1"]), tmp_path / "run")
    assert found.network.shared_parameters == weights
    assert found.network.head_parameters == 3 * 288
    assert found.network.parameters == weights + 3 * 288


def test_operations_of_a_tiny_network_by_hand(tiny_config):
    stem = 24 * 16 + 16 * 768
    block_1 = (8 * 12) * 9 * 8 * 32
    operator = 2 * (4 * 6) * 4 * 8 * 8
    block_2 = (16 * 24) * 9 * 8 * 24
    head_before_the_shuffle = (16 * 24) * 24 * 12
    assert macs_of(tiny_config("wsn")) == stem + block_1 + block_2 + head_before_the_shuffle
    assert macs_of(tiny_config()) == macs_of(tiny_config("wsn")) + operator


@pytest.mark.parametrize("method", METHODS)
def test_steps_and_frames_and_bytes_are_those_of_a_real_run(method, tiny_config, clips, tmp_path):
    knobs = {"buffer": 5} if hasattr(tiny_config(method).method, "buffer") else {}
    knobs |= {"margin": 1e9} if method == "esmer" else {"session_bytes": 9_000} if method == "single_matched" else {}
    config = tiny_config(method, method=knobs, train={"lr": 1e-6})
    work = work_of(config, LENGTHS)
    folder = run_clips(config, clips, tmp_path / "run")
    sessions, rows = folder.events("session"), folder.matrix()["rows"]
    last = {event["session"]: event["step"] for event in folder.events("epoch")}
    assert [done.steps for done in work] == [last.get(session, 0) for session in range(3)]
    assert [done.trained_on for done in work] == [event["trained_on"] for event in sessions]
    assert [done.measured for done in work] == [row.get("decoded", 0) for row in rows]
    queries = [folder.read_session(session)[0].get("buffer/query", ()) for session in range(3)]
    assert [session.buffered for session in work] == [len(query) for query in queries]
    planned = total_bytes(session_files(config, [clip.name for clip in clips], work), state_kind_of(config))
    stored = stored_bytes(folder)
    if state_kind_of(config) == "shared_masked" and method != "packnet":
        assert planned["weight"] == pytest.approx(stored["weight"], rel=0.03)
        planned["weight"] = stored["weight"]
        assert planned["container"] == pytest.approx(stored["container"], abs=48)
        planned["container"] = stored["container"]
    assert planned == stored


@pytest.mark.parametrize("verify_frames", [1, 4, 5, 9])
@pytest.mark.parametrize("upper", [True, False])
def test_frames_that_are_decoded_for_their_hash_are_those_of_a_real_run(verify_frames, upper, tiny_config, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (13, 3, 32, 48), np.uint8)
    clips = [Clip("a", noise, ""), Clip("b", noise[:4], ""), Clip("c", noise[:6], "")]
    matrix = {"verify": "hash", "verify_frames": verify_frames, "upper": upper}
    config = tiny_config("single", train={"epochs": 1}, matrix=matrix)
    folder = run_clips(config, clips, tmp_path / "run")
    work = work_of(config, [13, 4, 6])
    assert [done.measured + done.sampled for done in work] == [row["decoded"] for row in folder.matrix()["rows"]]


def test_masks_that_keep_their_scores_store_at_most_what_is_planned(tiny_config, clips, tmp_path, without_calibration):
    config = tiny_config("wsn", method={"reinit": False}, stream={"videos": ["a", "b", "c"], "frames": 5})
    config = replace(config, stream=replace(config.stream, benchmark="folder"))
    found = plan(config, tmp_path / "run")
    assert found.stored.at_most
    assert "at most" in found.to_text()
    folder = run_clips(config, clips, tmp_path / "run")
    assert stored_bytes(folder)["weight"] < found.stored.stored["weight"]


def test_seconds_by_hand(tiny_config):
    config = tiny_config("replay", method={"buffer": 5, "rehearse": 2}, matrix={"upper": False})
    work = work_of(config, [4, 2])
    assert [(done.steps, done.rehearsed, done.measured) for done in work] == [(3 * 2, 0, 4), (2 * 1, 2, 6)]
    later_step = 1.0 + (2.0 - 1.0) * 2 / 1
    training = (10 + 6 * 1.0 + 5 + 4 * 0.5) + (10 + 2 * later_step + 5 + 2 * 0.5)
    evaluation = (20 + 0.25 + 4 * 0.125) + (20 + 2 * 0.25 + 6 * 0.125)
    found = seconds_of(config, work, CALIBRATION)
    assert found == {"training": training, "evaluation": evaluation, "around": 100 + 2 * 7}
    often = replace(config, train=replace(config.train, checkpoint_seconds=2.0))
    assert seconds_of(often, work, CALIBRATION)["training"] == training + (6 // 2) * 3 + (2 * 3 // 3) * 3


def test_the_twins_of_forward_transfer_are_counted_as_measuring(tiny_config):
    config = tiny_config("finetune", matrix={"transfer_epochs": 2, "upper": False})
    without = seconds_of(replace(config, matrix=replace(config.matrix, transfer_epochs=0)), [], CALIBRATION)
    assert seconds_of(config, [], CALIBRATION) == without
    work = work_of(config, [4, 2])
    plain = seconds_of(replace(config, matrix=replace(config.matrix, transfer_epochs=0)), work, CALIBRATION)
    found = seconds_of(config, work, CALIBRATION)
    twin = 10 + 2 * 1 * 1.0 + 2 * 0.125
    assert found["evaluation"] - plain["evaluation"] == (4 + 2) * 0.125 + twin


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_calibrated(method, tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.plan.calibrate.MACS", 1.0)
    config = tiny_config(method)
    found = measure(config, 10**6, tmp_path / "run", 0.0)
    assert min(found.session.first_step, found.session.later_step, found.session.save) > 0
    assert found.row.sampled_frame > 0
    assert found.memory.process > 0
    assert found.undescribed == {}
    assert Calibration.from_json(found.to_json()) == found
    rehearses = method in ("lwf", "replay", "der", "icarl", "esmer", "agem", "gem")
    assert found.session.rehearsed == (1 if rehearses else 0)


def test_a_calibration_is_shorter_where_a_frame_is_more_work(tiny_config):
    config = tiny_config()
    (small, few, decoded), (large, fewer, _) = shortened(config, 10**6), shortened(config, 10**12)
    assert small.train.epochs > large.train.epochs == 2
    assert few > fewer
    assert decoded % 4 == 0
    assert fewer[0] != fewer[1]


@pytest.mark.process
def test_a_run_that_cannot_start_is_told_of_in_one_line(tiny_config):
    with pytest.raises(
        VclError, match=r"to be planned, but it said: train.device must be on this machine, got cuda:99"
    ):
        calibration_of(tiny_config(train={"device": "cuda:99"}), 10**6)


@pytest.fixture
def manifest(tmp_path):
    """A benchmark whose videos are not here."""
    path = tmp_path / "own.yaml"
    videos = [{"name": "known", "frames": 100}, {"name": "unknown"}]
    path.write_text(yaml.safe_dump({"videos": videos}))
    return str(path)


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


def test_videos_stand_in_the_order_of_their_sessions(tiny_config, stream, tmp_path, without_calibration):
    config = tiny_config("finetune", stream={**stream, "order": "shuffled", "order_seed": 1})
    folder = run_clips(replace(config, train=replace(config.train, epochs=1)), _opened(config), tmp_path / "run")
    assert list(plan(config, tmp_path / "run").frames) == folder.matrix()["videos"]


def _opened(config):
    from vcl.datasets.stream import open_stream

    return open_stream(config.stream)


def test_what_does_not_fit_is_warned_of(tiny_config, stream, tmp_path, monkeypatch, without_calibration):
    config = tiny_config("finetune", stream=stream)
    assert plan(config, tmp_path / "run").warnings == ()
    monkeypatch.setattr(planning, "available_memory", lambda: 1000)
    monkeypatch.setattr("vcl.plan.machine.shutil.disk_usage", lambda _: SimpleNamespace(free=2000))
    memory, disk = plan(config, tmp_path / "run").warnings
    assert memory.startswith("memory: the run needs ")
    assert "this machine has 1000 B" in memory
    assert disk.startswith(f"disk: {tmp_path / 'run'} and {stream['cache']} may need ")
    assert disk.endswith("and 2.0 KiB are free")


def test_a_calibration_that_is_killed_is_a_warning(tiny_config, stream, tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.plan.calibrate.sys.executable", _dying(tmp_path))
    found = plan(tiny_config("finetune", stream=stream), tmp_path / "run")
    assert (found.time.hours, found.time.total_hours, found.memory.memory_bytes) == ({}, None, None)
    assert found.warnings[0].startswith("memory: the calibration was ended by signal 9")
    assert "time        not measured" in found.to_text()


def _dying(folder):
    path = folder / "dying"
    path.write_text("#!/bin/sh\nkill -9 $$\n")
    path.chmod(0o755)
    return str(path)


def test_more_frames_and_sessions_need_more_memory(tiny_config, tmp_path, without_calibration):
    def memory(method="single", frames=5, videos=3, **sections):
        stream = {"benchmark": "folder", "videos": [str(number) for number in range(videos)], "frames": frames}
        return plan(tiny_config(method, stream=stream, **sections), tmp_path / "run").memory.memory_bytes

    a_frame = 3 * 32 * 48
    assert memory(frames=15) - memory(frames=5) == 10 * a_frame
    weights = 4 * sum(shape.numel() for shape in network_of(tiny_config("single"), 1).shapes().values())
    assert memory(videos=4) - memory(videos=3) == 2 * (weights + 4 * 18)
    assert memory("joint", videos=4) - memory("joint", videos=3) == 5 * a_frame
    assert memory("finetune", videos=4) == memory("finetune", videos=3)
    assert memory("icarl") - memory("replay") == 2 * 5 * a_frame


def test_a_method_that_cannot_learn_so_many_videos_is_refused(tiny_config, stream, tmp_path):
    config = tiny_config("gem", stream=stream, method={"buffer": 1})
    with pytest.raises(ConfigError, match=r"method.buffer must be at least 2 for gem, got 1"):
        plan(config, tmp_path / "run")


@pytest.mark.process
def test_the_command_plans_in_text_and_in_json(tiny_config, stream, tmp_path, capsys):
    path = tmp_path / "replay.yaml"
    path.write_text(configs.to_yaml(tiny_config("replay", stream=stream, method={"buffer": 2})))
    assert main(["plan", str(path), "train.epochs=4", "--out", str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["method"] == "replay"
    assert found["steps"] == 4 * 3 + 3 * 2 + 3 * 3
    assert set(found["hours"]) == {"training", "evaluation", "around"}
    assert found["total_hours"] == sum(found["hours"].values()) > 0
    assert found["memory_bytes"] > 2**20
    assert not (tmp_path / "run").exists()


def test_the_command_says_what_is_not_known(tiny_config, manifest, tmp_path, capsys):
    path = tmp_path / "finetune.yaml"
    path.write_text(configs.to_yaml(tiny_config("finetune", stream={"benchmark": manifest})))
    assert main(["plan", str(path)]) == 2
    assert capsys.readouterr().err.startswith("vcl: unknown: it is not known how many frames it has; give stream.")


def test_the_most_memory_that_was_held_is_what_the_system_says_of_this_process_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.plan.machine.Path", lambda path: tmp_path / path[1:].replace("/", "-"))
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=9))
    monkeypatch.setattr("sys.platform", "linux")
    assert peak_memory() == 9 * 1024
    (tmp_path / "proc-self-status").write_text("VmPeak:\t 9000 kB\nVmHWM:\t    5 kB\nVmRSS:\t    4 kB\n")
    assert peak_memory() == 5 * 1024


def test_the_most_memory_is_in_bytes_on_a_mac(tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.plan.machine.Path", lambda path: tmp_path / "missing")
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=9))
    monkeypatch.setattr("sys.platform", "darwin")
    assert peak_memory() == 9
