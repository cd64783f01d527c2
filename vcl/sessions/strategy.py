"""Video regression on Avalanche's template: what every method shares."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from avalanche.benchmarks.utils.data import AvalancheDataset
from avalanche.benchmarks.utils.utils import concat_datasets
from avalanche.logging.base_logger import BaseLogger
from avalanche.training.plugins.evaluation import EvaluationPlugin
from avalanche.training.templates.common_templates import SupervisedTemplate
from torch import Tensor
from torch.optim import Optimizer

from vcl.backbones import Backbone, roles
from vcl.config import passes
from vcl.device import autocast, tensor_float32
from vcl.errors import ConfigError
from vcl.layers import init
from vcl.metrics.loss import LOSSES, Loss
from vcl.query import Batch, Output, Query
from vcl.ranks import ALONE, Ranks
from vcl.sessions.adam import adam
from vcl.sessions.loader import ResidentFrames
from vcl.sessions.method import Method
from vcl.sessions.quantising import QuantisedTraining
from vcl.sessions.recording import CudaGraph, Recording, obstacle
from vcl.sessions.sampling import Sampler
from vcl.sessions.sealed import encode_clip, load_sealed
from vcl.sessions.stateful import StatefulPlugin
from vcl.subnet.ledger import Ledger, Subnetwork
from vcl.subnet.record import SessionRecord
from vcl.video.cache import Clip

log = logging.getLogger(__name__)

_StepResult = tuple[Tensor, Tensor, Output]


class VideoStrategy(Method, SupervisedTemplate):  # type: ignore[misc]
    """One network trained on each experience of a ``video_stream`` in turn.

    The loop is Avalanche's. In its own words, with the hooks of plugins in brackets and what is ours beside it::

        for experience in stream:                     # one session
            make_train_dataloader()                   # the session's frames, on the device
            model_adaptation()                        # tensors of the new session
            make_optimizer()                          # new, over what may change
            [before_training_exp]                     # draw scores, set the gate, load a checkpoint
            for epoch in range(train_epochs):
                [before_training_epoch]
                for batch in dataloader:
                    restructure()                     # at the end of a round, for networks that train in rounds
                    [before_training_iteration]       # sets the rate; GEM and A-GEM take gradients on buffered frames
                    # From here to [after_update] a GPU may replay what it did in an earlier step, see ``Recording``.
                    zero_grad()
                    [before_forward]   forward()      # ask(model, query)
                    [after_forward]    criterion()    # loss_of(output, batch)
                    [before_backward]  backward()     # rehearsal and penalties add to strategy.loss
                    [after_backward]                  # gradients are projected or masked
                    [before_update]    optimizer_step()
                    [after_update]                    # sealed weights are restored, metrics counted
                    [after_training_iteration]        # checkpoints, now and then
                [after_training_epoch]
            seal()                                    # what the session used; the network goes on with what is sealed
            [after_training_exp]                      # buffers, importances; the last checkpoint

    Every session starts with an optimiser that knows nothing and holds only what may change. ``step`` counts the
    session's steps, so that one that was cut off goes on.

    Work is equal in every method: where a step also trains on earlier videos, a session makes fewer of them.
    ``trained_on`` counts the frames that the latest session trained on, each every time.

    Where several ranks train, each has its part of the frames of a step: ``loss`` is so weighted that its average over
    the ranks is the loss of the whole step, and ``backward`` leaves the average of all gradients. A part of the loss
    that every rank computes alike, such as a penalty, is added as it is; a mean over its own frames by ``shared``.

    Args:
        model: the network; it has the tensors of the sessions before.
        clips: of the whole stream, by session.
        loss: decoded and true frames to a number.
        make_optimizer_of: parameters to an optimiser.
        epochs: passes over a session's frames, where a step trains on nothing else.
        batch: frames per step, of all ranks together.
        seed: draws session tensors and the order of frames.
        stop_after: end a session after so many of its epochs; None for all.
        precision: ``bfloat16`` runs the layers under autocast.
        ledger: records of closed sessions; a new one by default.
        plugins: Avalanche plugins, called in order.
        evaluator: Avalanche's; by default nothing is measured (its own default reports accuracies).
        graph: on CUDA, record a session's step and replay it, where that can be done.
        ranks: who train together.
        device: where to train.

    Raises:
        ConfigError: the network has numbers that no session would store.
    """

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
        graph: bool = True,
        ranks: Ranks = ALONE,
        device: torch.device | str = "cpu",
    ) -> None:
        roles.check(model)
        self.ledger = ledger if ledger is not None else Ledger(model.layout(), self.state_kind)
        self.clips = clips
        self.lengths = [len(clip.frames) for clip in clips]
        self.epochs = epochs
        self.seed = seed
        self.stop_after = stop_after or epochs
        self.passes = epochs
        self.precision = precision
        self.graph = graph
        self.ranks = ranks
        self.rows, self._weight = 0, 1.0
        self._recording: Recording[_StepResult] | None = None
        self._rates: list[Any] = []
        self.record: SessionRecord | None = None
        self.output: Output | None = None
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
        # The template would build an optimiser of its own over every parameter, unless it believes that it has done so.
        self.optimized_param_id: dict[str, Any] = {}

    @property
    def session(self) -> int:
        """The session in training, from 0."""
        return int(self.experience.current_experience)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass."""
        return len(self.dataloader)

    @property
    def steps(self) -> int:
        """Steps of the whole session, which the learning rate follows."""
        return self.passes * self.steps_per_epoch

    @property
    def epoch(self) -> int:
        """The pass that the next step belongs to, from 0."""
        return self.step // self.steps_per_epoch

    @property
    def stateful(self) -> list[StatefulPlugin]:
        """Plugins that carry something from session to session."""
        return [plugin for plugin in self.plugins if isinstance(plugin, StatefulPlugin)]

    @property
    def quantised_training(self) -> QuantisedTraining | None:
        """What makes integers of a session's weights; None where they stay float32."""
        return next((plugin for plugin in self.plugins if isinstance(plugin, QuantisedTraining)), None)

    @property
    def decoding(self) -> Backbone:
        """The network that videos are decoded with."""
        network: Backbone = self.model
        return network

    @property
    def seconds(self) -> float:
        """Seconds of training in this session, over all processes that worked on it."""
        return self.seconds_before + time.perf_counter() - self._started

    def make_train_dataloader(self, **_: Any) -> None:
        """Put the session's frames on the device, and count its passes."""
        self.step, self.seconds_before = 0, 0.0
        self._rehearsed = sum(plugin.rehearsed(self.session, self.lengths) for plugin in self.stateful)
        frames = self.frames_to_train_on()
        self._only_own = self._rehearsed == 0 and set(frames.session) == {self.session}
        self._frames = self.frames_per_pass(self.session, self.lengths)
        self.passes = passes(self.epochs, self.train_mb_size, self._frames, self._rehearsed)
        self._sampler = Sampler(self.model, partial(self._generator, "pixels"))
        self.dataloader = ResidentFrames(
            frames,
            self.clips,
            self.train_mb_size,
            self._rest_of_epoch,
            self.device,
            self._frames,
            self._sampler,
            self.ranks,
        )

    def _check_distributed_training_compatibility(self) -> bool:
        """Fits any plugin that treats every rank alike: it sees gradients of the whole step."""
        return True

    def frames_to_train_on(self) -> AvalancheDataset:
        """What the session's steps draw from: the frames of ``videos_of``."""
        videos = self.videos_of(self.session, len(self.clips))
        if list(videos) == [self.session]:
            return self.adapted_dataset
        stream = self.experience.origin_stream
        return concat_datasets([stream[video].dataset for video in videos])

    def model_adaptation(self, model: Backbone | None = None) -> Backbone:
        """Add the tensors of a session that has none yet."""
        model = model or self.model
        while len(model.session_parameters) <= self.session:
            model.add_session(self.seed)
        return model.to(self.device)

    def make_optimizer(self, **_: Any) -> None:
        """A new optimiser over what this session may change; the template keeps the old one's state and takes all."""
        for session, own in enumerate(self.model.session_parameters):
            own.requires_grad_(session == self.session or not self._only_own)
        self.optimizer = self._make_optimizer_of([p for p in self.model.parameters() if p.requires_grad])

    @property
    def batch(self) -> Batch:
        """What the current step trains on."""
        return Batch(Query.of_tensor(self.mb_x), self.mb_y, seen=self.mbatch[2] if len(self.mbatch) > 2 else None)

    def training_epoch(self, **kwargs: Any) -> None:
        """A pass, or the rest of one."""
        with tensor_float32(self.precision == "tfloat32"):
            for mbatch in self.dataloader:
                self.mbatch = mbatch
                if self._stop_training:
                    break
                self._share_out()
                self.restructure()
                self._unpack_minibatch()
                self._before_training_iteration(**kwargs)
                self._replay_or_take_step(**kwargs)
                self._after_training_iteration(**kwargs)

    def _share_out(self) -> None:
        """Count the ``rows`` of all ranks in the step that is to be taken, and weigh this rank's part."""
        if self.ranks.world > 1:
            first = self.step % self.steps_per_epoch * self.train_mb_size
            frames = min(self.train_mb_size, self._frames - first)
            self._weight, self.rows = self.ranks.part(frames).weight, frames * self._sampler.parts_per_frame
        else:
            self.rows = len(self.mbatch[0])

    def shared(self, mean: Tensor) -> Tensor:
        """A mean over this rank's frames of the step, weighted so that the ranks' average is the mean over all."""
        return mean if self._weight == 1 else mean * self._weight

    def restructure(self) -> None:
        """Let the network change where a round has ended: the last one in mid-session, while the rate is still high."""
        rounds = self.model.rounds
        before, ended = (min(rounds, 2 * rounds * step // self.steps) for step in (max(0, self.step - 1), self.step))
        for _ in range(before, ended):
            self.model.restructure(self.session)

    def _replay_or_take_step(self, **kwargs: Any) -> None:
        # Of what the network draws itself, such as dropout: the same for a run that was stopped and goes on.
        other = [self.ranks.rank] if self.ranks.rank else []
        torch.manual_seed(init.seed_of(self.seed, "noise", self.session, self.step, *other))
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            if isinstance(rate, Tensor) and group["lr"] is not rate:  # A plugin has put a number in its place.
                group["lr"] = rate.fill_(group["lr"])
        full = min(self.train_mb_size, self._frames) * self._sampler.parts_per_frame
        if self._recording is None or len(self.mb_x) < full:
            self.training_step(**kwargs)
            return
        step = self.step
        self.loss, self.mb_output, self.output = self._recording.take(self.mbatch)
        self.step = step + 1  # Recording a step counted it too, and replaying did not.

    def _recorded_step(self, **kwargs: Any) -> _StepResult:
        """A step; gives its loss, its frames and all that the network gave, without their graph."""
        self.training_step(**kwargs)
        assert self.output is not None
        return self.loss.detach(), self.mb_output.detach(), self.output.detach()

    def training_step(self, **kwargs: Any) -> None:
        """A step on the current batch, without the hooks around it."""
        # Their graph goes with them, whose nodes keep the stream that made them.
        self.mb_output = self.output = None  # type: ignore[assignment]
        self.optimizer.zero_grad()
        self.loss = self._make_empty_loss()
        self._before_forward(**kwargs)
        self.mb_output = self.forward()
        self._after_forward(**kwargs)
        self.loss += self.criterion()
        self._before_backward(**kwargs)
        self.backward()
        self._after_backward(**kwargs)
        self._before_update(**kwargs)
        self.optimizer_step()
        self._after_update(**kwargs)

    def forward(self) -> Tensor:
        """Frames of the current batch, float32; ``output`` has what else the network gave."""
        batch = self.batch
        self.output = self.ask(self.model, batch.query, batch.to_encode)
        return self.output.frames

    def criterion(self) -> Tensor:
        """The loss of the current batch."""
        assert self.output is not None
        return self.shared(self.loss_of(self.output, self.batch))

    def backward(self) -> None:
        """The gradients of the whole step, on every rank."""
        super().backward()
        self.ranks.average_([p.grad for g in self.optimizer.param_groups for p in g["params"] if p.grad is not None])

    def ask(self, network: Backbone, query: Query, frames: Tensor | None = None) -> Output:
        """What a network gives at the run's precision, in float32.

        Args:
            network: any that is like the one in training.
            query: of sessions so far.
            frames: true frames to encode, for networks with frame tensors; by default the tensors of closed sessions
                are used.
        """
        with autocast(self.device, self.precision):
            return network.ask(query, frames).float()

    def loss_of(self, output: Output, batch: Batch) -> Tensor:
        """The run's loss of an output, and what the network adds to it; one number."""
        if batch.weight is None:
            loss: Tensor = self._criterion(output.frames, batch.target)
        else:
            loss = (batch.weight * self.frame_losses(output, batch.target)).mean()
        terms = self.model.loss_terms(output, batch)
        return loss if terms is None else loss + terms

    def frame_losses(self, output: Output, target: Tensor) -> Tensor:
        """The run's loss frame by frame: ``(B,)``."""
        pairs = zip(torch.split(output.frames, 1), torch.split(target, 1), strict=True)
        return torch.stack([self._criterion(frame, truth) for frame, truth in pairs])

    def optimizer_step(self) -> None:
        """Step, and count it."""
        super().optimizer_step()
        self.step += 1

    def _before_training_exp(self, **kwargs: Any) -> None:
        self._started = time.perf_counter()
        self.clock.train_exp_counter = self.session  # Stock plugins count sessions by it; a run may have gone on.
        super()._before_training_exp(**kwargs)
        if self.ranks.world > 1 and not isinstance(cast("object", self.dataloader), ResidentFrames):
            raise ConfigError("ranks share the frames of the strategy's own loader, and a plugin has put another there")
        # A checkpoint may have been loaded: only the rest of the session is left to do, its first pass perhaps in part.
        self.train_epochs = min(self.stop_after, self.passes) - self.epoch
        self._rates = [group["lr"] for group in self.optimizer.param_groups]
        self._step_to_record = partial(self._recorded_step, **kwargs)
        self._recording = self._new_recording(self._step_to_record)

    def _new_recording(self, step: Callable[[], _StepResult]) -> Recording[_StepResult] | None:
        """What records the session's steps; None, with the reason in the log, where they are taken one by one."""
        if not self.graph or self.device.type != "cuda":
            return None
        if self.ranks.world > 1:
            log.info("steps are taken one by one, not replayed as a CUDA graph, since ranks share them")
            return None
        reason, loader = obstacle(self, VideoStrategy), cast("object", self.dataloader)
        if not isinstance(loader, ResidentFrames):
            reason = "a plugin has put another loader in the place of the strategy's"
        if reason is not None:
            log.info("steps are taken one by one, not replayed as a CUDA graph, since %s", reason)
            return None
        return Recording(step, CudaGraph())

    def _after_training_exp(self, **kwargs: Any) -> None:
        self._forget_recording()
        passes, steps = divmod(self.step, self.steps_per_epoch)
        self.trained_on = passes * self._frames + steps * self.train_mb_size + self.step * self._rehearsed
        record = self.seal()
        super()._after_training_exp(**kwargs)
        buffer = {name: tensor.cpu() for plugin in self.stateful for name, tensor in _state_of(plugin).items()}
        self.ledger.keep_buffer(buffer)
        self.record = replace(record, buffer=buffer)

    def restart_recording(self) -> None:
        """Record a step anew: what a step does is no longer what was recorded."""
        if self._recording is not None:
            self._forget_recording()
            self._recording = self._new_recording(self._step_to_record)

    def _forget_recording(self) -> None:
        """Give back the memory of a recording, which its results and gradients are in."""
        if self._recording is not None:
            self._recording = self.mb_output = self.output = None  # type: ignore[assignment]
            self.loss = self._make_empty_loss()
            self.optimizer.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def seal(self) -> SessionRecord:
        """Close the session in the ledger, and go on with what it has sealed."""
        network = self.decoding
        learned = network.learned(self.session, self.masks() if self.state_kind == "shared_masked" else {})
        frame = self._encoded(network)
        steps: dict[str, Tensor] = {}
        if self.state_kind == "shared_latest":
            all_sessions = network.session_dicts()
            learned["session"] = {
                name: torch.stack([own[name] for own in all_sessions]) for name in network.session_tensors
            }
        if self.quantised_training is not None:
            learned, frame, steps = self.quantised_training.seal(self, learned, frame)
        if self.state_kind != "shared_masked":  # There a later session may use what this one does not.
            learned["values"] = network.trimmed(learned["values"], learned["session"])
        record = self.ledger.seal(**learned, frame=frame, steps=steps)
        load_sealed(network, self.ledger)
        self.model.load_frames(self.ledger.frames())  # Where another network decodes.
        if self.quantised_training is not None:
            self.quantised_training.sealed(self)
        return record

    @torch.no_grad()
    def subnetwork(self) -> Subnetwork:
        """What would decode the session's video, were it closed now."""
        network = self.decoding
        weights = {name: weight() for name, weight in network.weights().items()}
        session = {name: tensor.detach() for name, tensor in network.session_dicts()[self.session].items()}
        return Subnetwork(weights, session, self._encoded(network))

    def masks(self) -> dict[str, Tensor]:
        """The session's masks by weight name, bool, each of the shape of its scores."""
        return {name: weight.mask() for name, weight in self.model.weights().items()}

    def _encoded(self, network: Backbone) -> dict[str, Tensor]:
        return encode_clip(network, self.clips[self.session], self.session, self.device, self.precision)

    def _generator(self, purpose: str) -> torch.Generator:
        """For what the next step draws."""
        return init.generator(self.seed, purpose, self.session, self.step)

    def _rest_of_epoch(self, frames: int) -> Tensor:
        """The order of the current pass, less what a stopped run has done of it."""
        order = torch.randperm(frames, generator=init.generator(self.seed, "order", self.session, self.epoch))
        return order[: self._frames][self.step % self.steps_per_epoch * self.train_mb_size :]


def _state_of(plugin: StatefulPlugin) -> dict[str, Tensor]:
    state: object = plugin.session_state()
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ConfigError(f"{type(plugin).__name__}.session_state must give tensors by name, got {state!r:.80}")
    return state
