"""Names are text, whatever they look like; numbers are read by the type of their knob."""

import logging
import sys
from pathlib import Path

import pytest
import yaml

from vcl import config as configs
from vcl.errors import ConfigError
from vcl.user_path import user_path
from vcl.yaml_text import YamlError, parse_yaml

LOOKS_LIKE_SOMETHING_ELSE = [
    *("0010", "010", "007", "0o7", "0x1F", "1e3", "1_000", "1.10", "12:30", "2021_05_01", "2021-05-01", "-1", "+3"),
    *("no", "on", "off", "yes", "y", "true", "False", "NULL", "Null", ".inf", "nan", "???", "${x}", "${oc.env:HOME}"),
    *("=", "<<", "a.b", "a b", "한국어", "été", "$a$", "a\\b"),
]
NEEDS_QUOTES_IN_YAML = [
    "@x",
    "`x",
    "a: b",
    "a #b",
    "*star",
    "&anchor",
    "!tag",
    "- a",
    "%x",
    '"a',
    "[old]/clips",
    "{a}",
    "'",
]


@pytest.mark.parametrize("name", LOOKS_LIKE_SOMETHING_ELSE)
def test_a_name_keeps_its_text_by_every_door(tmp_path, name):
    path = tmp_path / "run.yaml"
    path.write_text(f"stream:\n  root: {name}\n  videos:\n  - {name}\n  - b\n", encoding="utf-8")
    in_list = f"'{name}'" if "{" in name else name
    typed = configs.load(None, [f"stream.root={name}", f"stream.videos=[{in_list}, b]"])
    assert (typed.stream.root, typed.stream.videos) == (name, (name, "b"))
    assert configs.load(path).stream == typed.stream


@pytest.mark.parametrize("name", ["@x", "a: b", "a #b", "*star", "!tag", "- a", "%x", "???"])
def test_names_in_brackets_need_no_quotes_on_the_command_line(name):
    assert configs.load(None, [f"stream.videos=[{name}, b]"]).stream.videos == (name, "b")


@pytest.mark.parametrize("name", [*NEEDS_QUOTES_IN_YAML, " a ", "a\tb", "a\nb"])
def test_on_the_command_line_a_text_is_all_that_was_typed(name):
    assert configs.load(None, [f"stream.root={name}"]).stream.root == name


@pytest.mark.parametrize(
    ("typed", "root"), [("null", None), ("~", None), ("", None), ("'null'", "null"), ('"~"', "~"), ("'it''s'", "it's")]
)
def test_null_is_nothing_only_without_quotes_and_where_the_knob_may_be_null(typed, root):
    assert configs.load(None, [f"stream.root={typed}"]).stream.root == root
    assert configs.load(None, ["wandb.project=null"]).wandb.project == "null"
    assert configs.load(None, ["stream.videos=[null, ~]"]).stream.videos == ("null", "~")


@pytest.mark.parametrize(
    "text",
    [
        *LOOKS_LIKE_SOMETHING_ELSE,
        *NEEDS_QUOTES_IN_YAML,
        "null",
        "~",
        " a ",
        "a\nb",
        "a\r\nb",
        "\x85",
        "\u2028",
        "😀",
        "\ufeffx",
    ],
)
def test_every_text_comes_back_from_the_yaml_of_a_run(tmp_path, text):
    config = configs.from_dict({"stream": {"root": text, "videos": [text, "b"]}, "wandb": {"project": text}})
    path = tmp_path / "config.yaml"
    path.write_text(configs.to_yaml(config), encoding="utf-8")
    assert configs.load(path) == config
    assert config.stream.root == text


def test_a_config_that_an_older_vcl_wrote_is_read_the_same(tmp_path):
    path = tmp_path / "config.yaml"
    values = {
        "stream": {
            "benchmark": "folder",
            "root": "0010",
            "videos": ["8", "no", "été"],
            "size": [32, 48],
            "frames": None,
        },
        "backbone": {"name": "nerv", "expansion": 1.0, "strides": [2, 2]},
        "train": {"lr": 1e-06, "betas": [0.5, 0.999], "device": "cuda:1", "loss": "l1_ssim", "seed": 2**32 - 1},
        "matrix": {"upper": False},
    }
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    assert configs.load(path) == configs.from_dict(values)


@pytest.mark.parametrize(
    ("typed", "rate"), [("1e-3", 1e-3), ("2.0e-3", 2e-3), ("1E-3", 1e-3), ("+.5", 0.5), ("3.", 3.0), ("1", 1.0)]
)
def test_a_number_may_be_written_in_every_decimal_form(tmp_path, typed, rate):
    path = tmp_path / "run.yaml"
    path.write_text(f"train: {{lr: {typed}}}\n")
    assert configs.load(None, [f"train.lr={typed}"]).train.lr == configs.load(path).train.lr == rate


@pytest.mark.parametrize("typed", ["true", "True", "TRUE"])
def test_true_may_be_written_in_three_ways(typed):
    assert configs.load(None, [f"matrix.upper={typed}"]).matrix.upper is True


def test_an_alias_stands_for_its_anchor_and_many_of_them_are_refused(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("stream: {size: &size [32, 48]}\nbackbone: {strides: *size}\n")
    assert configs.load(path).backbone.strides == (32, 48)
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    with pytest.raises(YamlError, match="more than 1,000,000 values"):
        parse_yaml("\n".join(lines))


def test_a_message_stays_one_short_line():
    with pytest.raises(ConfigError) as refused:
        configs.load(None, [f"train.epochs={'a' * 5000}"])
    assert len(str(refused.value)) < 300


PFNR = "method: {name: pfnr, capacity: 0.4}\nbackbone: {operator_block: 2, levels: 6}\n"


@pytest.mark.parametrize(
    ("name", "left_out", "block"),
    [("replay", "method.capacity", 2), ("wsn", "backbone.operator_block", 0), ("pfnr", None, 2)],
)
def test_a_method_on_the_command_line_takes_the_knobs_of_the_file_that_are_its_own(
    tmp_path, caplog, name, left_out, block
):
    caplog.set_level(logging.INFO, "vcl")
    path = tmp_path / "run.yaml"
    path.write_text(PFNR)
    config = configs.load(path, [f"method.name={name}"])
    assert (config.method.name, config.backbone.operator_block, config.backbone.levels) == (name, block, 6)
    assert getattr(config.method, "capacity", 0.4) == 0.4
    assert caplog.messages == ([f"{path}: left out for method.name={name}: {left_out}"] if left_out else [])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["method.name=replay", "method.capacity=0.1"], "method.capacity is not a setting"),
        (["method.name=wsn", "backbone.operator_block=1"], "backbone.operator_block must be 0 for wsn"),
        (["method.capacty=0.1"], "method.capacty is not a setting; did you mean method.capacity"),
    ],
)
def test_a_knob_on_the_command_line_that_is_not_the_methods_is_refused(tmp_path, words, line):
    path = tmp_path / "run.yaml"
    path.write_text(PFNR)
    with pytest.raises(ConfigError, match=line):
        configs.load(path, words)


def test_a_mistyped_knob_in_the_file_is_refused_under_another_method_too(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("method: {name: pfnr, capacty: 0.4}\n")
    with pytest.raises(ConfigError, match=r"method\.capacty is not a setting"):
        configs.load(path, ["method.name=replay"])


def test_a_home_that_is_not_there_is_refused_in_one_line(monkeypatch):
    with pytest.raises(ConfigError, match=r"stream.root must lie in a home that exists; .* got ~nosuchuser/clips"):
        user_path("~nosuchuser/clips", "stream.root")
    monkeypatch.setenv("HOME", "/home/me")
    assert user_path("~/clips", "stream.root") == Path("/home/me/clips")


def test_without_a_home_a_path_below_it_is_refused(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}[0])
    if sys.platform != "win32":
        with pytest.raises(ConfigError, match=r"stream.cache must lie in a home that exists; .* got ~/cache"):
            user_path("~/cache", "stream.cache")
