"""What a method says of itself, to its own training and to ``vcl plan``."""

from collections.abc import Sequence
from typing import Any, ClassVar

from vcl import backbones
from vcl.backbones import Backbone
from vcl.config import MethodConfig, RunConfig
from vcl.layers.masked import MaskedWeight
from vcl.layers.masking import entries_kept
from vcl.subnet.ledger import Ledger
from vcl.subnet.record import StateKind


class Method:
    """What a ``VideoStrategy`` overrides to become a method; all of it without training anything."""

    config_class: ClassVar[type[MethodConfig]]
    """Knobs of a method that ``register_method`` registers."""
    state_kind: ClassVar[StateKind] = "shared_latest"
    """What the method leaves behind a session."""
    overflow_hint: ClassVar[str] = "try a lower train.lr"
    """What may help where the loss is no longer finite."""

    @classmethod
    def network(cls, config: RunConfig, sessions: int) -> Backbone:
        """The untrained network that the method trains; dense here."""
        return backbones.of_run(config, sessions)

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The method's Avalanche plugins, in the order in which their hooks are called.

        Args:
            config: the method's knobs.
            ledger: of the run; its closed sessions are complete.
            seed: of everything that the plugins draw.
        """
        return []

    @classmethod
    def videos_of(cls, session: int, sessions: int) -> range:
        """Videos whose frames the steps of a session draw from; the session's own unless a method says otherwise."""
        return range(session, session + 1)

    @classmethod
    def frames_per_pass(cls, session: int, lengths: Sequence[int]) -> int:
        """Frames in a pass of a session, of videos of such lengths; all of ``videos_of`` by default."""
        return sum(lengths[video] for video in cls.videos_of(session, len(lengths)))

    @classmethod
    def claimed(cls, config: MethodConfig, weight: MaskedWeight, free: float) -> float:
        """How many free weights of a layer a session seals, for ``vcl plan``; as chance has it by default.

        Args:
            config: of the method.
            weight: the layer's weights, on any device.
            free: those that no session before has sealed.
        """
        if weight.score is None or weight.rule.capacity is None:
            return free
        entries = weight.score.numel()
        return free * entries_kept(weight.rule.capacity, entries) / entries
