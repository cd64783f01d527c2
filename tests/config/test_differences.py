import pytest

from vcl import config as configs
from vcl.config.differences import differences, every_setting
from vcl.config.sections import every_kind, sections_of


def test_only_what_is_not_a_default_differs():
    config = configs.from_dict(
        {"train": {"epochs": 25, "betas": [0.9, 0.999]}, "stream": {"size": [90, 160]}, "track": []}
    )
    expected = [("stream.size", [90, 160], [720, 1280]), ("train.epochs", 25, 36), ("track", [], ["wandb"])]
    assert sorted(differences(config)) == sorted(expected)
    assert every_setting(config)["train.epochs"] == 25


def test_defaults_are_those_of_the_recipe_the_backbone_and_its_preset():
    config = configs.from_dict({"train": {"recipe": "paper", "epochs": 36}, "backbone": {"preset": "S"}})
    assert differences(config) == [("train.epochs", 36, 150)]
    assert differences(configs.from_dict({"backbone": {"name": "siren"}})) == []


@pytest.mark.parametrize(("section", "name"), [row[:2] for row in every_kind() if row[0] in ("method", "backbone")])
def test_every_method_and_backbone_has_defaults_to_compare_with(section, name):
    assert sections_of({section: {"name": name}})[section].name == name
