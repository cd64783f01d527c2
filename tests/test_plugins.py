"""A method, a backbone and a benchmark from outside the package: a file each, known to every command."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints

import pytest
import yaml
from fake_run import a_matrix, fill
from plugin_files import BACKBONE, BENCHMARK, MANIFEST, METHOD, PLUGINS
from session_files import file_bytes

from vcl import config as configs
from vcl.backbones import BACKBONES as NETWORKS
from vcl.backbones import Backbone
from vcl.cli import main
from vcl.config import BackboneConfig, registry
from vcl.config.backbones import BACKBONES
from vcl.config.benchmarks import BENCHMARKS
from vcl.config.methods import METHODS
from vcl.config.plugins import VARIABLE
from vcl.datasets.resolve import benchmark_names, manifest_of
from vcl.errors import ConfigError
from vcl.plan.calibrate import calibration_of
from vcl.rundir import RunFolder
from vcl.sessions.methods import METHODS as STRATEGIES
from vcl.sessions.strategy import VideoStrategy

DATACLASS_LINE = BACKBONE.splitlines().index("@dataclass(frozen=True)") + 1


@pytest.fixture
def here(tmp_path, monkeypatch, tiny_config, stream):
    """A working folder with a config, a grid of it, a manifest and the three plugins, named after what they add."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vcl.plan.calibration_of", lambda config, macs: calibration_of(config, 10**12))  # Shortly.
    config = configs.to_dict(tiny_config("finetune", stream={**stream, "videos": ["clip1", "clip0"]}))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "birds.yaml").write_text(MANIFEST)
    for kind, (text, _, settings) in PLUGINS.items():
        (tmp_path / f"{kind}.py").write_text(text)
        axes = {"axes": {kind: {"own": settings}}}
        (tmp_path / f"{kind}.grid.yaml").write_text(yaml.safe_dump({"config": "run.yaml", **axes}))
    return tmp_path


def forget():
    implementations = (METHODS.implementations, BACKBONES.implementations)
    for table in (METHODS.known, BACKBONES.known, BENCHMARKS.known, *implementations):
        for _, name, _ in PLUGINS.values():
            table.pop(name, None)


def vcl(*words):
    """A command that knows no plugin of the commands before it, as in a process of its own."""
    forget()
    return main(list(words))


@pytest.mark.process
@pytest.mark.parametrize("kind", PLUGINS)
def test_what_a_plugin_adds_is_run_planned_compared_drawn_and_decoded_like_every_other(here, capsys, monkeypatch, kind):
    monkeypatch.setattr("vcl.report.figures.style.figure_bytes", lambda figure, kind: kind.encode())
    _, name, settings = PLUGINS[kind]
    plugin = ["--plugin", f"{kind}.py"]
    assert vcl("run", "run.yaml", *plugin, *settings, "--out", "alone") == 0
    assert vcl("grid", f"{kind}.grid.yaml", *plugin, "--out", "grid") == 0
    alone, cell = ([*(here / run / "sessions").iterdir()] for run in ("alone", "grid/own"))
    assert len(alone) == 2
    assert sorted(path.read_bytes() for path in alone) == sorted(path.read_bytes() for path in cell)
    capsys.readouterr()
    assert vcl("plan", "run.yaml", *plugin, *settings, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert list(plan["frames"].items()) == [("clip1", 4), ("clip0", 5)]
    assert sum(plan["stored"].values()) == sum(file_bytes(RunFolder(here / "alone")).values())
    assert vcl("compare", "alone", "grid", *plugin) == 0
    assert vcl("plot", "alone", *plugin) == 0
    assert vcl("decode", "alone", "-o", "decoded", *plugin) == 0
    assert sorted(path.name for path in (here / "decoded").iterdir()) == ["clip0", "clip1"]
    capsys.readouterr()
    assert vcl("list", f"{kind}s", *plugin) == 0
    assert f"{name} " in capsys.readouterr().out


def test_plugins_of_all_kinds_go_together_and_with_a_method_of_vcl(here, capsys):
    plugins = [word for kind in PLUGINS for word in ("--plugin", f"{kind}.py")]
    settings = [word for _, _, settings in PLUGINS.values() for word in settings]
    assert vcl("run", "run.yaml", *plugins, *settings, "--out", "all") == 0
    capsys.readouterr()
    masked = [*settings[2:], "method.name=wsn", "method.capacity=0.5", "--out", "wsn"]
    assert vcl("run", "run.yaml", *plugins, *masked) == 0
    assert "nothing forgotten: 1 of 1 earlier videos decode bit for bit as sealed" in capsys.readouterr().out


@pytest.mark.process
def test_the_environment_names_plugins_of_every_process(here, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    assert vcl("list", "benchmarks", "--plugin", "benchmark.py") == 0
    assert os.environ[VARIABLE] == ""
    command = [sys.executable, "-m", "vcl", "list", "benchmarks"]
    named = {**os.environ, VARIABLE: f"{here / 'benchmark.py'}{os.pathsep}{here / 'method.py'}"}
    listed = subprocess.run(command, env=named, capture_output=True, text=True, check=True)
    assert "birds    Two clips of birds" in listed.stdout


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("method", "method.name must be one of pfnr, .*, gem [(]or one that --plugin FILE.py .*[)], got decay"),
        ("backbone", "backbone.name must be one of nerv, .* [(]or one that --plugin FILE.py .*[)], got mlp"),
    ],
)
@pytest.mark.parametrize("command", [["compare"], ["plot"], ["decode", "-o", "decoded"]], ids=lambda words: words[0])
def test_a_run_without_its_plugin_is_refused_with_the_name_that_is_missing(here, capsys, command, kind, line):
    with RunFolder.opened(here / "run", configs.load(here / "run.yaml")) as folder:
        fill(folder, a_matrix())
    _, name, _ = PLUGINS[kind]
    config = yaml.safe_load((here / "run" / "config.yaml").read_text())
    (here / "run" / "config.yaml").write_text(yaml.safe_dump({**config, kind: {"name": name}}))
    assert vcl(*command, "run") == 2
    said = capsys.readouterr().err.splitlines()
    assert re.search(f"run has a config that cannot be used: {line}", said[-1])
    assert len(said) == 1


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("nowhere.py", None, "a plugin must be a Python file, got {path}, no such file"),
        ("run.yaml", None, "a plugin must be a Python file, got {path}"),
        (".", None, "a plugin must be a Python file, got {path}"),
        ("own.py", "def f(:\n", "plugin {path} cannot be loaded (SyntaxError: invalid syntax (own.py, line 1))"),
        ("own.py", "x = 1\nimport no_such_module\n", "{path} cannot be loaded (line 2: ModuleNotFoundError: No module"),
        ("own.py", "raise ValueError('a\\nb')\n", "{path} cannot be loaded (line 1: ValueError: a b)"),
        ("own.py", "raise SystemExit(3)\n", "{path} cannot be loaded (line 1: SystemExit: 3)"),
        ("own.py", "x = 1\n", "plugin {path} must register a method, a backbone or a benchmark, got none"),
        (
            "own.py",
            METHOD.replace("@dataclass(frozen=True)\n", ""),
            "Decay.config_class must be a dataclass that extends MethodConfig",
        ),
        ("own.py", METHOD.replace('"decay"', '"ewc"'), "the method ewc of DecayConfig must have a name of its own"),
        (
            "own.py",
            BACKBONE.replace("width: int = 8", "width: int"),
            f"cannot be loaded (line {DATACLASS_LINE}: TypeError: non-default argument 'width' follows",
        ),
        ("own.py", BACKBONE.replace("config_class =", "knobs ="), "Mlp.config_class must be a dataclass that extends"),
        ("own.py", BENCHMARK.replace("birds", "bees"), "the manifest of a benchmark must be a YAML file, got"),
        (
            "own.py",
            BENCHMARK.replace("birds", "bunny"),
            "the benchmark bunny of {here}/bunny.yaml must have a name of its own; there is one already",
        ),
    ],
)
def test_a_file_that_is_no_plugin_is_refused_in_one_line(here, capsys, name, text, line):
    (here / "bunny.yaml").write_text(MANIFEST)
    if text is not None:
        (here / name).write_text(text)
    assert vcl("config", "--plugin", name) == 2
    said = capsys.readouterr().err
    assert line.format(path=here / name, here=here) in said
    assert said.count("\n") == 1


def test_a_plugin_that_is_loaded_again_after_a_change_is_the_new_one(here, capsys):
    for strength in ("0.5", "0.25"):
        (here / "own.py").write_text(METHOD.replace("1e-3", strength))
        assert main(["config", "decay", "--plugin", "own.py"]) == 0
        assert f"method.strength={strength}  (a number)" in capsys.readouterr().out


def test_two_plugins_may_have_files_of_one_name(here, capsys):
    for kind in ("method", "backbone"):
        (here / kind).mkdir()
        (here / f"{kind}.py").rename(here / kind / "own.py")
    plugins = ["--plugin", "method/own.py", "--plugin", "backbone/own.py"]
    assert vcl("config", "run.yaml", *plugins, "method.name=decay", "backbone.name=mlp") == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert (config["method"]["name"], config["backbone"]["name"]) == ("decay", "mlp")


def test_a_backbone_without_widths_is_not_matched_to_another_s_bytes(here, capsys):
    (here / "backbone.py").write_text(BACKBONE.replace('widths = ("width",)', "widths = ()"))
    assert vcl("config", "run.yaml", "--plugin", "backbone.py", "backbone.name=mlp", "method.name=single_matched") == 2
    assert "method.name must not be single_matched for mlp, which has no widths" in capsys.readouterr().err


@pytest.mark.parametrize(("table", "base"), [(STRATEGIES, VideoStrategy), (NETWORKS, Backbone)])
def test_every_method_and_backbone_of_vcl_names_a_class_that_can_be_imported(table, base):
    assert table
    assert all(issubclass(table[name], base) for name in table)


@dataclass(frozen=True)
class InstalledConfig(BackboneConfig):
    """A backbone of an installed package."""

    name: str = "installed"
    """Name of the backbone."""


class Installed:
    config_class = InstalledConfig


def test_an_installed_package_registers_a_backbone_and_a_benchmark_by_entry_points(here, monkeypatch, capsys):
    (here / "birdpackage").mkdir()
    (here / "birds.yaml").rename(here / "birdpackage" / "birds.yaml")
    monkeypatch.syspath_prepend(here)
    points = [
        EntryPoint("installed", f"{__name__}:Installed", "vcl.backbones"),
        EntryPoint("birds", "birdpackage:birds.yaml", "vcl.benchmarks"),
        EntryPoint("bees", "birdpackage:bees.yaml", "vcl.benchmarks"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda **asked: EntryPoints(points).select(**asked))
    assert vcl("list", "backbones") == vcl("list", "benchmarks") == 0
    listed = capsys.readouterr().out
    assert f"installed  (installed: {__name__}:Installed)" in listed
    assert "birds    (installed: birdpackage:birds.yaml)" in listed
    assert configs.load(None, ["backbone.name=installed"]).backbone == InstalledConfig()
    assert manifest_of("birds").about == "Two clips of birds"
    assert "birds" in benchmark_names()
    with pytest.raises(ConfigError, match=r"the benchmark bees of birdpackage:bees\.yaml cannot be loaded"):
        manifest_of("bees")
