"""Searching for settings: cells are drawn from ranges, run through a launcher, and ended early where they fall behind.

``search_file`` and ``space`` read what is searched, ``study`` keeps what was drawn and found, ``loop`` runs the trials,
and ``result`` shows them. ``study``, ``loop`` and ``result`` import Optuna, which comes with the extra ``tune``.
"""
