from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from vcl import config as configs
from vcl.config import BackboneConfig, MethodConfig, NervConfig, RunConfig, register_backbone, register_method
from vcl.config.recipes import CHOICES, FAST, PAPER, chosen
from vcl.config.rules import shown
from vcl.errors import ConfigError
from vcl.rundir import RunFolder

PAPERS = {
    "backbone.initial": "paper",
    "train.epochs": 150,
    "train.lr": 5e-4,
    "train.score_rate": 1.0,
    "train.betas": [0.5, 0.999],
    "train.batch": 1,
    "train.warmup": 0.2,
    "train.warmup_from": 0.1,
    "train.precision": "float32",
}
"""As the code of the PFNR paper trains; what vcl did for want of a setting before there were recipes."""

WITH_OPERATOR = ["method.name=pfnr", "backbone.operator_block=2"]
README = Path(__file__).parents[2] / "README.md"
OLD_RUNS = Path(__file__).parents[1] / "run" / "version_1"


@dataclass(frozen=True)
class PlainConfig(BackboneConfig):
    """A backbone of a plugin."""

    name: str = "plain"


@dataclass(frozen=True)
class OwnRangeConfig(BackboneConfig):
    """A backbone of a plugin with a first range of its own."""

    name: str = "own_range"
    initial: str = "tiny"


@dataclass(frozen=True)
class StillConfig(MethodConfig):
    """A method of a plugin."""

    name: str = "still"


def implementing(config):
    return type("Implementation", (), {"config_class": config})


@pytest.fixture
def plugins(registries):
    for config in (PlainConfig, OwnRangeConfig):
        register_backbone(implementing(config))
    register_method(implementing(StillConfig))


def settings(config, keys=PAPERS):
    values = configs.to_dict(config)
    return {key: values[key.split(".")[0]][key.split(".")[1]] for key in keys}


@pytest.mark.parametrize("words", [[], WITH_OPERATOR])
def test_the_paper_s_recipe_trains_as_its_code_does(words):
    assert settings(configs.load(None, [*words, "train.recipe=paper"])) == PAPERS


def test_nobody_s_choice_is_the_fast_recipe():
    config = configs.load(None)
    assert config == configs.load(None, ["train.recipe=fast"]) == configs.from_dict({}) == RunConfig()
    assert settings(config, [choice.key for choice in CHOICES]) == {
        "backbone.initial": "scaled",
        "train.epochs": 36,
        "train.lr": 4e-3,
        "train.betas": [0.9, 0.999],
        "train.score_rate": 0.3,
        "train.precision": "auto",
    }


def test_the_recipes_differ_in_every_choice_and_each_has_a_reason():
    assert all(choice.value(FAST) != choice.value(PAPER) and choice.reason for choice in CHOICES)
    assert {choice.key.split(".")[0] for choice in CHOICES} == {"backbone", "train"}
    assert len(chosen(FAST, "backbone")) + len(chosen(PAPER, "train")) == len(CHOICES)


def test_the_readme_has_the_table():
    rows = [f"| `{c.key}` | {shown(c.paper)} | {shown(c.fast)} | {c.reason} |" for c in CHOICES]
    assert "\n".join(rows) in README.read_text()


@pytest.mark.parametrize("recipe", ["paper", "fast"])
def test_what_is_set_wins_over_the_recipe_wherever_it_is_set(tmp_path, recipe):
    path = tmp_path / "run.yaml"
    path.write_text(f"train: {{recipe: {recipe}, lr: 1e-3}}\nbackbone: {{initial: paper}}\n")
    config = configs.load(path, ["train.epochs=7"])
    assert (config.train.lr, config.train.epochs, config.backbone.initial) == (1e-3, 7, "paper")
    (other,) = {"paper", "fast"} - {recipe}
    assert configs.load(path, [f"train.recipe={other}"]).train.recipe == other


@pytest.mark.parametrize("recipe", ["paper", "fast"])
@pytest.mark.parametrize("words", [[], WITH_OPERATOR])
def test_a_written_config_holds_every_value_and_the_other_recipe_changes_none(tmp_path, recipe, words):
    config = configs.load(None, [*words, f"train.recipe={recipe}"])
    path = tmp_path / "run.yaml"
    path.write_text(configs.to_yaml(config))
    assert configs.load(path) == configs.from_dict(configs.to_dict(config)) == config
    for other in ("paper", "fast"):
        assert settings(configs.load(path, [f"train.recipe={other}"])) == settings(config)


def test_a_recipe_that_chose_nothing_is_the_same_run():
    every_value = configs.to_dict(configs.load(None))
    other = configs.from_dict({**every_value, "train": {**every_value["train"], "recipe": "paper"}})
    assert configs.first_difference(configs.load(None), other) is None
    key, *_ = configs.first_difference(configs.load(None), configs.load(None, ["train.recipe=paper"]))
    assert key == "backbone.initial"


@pytest.mark.parametrize("typed", ["slow", "papre", "", "[paper]"])
def test_an_unknown_recipe_is_refused(typed):
    with pytest.raises(ConfigError, match=r"^train.recipe must be one of fast, paper, got "):
        configs.load(None, [f"train.recipe={typed}"])


@pytest.mark.parametrize("recipe", ["paper", "fast"])
def test_backbones_and_methods_of_plugins_take_either_recipe(plugins, recipe):
    plain = configs.load(None, ["backbone.name=plain", "method.name=still", f"train.recipe={recipe}"])
    assert plain.backbone.initial == {"paper": "paper", "fast": "scaled"}[recipe]
    own = configs.load(None, ["backbone.name=own_range", f"train.recipe={recipe}"])
    assert own.backbone.initial == "tiny"


@pytest.mark.parametrize("path", sorted(OLD_RUNS.glob("*/config.yaml")), ids=lambda path: path.parent.name)
def test_a_run_from_before_there_were_recipes_is_what_its_config_says(path):
    written = yaml.safe_load(path.read_text())
    config = RunFolder.existing(path.parent).config()
    assert config.train.recipe == "paper"
    read = configs.to_dict(config)
    assert {section: {key: read[section][key] for key in values} for section, values in written.items()} == written


def test_settings_that_an_old_run_s_config_lacks_are_the_paper_s(tmp_path):
    with RunFolder.opened(tmp_path / "run", configs.load(None)) as folder:
        (folder.path / "config.yaml").write_text("train: {epochs: 3, lr: 0.01}\nbackbone: {levels: 6}\n")
    config = folder.config()
    assert (config.train.epochs, config.train.score_rate) == (3, 1.0)
    assert config.backbone == NervConfig(levels=6, initial="paper")
