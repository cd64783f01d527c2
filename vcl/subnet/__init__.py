"""Masks over a whole network, across sessions."""
