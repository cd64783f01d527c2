"""Frame regression on Avalanche's template: what every method shares."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from avalanche.benchmarks.utils.data import AvalancheDataset
from avalanche.core import SupervisedPlugin
from avalanche.logging.base_logger import BaseLogger
from avalanche.training.plugins.evaluation import EvaluationPlugin
from avalanche.training.templates.common_templates import SupervisedTemplate
from torch import Tensor
from torch.optim import Optimizer

from vcl import backbones
from vcl.backbones import Backbone
from vcl.config import MethodConfig, RunConfig, passes
from vcl.layers import init
from vcl.sessions.adam import EagerAdam
from vcl.sessions.loader import ResidentFrames
from vcl.sessions.loss import LOSSES, Loss
from vcl.subnet.ledger import Entry, Keeps, Ledger
from vcl.video.cache import Clip


def adam(parameters: list[Any], lr: float = 5e-4, betas: tuple[float, float] = (0.5, 0.999)) -> Optimizer:
    """Adam of parameters, or of groups of them, without weight decay; one kernel for all tensors."""
    return EagerAdam(parameters, lr=lr, betas=betas, fused=True)


class StatefulPlugin(SupervisedPlugin):  # type: ignore[misc]
    """A plugin that carries something from one session to the next, or trains on more than the session's frames.

    What it keeps is stored with each session, counted as the buffer of the method, and given back to a run that goes
    on; what changes from step to step is stored with each checkpoint.
    """

    def rehearsed(self, session: int) -> int:
        """Frames of earlier videos that each step of a session trains on beside its own."""
        return 0

    def memory(self) -> dict[str, Tensor]:
        """What the next session needs, once this one has ended; by name."""
        return {}

    def recall(self, memory: Mapping[str, Tensor], session: int) -> None:
        """Take what ``memory`` gave when the session before this one ended."""

    def state(self) -> dict[str, Tensor]:
        """What has changed since the session began; by name."""
        return {}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Take what ``state`` gave; called after ``before_training_exp``."""


class VideoStrategy(SupervisedTemplate):  # type: ignore[misc]
    """One network trained on each experience of a ``video_stream`` in turn.

    Differs from the template where frames are not classes: batches are gathered on the device, every session starts
    with an optimiser that knows nothing and holds only what may change, a head is added when a session arrives, and
    a ledger entry is made when it ends. ``step`` counts the session's steps, so that one that was cut off goes on.

    Work is equal in every method: where a step also trains on earlier videos, a session makes fewer of them.
    ``trained_on`` tells how many frames the latest session trained on, each counted every time.

    Args:
        model: the network; it has the heads of the sessions before.
        clips: of the whole stream, by session.
        loss: decoded and true frames to a number.
        make_optimizer_of: parameters to an optimiser.
        epochs: passes over a session's frames, where a step trains on nothing else.
        batch: frames a step.
        seed: draws heads and the order of frames.
        stop_after: end a session after so many of its epochs; None for all.
        precision: ``bfloat16`` runs the layers under autocast.
        ledger: entries of closed sessions; a new one by default.
        plugins: Avalanche plugins, called in order.
        evaluator: Avalanche's; by default nothing is measured (its own default reports accuracies).
        device: where to train.

    Raises:
        ConfigError: the network has numbers that no session would store.
    """

    config_class: ClassVar[type[MethodConfig]]
    """Knobs of a method that ``register_method`` registers."""
    keeps: ClassVar[Keeps] = "latest"
    overflow_hint: ClassVar[str] = "try a lower train.lr"

    def __init__(
        self,
        *,
        model: Backbone,
        clips: Sequence[Clip],
        loss: Loss = LOSSES["l1_ssim"],
        make_optimizer_of: Callable[[list[Tensor]], Optimizer] = adam,
        epochs: int = 150,
        batch: int = 1,
        seed: int = 0,
        stop_after: int | None = None,
        precision: str = "float32",
        ledger: Ledger | None = None,
        plugins: Sequence[Any] = (),
        evaluator: EvaluationPlugin | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        model.check_roles()
        self.ledger = ledger if ledger is not None else Ledger(model.shapes(), self.keeps)
        self.clips = clips
        self.epochs = epochs
        self.seed = seed
        self.stop_after = stop_after or epochs
        self.passes = epochs
        self.precision = precision
        self.entry: Entry | None = None
        self.step = self.trained_on = 0
        self.seconds_before = 0.0
        self._started = 0.0
        self._make_optimizer_of = make_optimizer_of
        super().__init__(
            model=model.to(device),
            optimizer=make_optimizer_of(list(model.parameters())),
            criterion=loss,
            train_mb_size=batch,
            train_epochs=self.stop_after,
            eval_mb_size=batch,
            device=device,
            plugins=list(plugins),
            evaluator=evaluator or EvaluationPlugin(loggers=[BaseLogger()]),
        )
        self.optimized_param_id: dict[
            str, Any
        ] = {}  # Spares the template's own first optimiser, which would take every parameter.

    @classmethod
    def network(cls, config: RunConfig, sessions: int) -> Backbone:
        """The untrained network that this method trains; dense unless a method says otherwise."""
        return backbones.of_run(config, sessions)

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugins that make the method what it is."""
        return []

    @property
    def session(self) -> int:
        """The session in training, from 0."""
        return int(self.experience.current_experience)

    @property
    def steps_an_epoch(self) -> int:
        """Steps of one pass."""
        return len(self.dataloader)

    @property
    def steps(self) -> int:
        """Steps of the whole session, which the learning rate follows."""
        return self.passes * self.steps_an_epoch

    @property
    def epoch(self) -> int:
        """The pass that the next step belongs to, from 0."""
        return self.step // self.steps_an_epoch

    @property
    def remembering(self) -> list[StatefulPlugin]:
        """Plugins that carry something from session to session."""
        return [plugin for plugin in self.plugins if isinstance(plugin, StatefulPlugin)]

    @property
    def decoding(self) -> Backbone:
        """The network that videos are decoded with."""
        network: Backbone = self.model
        return network

    @property
    def seconds(self) -> float:
        """Time spent training this session, stops between left out."""
        return self.seconds_before + time.perf_counter() - self._started

    def make_train_dataloader(self, **_: Any) -> None:
        """Put the session's frames on the device."""
        self.step, self.seconds_before = 0, 0.0
        self._rehearsed = sum(plugin.rehearsed(self.session) for plugin in self.remembering)
        frames = self.frames_to_train_on()
        self._only_own = self._rehearsed == 0 and set(frames.session) == {self.session}
        self._frames = self.frames_a_pass(frames)
        self.passes = passes(self.epochs, self.train_mb_size, self._frames, self._rehearsed)
        self.dataloader = ResidentFrames(
            frames, self.clips, self.train_mb_size, self._rest_of_epoch, self.device, self._frames
        )

    def frames_to_train_on(self) -> AvalancheDataset:
        """What the session's steps draw from; the session's own video unless a method says otherwise."""
        return self.adapted_dataset

    def frames_a_pass(self, frames: AvalancheDataset) -> int:
        """How many of them make a pass."""
        return len(frames)

    def make_eval_dataloader(self, **_: Any) -> None:
        """Frames in order."""
        self.dataloader = ResidentFrames(self.adapted_dataset, self.clips, self.eval_mb_size, torch.arange, self.device)

    def model_adaptation(self, model: Backbone | None = None) -> Backbone:
        """Add the head of a session that has none yet."""
        model = model or self.model
        while len(model.heads) <= self.session:
            model.add_head(self.seed)
        return model.to(self.device)

    def make_optimizer(self, **_: Any) -> None:
        """A new optimiser over what this session may change; the template keeps the old one's state and takes all."""
        for session, head in enumerate(self.model.heads):
            head.requires_grad_(session == self.session or not self._only_own)
        self.optimizer = self._make_optimizer_of([p for p in self.model.parameters() if p.requires_grad])

    def forward(self) -> Tensor:
        """Frames of the current batch, float32."""
        return self.decode(self.model, self.mb_x)

    def decode(self, network: Backbone, x: Tensor) -> Tensor:
        """Frames of a network at the run's precision, float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            frames: Tensor = network(x)
        return frames.float()

    def optimizer_step(self) -> None:
        """Step, and count it."""
        super().optimizer_step()
        self.step += 1

    def _before_training_exp(self, **kwargs: Any) -> None:
        self._started = time.perf_counter()
        self.clock.train_exp_counter = self.session  # Stock plugins count sessions by it; a run may have gone on.
        super()._before_training_exp(**kwargs)
        # A plugin may have gone back to the middle of the session: what is left to do, the last pass perhaps in part.
        self.train_epochs = min(self.stop_after, self.passes) - self.epoch

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        passes, steps = divmod(self.step, self.steps_an_epoch)
        self.trained_on = passes * self._frames + steps * self.train_mb_size + self.step * self._rehearsed
        weights, heads = self.decoding.weights(), self.decoding.heads
        self.entry = self.ledger.close(
            {name: weight.value for name, weight in weights.items()},
            self.masks() if self.keeps == "masks" else {},
            torch.stack(tuple(heads)) if self.keeps == "latest" else heads[self.session],
            {name: kept for plugin in self.remembering for name, kept in plugin.memory().items()},
        )

    def masks(self) -> dict[str, Tensor]:
        """The session's masks by weight name, bool."""
        return {name: weight.mask() for name, weight in self.model.weights().items()}

    def _rest_of_epoch(self, frames: int) -> Tensor:
        """The order of the current pass, less what a stopped run has done of it."""
        order = torch.randperm(frames, generator=init.generator(self.seed, "order", self.session, self.epoch))
        return order[: self._frames][self.step % self.steps_an_epoch * self.train_mb_size :]
