"""YAML whose scalars stay text: the reader of a value decides whether it is a number or a name.

YAML itself reads ``0010``, ``1e3``, ``no`` and ``12:30`` as numbers and truth values, so that a video or a folder could
not have such a name. Here every scalar keeps the text that was written, as ``Plain`` where it is not in quotes;
``is_null``, ``truth``, ``whole_number`` and ``number`` then parse it where such a value is expected.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import yaml

Value: TypeAlias = "str | list[Value] | dict[str, Value]"

_MAX_VALUES = 1_000_000
"""Most values of a file: aliases of aliases would otherwise grow without bound."""


class Plain(str):
    """A scalar without quotes, which may be meant as a number, true, false or null."""

    __slots__ = ()


class YamlError(ValueError):
    """Text that is not YAML, or YAML that is not supported here; its message is one line that names the position."""


def read_yaml(path: Path) -> Value:
    """Read a YAML file.

    Returns:
        Its value, every scalar a ``str``; an empty ``Plain`` for an empty file.

    Raises:
        YamlError: the file cannot be read, is not YAML, or has a key twice or a tag; states the problem and its line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise YamlError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise YamlError("cannot be read: its name holds a NUL character") from error
    try:
        return parse_yaml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlError(f"is not YAML: line {line} is not UTF-8 text") from error
    except YamlError as error:
        raise YamlError(f"is not YAML: {error}") from error


def parse_yaml(text: str) -> Value:
    """Parse a YAML text; returns and raises as ``read_yaml``."""
    try:
        node = yaml.compose(text, Loader=_Untagged)
        return Plain() if node is None else _value(node, itertools.count())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlError(f"{where}{' '.join(str(error.problem or error.context).split())}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"line {line}: the character U+{ord(text[error.position]):04X} is not allowed") from error
    except RecursionError as error:
        raise YamlError("it is nested too deeply") from error


def is_null(value: object) -> bool:
    """Whether a value is null: ``None``, or ``null``, ``~`` or empty without quotes."""
    return value is None or (isinstance(value, Plain) and value in ("", "~", "null"))


def truth(value: object) -> bool:
    """Parse a truth value: a bool, or ``true`` or ``false`` without quotes.

    Raises:
        ValueError: the value is neither; ``yes`` and ``on`` are text.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, Plain) and value in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return value.lower() == "true"
    raise ValueError


def whole_number(value: object) -> int:
    """Parse a decimal integer of at most 64 bits: an int, or its digits without quotes.

    Raises:
        ValueError: the value is no integer (``010``, ``1_000`` and ``1e3`` are text), or has more bits, which the
            message states.
    """
    if isinstance(value, Plain) and _WHOLE.fullmatch(value):
        value = int(value) if len(value) <= 20 else 2**63
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError
    if not -(2**63) <= value < 2**63:
        raise ValueError("be a whole number of at most 64 bits")
    return value


def number(value: object) -> float:
    """Parse a finite decimal number: an int or a float, or its digits without quotes.

    Raises:
        ValueError: the value is no number, or not finite, which the message states.
    """
    if isinstance(value, Plain) and (_NUMBER.fullmatch(value) or _NOT_FINITE.fullmatch(value)):
        value = float(value if _NUMBER.fullmatch(value) else value.replace(".", ""))
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(whole_number(value))
    if not isinstance(value, float):
        raise ValueError
    if not math.isfinite(value):
        raise ValueError("be a finite number")
    return value


_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.?(inf|nan)", re.IGNORECASE)


class _Untagged(yaml.BaseLoader):
    """A loader that gives scalars no types and refuses tags, which would."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            problem = f"tags such as {event.tag} are not read"
            raise yaml.composer.ComposerError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _value(node: yaml.Node, count: Iterator[int]) -> Value:
    if next(count) >= _MAX_VALUES:
        raise YamlError(f"it holds more than {_MAX_VALUES:,} values")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, count)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, count) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    return str(node.value) if node.style else Plain(node.value)


def _mapping(node: yaml.MappingNode, count: Iterator[int]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    lines: dict[str, int] = {}
    for key, item in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise YamlError(f"line {line}: a key must be text")
        if key.value in values:
            raise YamlError(f"line {line}: the key {key.value!r} is there twice, first in line {lines[key.value]}")
        values[key.value] = _value(item, count)
        lines[key.value] = line
    return values
