"""How a setting is refused."""

from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from vcl.errors import ConfigError


def require(holds: bool, key: str, rule: str, found: object) -> None:
    """Refuse a setting in one line: the key, the rule and what was found.

    Raises:
        ConfigError: unless ``holds``.
    """
    if not holds:
        raise ConfigError(f"{key} must {rule}, got {'null' if found is None else found}")


def rule_of(hint: Any) -> str:
    """What a value must be, in words, for a type that knobs have.

    Args:
        hint: bool, int, float, str, a Literal, a tuple of such, or one of these or None.
    """
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return f"be one of {', '.join(options)}"
    if get_origin(hint) is UnionType:
        return f"{rule_of(next(option for option in options if option is not NoneType))} or null"
    if get_origin(hint) is tuple:
        count = "" if Ellipsis in options else f"{len(options)} "
        return f"be {count}{_PLURALS[options[0]]} in brackets"
    return f"be {_NAMES[hint]}"


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_PLURALS = {int: "whole numbers", float: "numbers", str: "words"}
