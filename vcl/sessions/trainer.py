"""A config as a strategy with its plugins, metrics and logger."""

from collections.abc import Sequence
from typing import Any

import torch
from avalanche.training.plugins import EvaluationPlugin

from vcl.config import RunConfig
from vcl.render import Renderer, read_ledger
from vcl.rundir import Listener, RunFolder
from vcl.sessions.loss import LOSSES
from vcl.sessions.methods import METHODS
from vcl.sessions.metrics import EpochMeans, EventLogger
from vcl.sessions.plugins import Checkpoints, Probe
from vcl.sessions.schedule import WarmupCosine
from vcl.sessions.strategy import FrameRegression, adam
from vcl.sessions.stream import video_stream
from vcl.subnet.ledger import Entry, Keeps, Ledger
from vcl.video.cache import Clip


class Trainer:
    """Trains the sessions of a run, and goes on where the run folder says that it was.

    Args:
        config: the run's.
        clips: the stream, by session.
        folder: where the training state is kept.
        emit: gets the events.
        device: where to train.
    """

    def __init__(
        self, config: RunConfig, clips: Sequence[Clip], folder: RunFolder, emit: Listener, device: torch.device
    ) -> None:
        self._config, self._clips, self._folder, self._emit, self._device = config, clips, folder, emit, device
        self._stream = video_stream(clips).train_stream
        means = EpochMeans()
        self._seconds = 0.0
        self.checkpoints = Checkpoints(folder, config.train.checkpoint_seconds, means)
        self._strategy = self._strategy_of(means, scratch=False)
        self._strategy.plugins.append(self.checkpoints)
        self.checkpoints.load_network(self._strategy.model, config.train.seed)

    @property
    def keeps(self) -> Keeps:
        """What the method leaves behind a session."""
        return self._strategy.keeps

    @property
    def ledger(self) -> Ledger:
        """Entries of the sessions that are closed."""
        return self._strategy.ledger

    @property
    def seconds(self) -> float:
        """Training time of the latest session."""
        return self._seconds

    def train(self, session: int) -> Entry:
        """Train a session, or the rest of it, and close it.

        Raises:
            TrainingError: the loss is no longer finite.
            Interrupted: the user asked to stop.
        """
        self._strategy.train(self._stream[session], eval_streams=[])
        self._seconds = self._strategy.seconds
        assert self._strategy.entry is not None
        return self._strategy.entry

    def train_from_scratch(self, session: int) -> None:
        """Train another network on one session alone, for the first epochs, and emit what the probe measures."""
        strategy = self._strategy_of(EpochMeans(), scratch=True)
        strategy.train(self._stream[session], eval_streams=[])

    def _strategy_of(self, means: EpochMeans, scratch: bool) -> FrameRegression:
        config, train, k = self._config, self._config.train, self._config.matrix.transfer_epochs
        method = METHODS[config.method.name]
        network = method.network(config, len(self._clips))
        network.draw(train.seed)
        shapes = {name: weight.value.shape for name, weight in network.weights().items()}
        ledger = Ledger(shapes, method.keeps)
        if not scratch and self._folder.sessions():
            ledger = read_ledger(self._folder, shapes, self._folder.sessions() - 1)
        plugins: list[Any] = [WarmupCosine(train.lr, train.warmup, train.warmup_from)]
        if k:
            renderer = Renderer.of_config(config, len(self._clips), self._device)
            plugins.append(Probe(k, renderer, self._emit, scratch))
        return method(
            model=network,
            clips=self._clips,
            loss=LOSSES[train.loss],
            make_optimizer_of=lambda parameters: adam(parameters, train.lr, train.betas),
            epochs=train.epochs,
            batch=train.batch,
            seed=train.seed,
            stop_after=k if scratch else None,
            precision=train.precision,
            ledger=ledger,
            plugins=[*method.own_plugins(config.method, ledger, train.seed), *plugins],
            evaluator=EvaluationPlugin(
                means, loggers=[EventLogger(_nowhere if scratch else self._emit)], collect_all=False
            ),
            device=self._device,
        )


def _nowhere(_: dict[str, Any]) -> None:
    """A listener for what nobody needs to know."""
