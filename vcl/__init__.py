"""Sequential neural video representation: many videos, one network, nothing forgotten."""

__version__ = "0.1.0"
