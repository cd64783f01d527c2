"""A network of its own for every video."""

from typing import Any

from vcl.config import MethodConfig
from vcl.sessions.strategy import VideoStrategy
from vcl.sessions.subnetworks import FreshNetwork
from vcl.subnet.ledger import Ledger


class Single(VideoStrategy):
    """One dense network per video, each from scratch: the quality ceiling, at N times the bytes.

    Published single-video networks have biases and no session in their input; ours is the same network as every other
    method's, so that nothing but the sharing differs.
    """

    state_kind = "per_session"

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """Draws the network anew for each video."""
        return [FreshNetwork(seed)]


class SingleMatched(Single):
    """As ``Single``, so narrow that all networks together take the bytes of the method they are compared with.

    What no paper shows beside its table: whether one shared network is worth more than as many small ones.
    """
