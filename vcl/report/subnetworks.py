"""What the subnetworks of a run's sessions share, from the masks on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from vcl.decode import SealedSessions
from vcl.rundir import RunFolder


@dataclass(frozen=True)
class Subnetworks:
    """What S sessions share, in weights of all masked layers together; both are S × S, ``[s][k]``.

    Args:
        overlap: share of session s's mask that is in session k's too, in [0, 1] and 1 where s = k.
        age: share of the weights that session s uses which session k was the first to use: k = s is what s added
            itself. Each row sums to 1 and is 0 for k > s.
    """

    overlap: list[list[float]]
    age: list[list[float]]


def subnetworks_of(folder: RunFolder) -> Subnetworks | None:
    """Read the masks of a run, and compare them.

    Args:
        folder: the run, finished or not.

    Returns:
        None for a method without masks, and before the first session.

    Raises:
        RunFolderError: a session on disk is damaged or does not fit the network.
    """
    if folder.sessions() == 0 or folder.session_notes(0).state_kind != "shared_masked":
        return None
    ledger = SealedSessions(folder).ledger
    layers = [[ledger.mask(session, name) for session in range(len(ledger))] for name in ledger.shapes]
    return Subnetworks(overlap(layers), age(layers))


def overlap(layers: Sequence[Sequence[Tensor]]) -> list[list[float]]:
    """The matrix ``Subnetworks.overlap``.

    Args:
        layers: of each layer, the boolean masks of all sessions, of one shape.
    """
    return _by_session(layers, layers)


def age(layers: Sequence[Sequence[Tensor]]) -> list[list[float]]:
    """The matrix ``Subnetworks.age``; arguments as of ``overlap``."""
    return _by_session(layers, [_first_used(masks) for masks in layers])


def _by_session(layers: Sequence[Sequence[Tensor]], parts: Sequence[Sequence[Tensor]]) -> list[list[float]]:
    """Share of each session's mask that lies in each of as many parts."""
    sessions = len(layers[0])
    common = np.zeros((sessions, sessions))
    for masks, of_layer in zip(layers, parts, strict=True):
        for s, mask in enumerate(masks):
            for k, part in enumerate(of_layer):
                common[s, k] += np.count_nonzero((mask & part).numpy())
    used = np.array([sum(np.count_nonzero(masks[s].numpy()) for masks in layers) for s in range(sessions)])
    shares: list[list[float]] = (common / used[:, None]).tolist()
    return shares


def _first_used(masks: Sequence[Tensor]) -> list[Tensor]:
    """Of each session's mask, the weights that no session before it uses."""
    new, before = [], masks[0] & ~masks[0]
    for mask in masks:
        new.append(mask & ~before)
        before = before | mask
    return new
