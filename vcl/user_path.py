"""Paths as users type them."""

from pathlib import Path

from vcl.errors import ConfigError


def user_path(text: str, key: str) -> Path:
    """The path that a text names, with ``~`` and ``~user`` expanded.

    Args:
        text: the text as it was typed.
        key: the setting or the variable whose value it is, for the message.

    Raises:
        ConfigError: there is no such home.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        home = text.split("/")[0]
        rule = f"lie in a home that exists; a folder called {home} is written ./{home}"
        raise ConfigError(f"{key} must {rule}, got {text}") from error
