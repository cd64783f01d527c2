"""How a setting is refused."""

from vcl.errors import ConfigError


def require(holds: bool, key: str, rule: str, found: object) -> None:
    """Refuse a setting in one line: the key, the rule and what was found.

    Raises:
        ConfigError: unless ``holds``.
    """
    if not holds:
        raise ConfigError(f"{key} must {rule}, got {found}")
