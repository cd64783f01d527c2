"""Methods by name; the table of them stands in ``vcl.config.methods``."""

from collections.abc import Mapping

from vcl.config.methods import METHODS as _REGISTRY
from vcl.sessions.strategy import VideoStrategy

METHODS: Mapping[str, type[VideoStrategy]] = _REGISTRY.implementations
"""Name to strategy, imported once it is looked up."""
