"""YAML whose scalars stay text: what a value is, a number or a name, is for its reader to say.

YAML itself reads ``0010``, ``1e3``, ``no`` and ``12:30`` as numbers and truth values, so that a video or a folder with
such a name could not be told of. Here every scalar keeps the text that was written, ``Plain`` where it stands without
quotes; ``is_null``, ``truth``, ``whole_number`` and ``number`` then read it where such a value is expected.
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

_LARGEST = 1_000_000
"""Most values of a file; aliases of aliases would otherwise grow without bound."""


class Plain(str):
    """A scalar without quotes, which may stand for a number, true, false or null."""

    __slots__ = ()


class YamlError(ValueError):
    """Text that is not YAML, or more than is read here; one line that names the place."""


def read_yaml(path: Path) -> Value:
    """What a file holds; an empty one is an empty ``Plain``.

    Raises:
        YamlError: it cannot be read or is not YAML, has a key twice, or a tag; says what is wrong and in which line.
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
    """What a text holds.

    Raises:
        YamlError: as ``read_yaml``.
    """
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
    """Whether a value stands for nothing: ``null``, ``~`` or empty, without quotes."""
    return value is None or (isinstance(value, Plain) and value in ("", "~", "null"))


def truth(value: object) -> bool:
    """True or false.

    Raises:
        ValueError: the value is neither; ``yes`` and ``on`` are words.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, Plain) and value in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return value.lower() == "true"
    raise ValueError


def whole_number(value: object) -> int:
    """A decimal integer of at most 64 bits.

    Raises:
        ValueError: the value is none, or too large, which its message says; ``010``, ``1_000`` and ``1e3`` are words.
    """
    if isinstance(value, Plain) and _WHOLE.fullmatch(value):
        value = int(value) if len(value) <= 20 else 2**63
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError
    if not -(2**63) <= value < 2**63:
        raise ValueError("be a whole number of at most 64 bits")
    return value


def number(value: object) -> float:
    """A finite decimal number.

    Raises:
        ValueError: the value is none, or not finite, which its message says.
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
    """Gives no scalar a type, and takes none that is asked for by a tag."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            problem = f"tags such as {event.tag} are not read"
            raise yaml.composer.ComposerError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _value(node: yaml.Node, count: Iterator[int]) -> Value:
    if next(count) >= _LARGEST:
        raise YamlError(f"it holds more than {_LARGEST:,} values")
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
