"""How to launch, as the command line and a file say it."""

import argparse
import sys

import pytest
import yaml

from vcl.cli import main
from vcl.cli.launch import add_launch, launch_settings
from vcl.cli.parser import parse
from vcl.errors import ConfigError, VclError
from vcl.launch import settings as launching
from vcl.launch.local import LocalLauncher
from vcl.launch.settings import LaunchSettings, launcher_of


def settings_of(*words, **section):
    parser = argparse.ArgumentParser()
    add_launch(parser)
    return launch_settings(parse(parser, words), section)


def test_nothing_said_is_no_launcher():
    assert settings_of() is None


def test_an_engine_with_a_number_is_so_many_jobs():
    assert settings_of("--launcher", "local:4") == LaunchSettings("local", jobs=4)
    assert settings_of("--launcher", "ray:2", "--launch", "gpus=0.25") == LaunchSettings("ray", jobs=2, gpus=0.25)


def test_the_command_line_wins_over_the_file_and_another_engine_over_all_of_it():
    section = {"name": "slurm", "partition": "gpu", "minutes": 60}
    assert settings_of(**section) == LaunchSettings("slurm", partition="gpu", minutes=60)
    assert settings_of("--launch", "minutes=5", **section) == LaunchSettings("slurm", partition="gpu", minutes=5)
    assert settings_of("--launcher", "local:2", **section) == LaunchSettings("local", jobs=2)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--launcher", "rey"], "--launcher must be one of local, slurm, ray, got rey; did you mean ray?"),
        (["--launcher", "local:0"], "--launcher must be local or local:N with N of 1 or more, got local:0"),
        (["--launcher", "local:"], "--launcher must be local or local:N with N of 1 or more, got local:"),
        (["--launch", "gpus"], "--launch must hold words KEY=VALUE, got gpus"),
        (["--launch", "gpu=1"], "a setting of launch must be one of .*, got gpu; did you mean gpus"),
        (["--launch", "train.seed=1"], "--launch must stand behind the settings, got train.seed=1 behind it"),
        (["--launch", "name=ray", "cpus=0"], "launch.cpus must be 1 or more, got 0"),
        (["--launch", "retries=-1"], "launch.retries must be 0 or more, got -1"),
        (["--launch", "name=slurm", "minutes=long"], "launch.minutes must be a whole number, got long"),
        (["--launcher", "slurm", "--launch", "gpus=0.5"], "launch.gpus must be a whole number with slurm, got 0.5"),
        (["--launcher", "ray", "--launch", "gpus=1.5"], "launch.gpus must be less than 1 or a whole number with ray"),
        (["--launch", "gpus=2"], r"launch.gpus must lie in \(0, 1\] with local, got 2"),
        (["--launch", "minutes=5"], "launch with local may hold jobs, gpus, retries, and nothing else, got minutes"),
        (["--launcher", "ray", "--launch", "partition=x"], "launch with ray may hold .*, got partition"),
        (
            ["--launcher", "local:2", "--launch", "jobs=3"],
            "--launcher local:2 already says jobs, got jobs=3 behind --launch",
        ),
        (
            ["--launcher", "ray", "--launch", "name=slurm"],
            "--launcher ray already says name, got name=slurm behind --launch",
        ),
        (["--launcher", "slurm", "--launch", "cluster=pbs"], "launch.cluster must be one of slurm, local, got pbs"),
    ],
)
def test_a_setting_that_breaks_its_rule_is_one_line(words, line):
    with pytest.raises(ConfigError, match=line):
        settings_of(*words)


def test_jobs_are_dealt_out_over_the_devices_that_are_visible(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert launching._devices(1) == ["2", "5"]
    assert launching._devices(0.3) == 3 * ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigError, match=r"^launch\.gpus must be null where there is no GPU, got 1\.0$"):
        launcher_of(LaunchSettings(gpus=1.0), tmp_path)
    assert isinstance(launcher_of(LaunchSettings(), tmp_path), LocalLauncher)


def test_slurm_where_there_is_none_is_one_line(monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VclError, match="must run where SLURM is, got a machine without sbatch"):
        launcher_of(LaunchSettings("slurm"), tmp_path)


@pytest.mark.parametrize(("name", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_an_engine_that_is_not_installed_is_named_with_its_extra(monkeypatch, tmp_path, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(VclError, match=rf"not installed: pip install 'vcl\[{name}\]'"):
        launcher_of(LaunchSettings(name), tmp_path)


def test_a_grid_may_say_how_it_is_launched(grid, capsys):
    path = grid(1, {"method": {"wsn": ["method.name=wsn"]}})
    for launch, line in (
        ({"name": "local", "jobs": 0}, "launch.jobs must be 1 or more, got 0"),
        ([1], f"grid {path}: launch must hold keys and values, got [1]"),
        ({"name": "pbs"}, "launch.name must be one of local, slurm, ray, got pbs"),
    ):
        content = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**content, "launch": launch}))
        assert main(["grid", str(path)]) == 2
        assert capsys.readouterr().err == f"vcl: {line}\n"


def test_jobs_and_a_launcher_or_a_cell_that_is_none_are_refused(grid, capsys):
    path = str(grid(1, {"method": {"wsn": ["method.name=wsn"]}}))
    assert main(["grid", path, "--jobs", "0"]) == 2
    assert capsys.readouterr().err == "vcl: --jobs must be 1 or more, got 0\n"
    assert main(["grid", path, "--jobs", "2", "--launcher", "ray"]) == 2
    assert capsys.readouterr().err == "vcl: --jobs must stand alone, without --launcher, got ray\n"
    assert main(["grid", path, "--cell", "wsm"]) == 2
    assert capsys.readouterr().err == "vcl: --cell must be one of wsn, got wsm; did you mean wsn?\n"


def test_every_setting_belongs_to_an_engine():
    of_engines = {key for keys in launching._OF_ENGINE.values() for key in keys}
    assert of_engines | {"name"} == set(LaunchSettings.__dataclass_fields__)
