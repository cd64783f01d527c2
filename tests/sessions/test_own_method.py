"""A method from outside the package: one file, and every part of vcl takes it by its name."""

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from safetensors.torch import load_file

from vcl import config as configs
from vcl.cli import main
from vcl.config import EwcConfig, MethodConfig, register_method, registry
from vcl.config.methods import METHODS as REGISTRY
from vcl.config.plugins import plugins_loaded
from vcl.errors import ConfigError, Interrupted
from vcl.report.summary import summarise
from vcl.run import run_clips
from vcl.rundir import RunFolder
from vcl.sessions.methods import METHODS
from vcl.sessions.strategy import VideoStrategy

EXAMPLE = Path(__file__).parents[2] / "experiments" / "own_method.py"


@dataclass(frozen=True)
class NothingConfig(MethodConfig):
    """Protects nothing."""

    name: str = "nothing"
    """Name of the method."""
    amount: int = 3
    """Of nothing."""


class Nothing(VideoStrategy):
    """Finetuning by another name."""

    config_class = NothingConfig


@pytest.fixture
def example():
    """The example's module, registered."""
    with plugins_loaded([EXAMPLE]):
        return sys.modules[str(EXAMPLE)]


def moved(folder):
    """Squared distance of the weights after session 1 from those after session 0."""
    before, after = (load_file(path) for path in sorted((folder.path / "sessions").iterdir()))
    return sum(float((after[key] - before[key]).square().sum()) for key in before if key.startswith("weight/"))


def test_the_example_holds_the_weights_and_stores_its_anchor(ran, example):
    held, free = (ran("anchor", {"strength": strength}, into=str(strength)) for strength in (100.0, 0.0))
    assert RunFolder.existing(held.path).config().method == example.AnchorConfig(strength=100.0)
    assert 0 < moved(held) < moved(free)
    assert summarise(held).stored["buffer"] > 0


def test_the_example_goes_on_from_where_it_was_stopped(ran, tmp_path, tiny_config, clips, example):
    whole = ran("anchor", {})

    def stop(event):
        if event["kind"] == "epoch" and event["session"] == 1:
            raise Interrupted("stopped")

    config = tiny_config("anchor")
    with pytest.raises(Interrupted):
        run_clips(config, clips[:2], tmp_path / "stopped", lambda _: [stop])
    stopped = run_clips(config, clips[:2], tmp_path / "stopped")
    for one, other in zip(
        sorted((whole.path / "sessions").iterdir()), sorted((stopped.path / "sessions").iterdir()), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()


def test_a_decorator_makes_a_method_known_by_its_name():
    assert register_method(Nothing) is Nothing
    assert register_method(Nothing) is Nothing
    assert configs.load(None, ["method.name=nothing", "method.amount=5"]).method == NothingConfig(amount=5)
    assert METHODS["nothing"] is Nothing


def test_a_method_that_is_defined_anew_as_by_a_notebook_s_cell_replaces_the_one_before():
    def define(default):
        @dataclass(frozen=True)
        class CellConfig(MethodConfig):
            name: str = "cell"
            amount: int = default

        @register_method
        class Cell(VideoStrategy):
            config_class = CellConfig

        return Cell

    define(1)
    again = define(2)
    assert METHODS["cell"] is again
    assert REGISTRY.find("cell")().amount == 2


def test_an_installed_package_registers_a_method_by_its_entry_point(monkeypatch):
    point = EntryPoint("nothing", f"{__name__}:Nothing", REGISTRY.group)
    monkeypatch.setattr(registry, "entry_points", lambda **asked: EntryPoints([point]).select(**asked))
    assert configs.load(None, ["method.name=nothing"]).method == NothingConfig()
    assert METHODS["nothing"] is Nothing


@pytest.mark.parametrize(
    ("name", "target", "line"),
    [
        ("nothing", "no_such_module:Nothing", "ModuleNotFoundError"),
        (
            "nothing",
            f"{__name__}:VideoStrategy",
            "must be a dataclass that extends MethodConfig, got None",
        ),
        ("other", f"{__name__}:Nothing", "it has another name"),
    ],
)
def test_an_entry_point_that_gives_no_method_is_refused_in_one_line(monkeypatch, name, target, line):
    point = EntryPoint(name, target, REGISTRY.group)
    monkeypatch.setattr(registry, "entry_points", lambda **asked: EntryPoints([point]).select(**asked))
    with pytest.raises(ConfigError, match=line) as refused:
        configs.load(None, [f"method.name={name}"])
    assert f"the method {name} of {target} cannot be loaded" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_registered_method_is_listed_and_explained(capsys, example):
    assert main(["list", "methods"]) == 0
    assert "anchor          L2 penalty on the distance" in capsys.readouterr().out
    assert main(["config", "anchor"]) == 0
    assert "method.strength=0.01  (a number)\n      Weight of the penalty." in capsys.readouterr().out


def test_a_name_that_is_taken_and_a_knob_that_no_setting_can_hold_are_refused():
    @dataclass(frozen=True)
    class Taken(MethodConfig):
        name: str = "ewc"

    @dataclass(frozen=True)
    class Odd(MethodConfig):
        name: str = "odd"
        table: dict[str, int] | None = None

    taken = "the method ewc of .* must have a name of its own"
    for kind, line in ((Taken, taken), (EwcConfig, taken), (Odd, "table has a type that no")):
        with pytest.raises(ConfigError, match=line):
            register_method(type("Own", (VideoStrategy,), {"config_class": kind}))


def test_a_method_nobody_knows_is_refused_with_the_way_to_register_one():
    with pytest.raises(
        ConfigError, match=r"or one that --plugin FILE.py or an installed package registers\), got magic"
    ):
        configs.load(None, ["method.name=magic"])


def test_a_session_state_that_could_not_be_stored_is_refused_in_one_line(ran, example, monkeypatch):
    monkeypatch.setattr(example.AnchorPlugin, "session_state", lambda self: {"a": 3})
    with pytest.raises(ConfigError, match=r"AnchorPlugin.session_state must give tensors by name, got \{'a': 3\}"):
        ran("anchor", {})
