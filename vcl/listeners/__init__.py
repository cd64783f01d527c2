"""Whoever watches a run while it goes: bars on a terminal, Weights & Biases."""
