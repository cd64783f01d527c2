"""From a config to a strategy with its plugins, metrics and logger, and the sessions of a run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vcl import backbones
from vcl.backbones import Backbone
from vcl.config import FinetuneConfig, RunConfig, SingleConfig, TrainConfig, WsnConfig
from vcl.decode import SealedSessions
from vcl.device import precision_of
from vcl.metrics.loss import LOSSES
from vcl.ranks import ALONE, Ranks
from vcl.render import Renderer
from vcl.rundir import Listener, RunFolder
from vcl.sessions.adam import adam
from vcl.sessions.checkpoint import Checkpoints
from vcl.sessions.clipping import GradientClipping
from vcl.sessions.epoch_metrics import EpochMeans, Evaluation, EventLogger
from vcl.sessions.experience import video_stream
from vcl.sessions.methods import METHODS
from vcl.sessions.probe import Probe
from vcl.sessions.quantising import MeanBits, Quantisation, QuantisedTraining
from vcl.sessions.schedule import WarmupCosine
from vcl.sessions.sealed import load_sealed
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger
from vcl.subnet.record import SessionRecord, StateKind
from vcl.video.cache import Clip


class Trainer:
    """Trains the sessions of a run, resuming from what is in its folder.

    Args:
        config: the run's.
        clips: the stream, by session.
        folder: the run, with its sealed sessions and its checkpoint.
        emit: gets the events.
        device: where to train.
        sealed: records of the closed sessions where they are not in the folder, such as those of a library. A session
            then starts from them and from first values alone, and not from the checkpoint of the one before.
        ranks: who train together.
    """

    def __init__(
        self,
        config: RunConfig,
        clips: Sequence[Clip],
        folder: RunFolder,
        emit: Listener,
        device: torch.device,
        sealed: Ledger | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self._config, self._clips, self._emit, self._device = config, clips, emit, device
        self._ranks = ranks
        self._stream = video_stream(clips).train_stream
        means = EpochMeans()
        self._seconds = 0.0
        self.checkpoints = Checkpoints(folder, config.train.checkpoint_seconds, means, sealed is None, ranks)
        ledger = _sealed_in(folder) if sealed is None else sealed
        self._strategy = build(config, clips, emit, device, ledger, means, self._probes(False), ranks=ranks)
        self._strategy.plugins.append(self.checkpoints)
        if sealed is None:
            self.checkpoints.load_network(self._strategy.model, config.train.seed)
        elif len(sealed):
            for _ in range(len(sealed)):
                self._strategy.model.add_session(config.train.seed)
            load_sealed(self._strategy.model, sealed)
        for plugin in self._strategy.stateful:
            plugin.load_session_state(self.ledger.buffer, len(self.ledger))
        self._strategy.model.load_frames(self.ledger.frames())

    @property
    def state_kind(self) -> StateKind:
        """What the method leaves behind a session."""
        return self._strategy.state_kind

    @property
    def ledger(self) -> Ledger:
        """Records of the sessions that are closed."""
        return self._strategy.ledger

    @property
    def seconds(self) -> float:
        """Training time of the latest session, in seconds."""
        return self._seconds

    @property
    def quantisation(self) -> Quantisation | None:
        """What the integers of the latest session cost; None where its weights are float32."""
        plugin = self._strategy.quantised_training
        return None if plugin is None else plugin.result

    def choose_bits(self, mean_bits: MeanBits) -> None:
        """Let something else than ``method.bits`` decide on the bits of integers; nothing is done for float32."""
        if (plugin := self._strategy.quantised_training) is not None:
            plugin.mean_bits = mean_bits

    @property
    def trained_on(self) -> int:
        """Frames that the latest session trained on, each counted as often as it was."""
        return self._strategy.trained_on

    @property
    def passes(self) -> int:
        """Passes that the latest session made over its video."""
        return self._strategy.passes

    def train(self, session: int) -> SessionRecord:
        """Train a session, or the rest of one that was stopped, and close it.

        Raises:
            TrainingError: the loss is no longer finite.
            Interrupted: the user stopped the run.
        """
        try:
            self._strategy.train(self._stream[session], eval_streams=[])
        finally:
            self.checkpoints.close()
        self._seconds = self._strategy.seconds
        assert self._strategy.record is not None
        return self._strategy.record

    def train_from_scratch(self, session: int, passes: int) -> None:
        """Train another network on one session alone, for the first epochs, and emit what the probe measures.

        The network is of the same kind; what the method does with earlier videos is left out.

        Args:
            session: which.
            passes: of the method's own session, so that both follow the same schedule.
        """
        k, method = self._config.matrix.transfer_epochs, self._config.method
        alone = method if isinstance(method, WsnConfig | SingleConfig) else FinetuneConfig()
        strategy = build(
            replace(
                self._config,
                method=alone,
                train=replace(self._config.train, epochs=passes),
                matrix=replace(self._config.matrix, verify="decode"),  # The other method may not allow ``hash``.
            ),
            self._clips,
            _ignore,
            self._device,
            plugins=self._probes(True),
            stop_after=k,
            ranks=self._ranks,
        )
        strategy.train(self._stream[session], eval_streams=[])

    def _probes(self, scratch: bool) -> list[Any]:
        k = self._config.matrix.transfer_epochs
        if k == 0:
            return []
        renderer = Renderer(backbones.of_run(self._config, len(self._clips)).to(self._device))
        return [Probe(k, renderer, self._emit, scratch)]


def build(
    config: RunConfig,
    clips: Sequence[Clip],
    emit: Listener,
    device: torch.device,
    ledger: Ledger | None = None,
    means: EpochMeans | None = None,
    plugins: Sequence[Any] = (),
    stop_after: int | None = None,
    ranks: Ranks = ALONE,
) -> VideoStrategy:
    """The strategy that a config describes, with a network that is drawn but not trained.

    Args:
        config: the run's.
        clips: the stream, by session.
        emit: gets the events.
        device: where to train.
        ledger: records of the sessions that are closed; none by default.
        means: measures the epochs.
        plugins: more of them, after the method's own.
        stop_after: end each session after so many of its epochs.
        ranks: who train together.
    """
    method, train = METHODS[config.method.name], config.train
    network = method.network(config, len(clips))
    network.reset_parameters(train.seed)
    if ledger is None:
        ledger = Ledger(network.layout(), method.state_kind)
    return method(
        model=network,
        clips=clips,
        loss=LOSSES[train.loss],
        make_optimizer_of=lambda parameters: adam(_grouped(parameters, network, train), train.lr, train.betas),
        epochs=train.epochs,
        batch=train.batch,
        seed=train.seed,
        stop_after=stop_after,
        precision=precision_of(train.precision, device),
        graph=train.graph,
        ranks=ranks,
        ledger=ledger,
        plugins=[
            *method.own_plugins(config.method, ledger, train.seed),
            *([] if config.method.bits is None else [QuantisedTraining(config.method, ledger)]),
            WarmupCosine(train.lr, train.warmup, train.warmup_from),
            *([] if train.gradient_clip is None else [GradientClipping(train.gradient_clip)]),
            *plugins,
        ],
        evaluator=Evaluation([means or EpochMeans()], [EventLogger(emit)] if ranks.is_first else []),
        device=device,
    )


def _sealed_in(folder: RunFolder) -> Ledger | None:
    """Records of a run's closed sessions, checked; None where there are none."""
    if not folder.sessions():
        return None
    sealed = SealedSessions(folder)
    sealed.check()
    return sealed.ledger


def _grouped(parameters: list[Tensor], network: Backbone, train: TrainConfig) -> list[Any]:
    """Parameters in two groups, scores apart, where scores have a learning rate of their own."""
    if train.score_rate == 1:
        return parameters
    scores = {id(weight.score) for weight in network.weights().values()}
    others = [parameter for parameter in parameters if id(parameter) not in scores]
    ranked = [parameter for parameter in parameters if id(parameter) in scores]
    return [{"params": others}, *([{"params": ranked, "share": train.score_rate}] if ranked else [])]


def _ignore(_: dict[str, Any]) -> None:
    """A listener that ignores every event."""
