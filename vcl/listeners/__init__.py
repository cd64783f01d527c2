"""Listeners to the events of a run: progress on a terminal, Weights & Biases."""
