"""What a run will take, said before it is run."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from vcl import config as configs
from vcl import plan as planning
from vcl.cli import main
from vcl.errors import ConfigError
from vcl.plan import plan
from vcl.plan.calibrate import calibration_of
from vcl.plan.network import network_of
from vcl.report.costs import read_costs
from vcl.run import run_clips


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
def test_the_command_plans_in_text_and_in_json(tiny_config, stream, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(planning, "calibration_of", lambda config, macs: calibration_of(config, 10**12))  # Shortly.
    path = tmp_path / "replay.yaml"
    path.write_text(configs.to_yaml(tiny_config("replay", stream=stream, method={"buffer": 2})))
    assert main(["plan", str(path), "train.epochs=4", "--out", str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["method"] == "replay"
    assert found["steps"] == 4 * 3 + 3 * 2 + 3 * 3
    assert set(found["hours"]) == {"training", "evaluation", "overhead"}
    assert found["total_hours"] == sum(found["hours"].values()) > 0
    assert found["memory_bytes"] > 2**20
    assert not (tmp_path / "run").exists()


def test_the_command_says_what_is_not_known(tiny_config, manifest, tmp_path, capsys):
    path = tmp_path / "finetune.yaml"
    path.write_text(configs.to_yaml(tiny_config("finetune", stream={"benchmark": manifest})))
    assert main(["plan", str(path)]) == 2
    assert capsys.readouterr().err.startswith("vcl: unknown: it is not known how many frames it has; give stream.")


def test_a_plan_that_the_command_saved_is_read(tiny_config, stream, tmp_path, capsys, without_calibration):
    path = tmp_path / "own" / "wsn.yaml"
    path.parent.mkdir()
    path.write_text(configs.to_yaml(tiny_config("wsn", stream=stream)))
    saved = tmp_path / "plans"
    assert main(["plan", str(path), "train.epochs=3", "--save", str(saved)]) == 0
    assert capsys.readouterr().out == (saved / "own_wsn_train.epochs=3.txt").read_text()
    (cost,) = read_costs([saved])
    assert (cost.name, cost.config.train.epochs) == ("own_wsn_train.epochs=3", 3)
    assert cost.hours == json.loads((saved / f"{cost.name}.json").read_text())["hours"]
    assert str(tmp_path) not in (saved / f"{cost.name}.json").read_text()
    assert cost.machine
