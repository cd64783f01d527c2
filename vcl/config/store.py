"""Configs from YAML and ``key=value`` words, and back. The only file that uses OmegaConf."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vcl.config.backbones import BACKBONES
from vcl.config.knobs import MatrixConfig, RunConfig, StreamConfig, TrainConfig, WandbConfig
from vcl.config.methods import METHODS, REFUSED
from vcl.config.rules import require, rule_of
from vcl.errors import ConfigError

_UNIDENTIFYING = ("wandb", "train.checkpoint_seconds", "stream.cache", "stream.root")
"""Settings that cannot change a result, so that two runs may differ in them and be the same run. Where the videos lie
is one of them: a run knows its frames by their hash."""


def load(path: Path | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run's config.

    Args:
        path: a YAML file, or None for the defaults alone. Its key ``base`` names files beside it that it builds on;
            later ones win over earlier ones, and the file itself over all of them.
        overrides: ``key=value`` words such as ``train.epochs=10``; later ones win.

    Raises:
        ConfigError: one line that names the key, the rule and what was found.
    """
    given = _read_yaml(path) if path is not None else OmegaConf.create({})
    try:
        merged: Any = OmegaConf.to_container(OmegaConf.unsafe_merge(given, OmegaConf.from_dotlist(_checked(overrides))))
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(_first_line(error)) from error
    return _build(merged)


def from_dict(values: Mapping[str, Any]) -> RunConfig:
    """The config that ``to_dict`` gave; raises ConfigError as ``load`` does."""
    return _build(values)


def to_dict(config: RunConfig) -> dict[str, Any]:
    """Plain nested dicts, lists and scalars, as YAML and JSON hold them."""
    plain: dict[str, Any] = _untupled(asdict(config))
    return plain


def to_yaml(config: RunConfig) -> str:
    """The whole config, defaults included, as ``load`` reads it."""
    return yaml.safe_dump(to_dict(config), sort_keys=False)


def first_difference(one: RunConfig, other: RunConfig) -> tuple[str, object, object] | None:
    """The first setting, in the order of this file, that makes two configs different runs.

    Returns:
        Key, value in ``one``, value in ``other``; None where they are the same run.
    """
    left, right = dict(_flat(to_dict(one))), dict(_flat(to_dict(other)))
    for key in [*left, *(key for key in right if key not in left)]:
        if not key.startswith(_UNIDENTIFYING) and left.get(key) != right.get(key):
            return key, left.get(key), right.get(key)
    return None


def _read_yaml(path: Path, above: tuple[Path, ...] = ()) -> DictConfig:
    """What a file says, laid over what the files it builds on say."""
    try:
        given = OmegaConf.load(path)
    except OSError as error:
        raise ConfigError(f"config {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} is not YAML: {_first_line(error)}") from error
    if not isinstance(given, DictConfig):
        raise ConfigError(f"config {path} must hold keys and values, got a list")
    bases = given.pop("base", None) or []
    bases = [bases] if isinstance(bases, str) else list(bases)
    above = (*above, path.resolve())
    for base in bases:
        known = isinstance(base, str) and (path.parent / base).resolve() not in above
        require(known, f"base of {path}", "name files that do not build on this one", base)
    return OmegaConf.unsafe_merge(*[_read_yaml(path.parent / base, above) for base in bases], given)  # type: ignore[return-value]


def _checked(overrides: Iterable[str]) -> list[str]:
    words = list(overrides)
    for word in words:
        require("=" in word, "a setting on the command line", "read key=value", word)
    return words


def _build(given: Mapping[str, Any]) -> RunConfig:
    """Merge the given values over the defaults; OmegaConf checks types, the dataclasses check ranges."""
    kinds: dict[str, Any] = {
        "stream": StreamConfig,
        "backbone": _named("backbone", BACKBONES, "nerv", given),
        "method": _named("method", METHODS, "finetune", given),
        "train": TrainConfig,
        "matrix": MatrixConfig,
        "wandb": WandbConfig,
    }
    _refuse_unknown("", given, kinds)
    return RunConfig(**{section: _section(section, kind, given) for section, kind in kinds.items()})


def _named(section: str, table: Mapping[str, Any], default: str, given: Mapping[str, Any]) -> Any:
    name = _values(section, given).get("name", default)
    rule = f"be one of {', '.join(table)}"
    if section == "method" and str(name) in REFUSED:
        rule += f" ({REFUSED[name]})"
    require(isinstance(name, str) and name in table, f"{section}.name", rule, name)
    return table[name]


def _section(section: str, kind: Any, given: Mapping[str, Any]) -> Any:
    values = _values(section, given)
    _refuse_unknown(f"{section}.", values, {item.name: item for item in fields(kind)})
    hints = get_type_hints(kind)
    merged: Any = OmegaConf.structured(kind)
    for key, value in values.items():
        require("${" not in str(value), f"{section}.{key}", "be a value, without ${", value)
        flat = not (isinstance(value, list) and any(isinstance(item, list | dict) for item in value))
        require(flat, f"{section}.{key}", rule_of(hints[key]), value)
        try:
            merged = OmegaConf.merge(merged, {key: value})
        except (OmegaConfBaseException, TypeError):
            require(False, f"{section}.{key}", rule_of(hints[key]), value)
    merged = OmegaConf.to_container(merged)
    return kind(**{key: _tupled(value) for key, value in merged.items()})


def _values(section: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    values = given.get(section) or {}
    require(isinstance(values, Mapping), section, "hold keys and values", values)
    return dict(values)


def _refuse_unknown(prefix: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"{prefix}{key} is not a setting; {hint}")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _untupled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _untupled(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
