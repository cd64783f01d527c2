"""How a setting is read, and how it is refused."""

import re
from collections.abc import Collection
from difflib import get_close_matches
from shlex import quote
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from vcl.errors import ConfigError
from vcl.wording import did_you_mean, printable
from vcl.yaml_text import Plain, YamlError, is_null, number, parse_yaml, truth, whole_number

_LONGEST = 200
"""Characters of a value in a message."""


class Typed(Plain):
    """A value as it was typed on the command line, not yet read as YAML."""

    __slots__ = ()


def require(holds: bool, key: str, rule: str, value: object) -> None:
    """Refuse a setting in one line: the key, the rule and the value.

    Raises:
        ConfigError: unless ``holds``.
    """
    if not holds:
        _refuse(key, rule, value)


def require_one_of(key: str, value: str, known: Collection[str], note: str = "") -> None:
    """Refuse a name that is not known, and say which one may have been meant.

    Args:
        key: names the setting.
        value: the name.
        known: names that the setting may have.
        note: follows them in the message.

    Raises:
        ConfigError: the name is not known.
    """
    if value not in known:
        _refuse(key, f"be one of {', '.join(known)}{note}", value, did_you_mean(value, known))


def read_value(key: str, value: object, hint: Any) -> Any:
    """Read the value of a knob.

    A knob of text takes what was typed, even where YAML would read a number or a date. Quotes around it are removed.
    Null, numbers, true and false are read only where the knob's type has them.

    Args:
        key: names the knob in messages.
        value: text as YAML or the command line have it, or a plain Python value.
        hint: the knob's type, see ``type_in_words``.

    Raises:
        ConfigError: it is not of the knob's type.
    """
    try:
        return _read(value, hint)
    except YamlError as error:
        _refuse(key, rule_of(hint), f"{shown(value)}, which is not YAML ({error})")
    except ValueError as error:
        _refuse(key, str(error) or rule_of(hint), value, _meant(key, value, hint))


def rule_of(hint: Any) -> str:
    """What a value must be, in words, for a type that knobs have."""
    return f"be {type_in_words(hint)}"


def type_in_words(hint: Any) -> str:
    """A type that knobs have.

    Args:
        hint: bool, int, float, str, a Literal of strings, a tuple of one of these types, or any of these or None.

    Raises:
        KeyError: it is none of these.
    """
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(options)}"
    if get_origin(hint) in (Union, UnionType):
        return f"{type_in_words(_other_than_none(hint))} or null"
    if get_origin(hint) is tuple:
        if get_origin(options[0]) is Literal:
            return f"names in brackets, each one of {', '.join(get_args(options[0]))}"
        count = "" if Ellipsis in options else f"{len(options)} "
        return f"{count}{_PLURALS[options[0]]} in brackets"
    return _NAMES[hint]


def shown(value: object) -> str:
    """A value in one line, much as it would be typed; a long one is cut."""
    text = in_full(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_PLURALS = {int: "whole numbers", float: "numbers", str: "words"}
_NAMES_IN_BRACKETS = re.compile(r"\[([^][{}\"',]+(?:,[^][{}\"',]+)*)\]")
_BETWEEN_ITEMS = re.compile(r"[][(){}\s,;]+|(?<=\d)[x×*](?=\d)", re.IGNORECASE)
"""What people write around and between the items of a list, as in 90x160 or (90, 160)."""
_READERS = {bool: truth, int: whole_number, float: number}


def _refuse(key: str, rule: str, value: object, hint: str = "") -> NoReturn:
    raise ConfigError(f"{key} must {rule}, got {shown(value)}{hint}")


def _meant(key: str, value: object, hint: Any) -> str:
    """Which value may have been meant by one that cannot be read, as a hint; empty where nothing is near."""
    if not isinstance(value, str) or is_null(value):
        return ""
    if get_origin(hint) is Literal:
        return did_you_mean(value, get_args(hint))
    items = [item for item in _BETWEEN_ITEMS.split(value) if item]
    if get_origin(hint) is not tuple or not items or len(value) > _LONGEST:
        return ""
    if choices := get_args(get_args(hint)[0]):  # Of names.
        items = [name for item in items for name in get_close_matches(item, choices, n=1)]
        if not items:
            return ""
    listed = f"[{','.join(items)}]"
    try:
        _read(Typed(listed), hint)
    except ValueError:
        return ""
    return f"; did you mean {quote(f'{key}={listed}')}?"


def _read(value: object, hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        return None if is_null(value) else _read(value, _other_than_none(hint))
    if hint is str:
        return _text(value)
    options = get_args(hint)
    if isinstance(value, Typed):
        names = str in options and _NAMES_IN_BRACKETS.fullmatch(value)
        value = [Plain(name.strip()) for name in names[1].split(",")] if names else parse_yaml(value)
    if get_origin(hint) is Literal:
        if isinstance(value, str) and value in options:
            return str(value)
        raise ValueError
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple) or (Ellipsis not in options and len(value) != len(options)):
            raise ValueError
        return tuple(_read(item, options[0]) for item in value)
    return _READERS[hint](value)


def _text(value: object) -> str:
    if isinstance(value, Typed) and len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        try:
            unquoted = parse_yaml(value)
        except YamlError:
            unquoted = value
        value = value if isinstance(unquoted, Plain) else unquoted
    if not isinstance(value, str) or (isinstance(value, Plain) and not value):
        raise ValueError
    if "\0" in value or value.encode(errors="ignore").decode() != value:
        raise ValueError("be text that UTF-8 can hold, without NUL characters")
    return str(value)


def _other_than_none(hint: Any) -> Any:
    return next(option for option in get_args(hint) if option is not NoneType)


def in_full(value: object) -> str:
    """A value in one line, as ``shown`` gives it, however long it is."""
    if value is None or (isinstance(value, Plain) and not value):
        return "null" if value is None else "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"{{{', '.join(f'{in_full(key)}: {in_full(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_full, value))}]"
    return printable(str(value)) or "''"
