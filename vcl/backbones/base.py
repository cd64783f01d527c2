"""What every backbone is: the numbers that it has, and who they belong to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from vcl.config import BackboneConfig
from vcl.errors import ConfigError
from vcl.layers import init
from vcl.layers.masked import MaskedWeight, WeightRule, mask_weights, weights_of
from vcl.layers.own import OwnTensors, SessionTensor
from vcl.query import Batch, Output, Query
from vcl.subnet.record import Layout


class Backbone(nn.Module, ABC):
    """A network that decodes frames.

    Its numbers are of five kinds, by where they stand:

    - **shared**: every parameter of two dimensions or more. ``apply_rule`` turns each into a ``MaskedWeight``; a
      session's mask chooses among them, and what it chose is sealed.
    - **session**: dense, one set per session. Biases and scales of stock layers and norms are of this kind, and the
      layers use those of each frame's session; heads and whatever else ``decode`` gets are declared by
      ``session_tensors``.
    - **frame**: declared by ``frame_tensors`` and made by ``encode``: a few numbers per frame, stored with the session.
    - **training-only**: of the children named in ``training_only``, such as an encoder; decoding does without them.
      Each module of theirs that has parameters has ``reset_parameters``, as those of PyTorch do, which draws them.
    - **constant**: buffers that are not persistent, made again from the config.

    A network with any other parameter or buffer is refused by ``roles.check``: it would train and be missing when a
    video is decoded. A subclass writes its layers in plain PyTorch and knows nothing of masks. One that does the same
    work on the device in every step, whatever the step, says ``recordable = True``: its training is then replayed as a
    CUDA graph, in which nothing that Python computes is computed again.

    Args:
        config: the network's knobs.
        size: height and width of a frame, pixels.
        sessions: videos in the stream, for networks whose input depends on it.
    """

    training_only: ClassVar[tuple[str, ...]] = ()
    sampling: ClassVar[Literal["frame", "patch", "pixel"]] = "frame"
    """What it trains on: whole frames, patches of ``patch``, or ``points`` pixels of each frame of a step."""
    patch: tuple[int, int] = (0, 0)
    """Height and width of a patch, which divide those of a frame; of a network that trains on patches."""
    moments: ClassVar[bool] = False
    """Whether it decodes moments between frames although frames have numbers of their own."""
    points: int = 0
    """Pixels of each frame in a step, of a network that trains on pixels."""
    rounds: int = 0
    """How often in a session ``restructure`` is called."""
    session_parameters: nn.ModuleList

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__()
        self.size = size
        self.scaled = config.initial == "scaled"
        self._frame_table: dict[str, Tensor] = {}
        self._first_rows: dict[str, Tensor] = {}
        self._own: OwnTensors | None = None

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """What each session has for itself, by name; a network that has more than stock layers have adds it."""
        return self.layer_tensors

    @property
    def layer_tensors(self) -> Mapping[str, SessionTensor]:
        """Biases and norms of stock layers, by name; none before ``apply_rule``."""
        return self._own.tensors if self._own else {}

    @property
    def frame_tensors(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the numbers that each frame has for itself, by name."""
        return {}

    @property
    def key_frames(self) -> Mapping[str, int]:
        """Those of ``frame_tensors`` that only key frames have, and from how many frames to how many there is one.

        ``decode`` gets, and ``encode`` gives, ``(B, 2, *shape)`` of these: the key frames around each frame, as in
        ``Query.key_rows``.
        """
        return {}

    @property
    def largest_activation(self) -> int:
        """Numbers of the largest tensor that decoding a frame makes: a library that asks for too much is refused."""
        return 3 * self.size[0] * self.size[1]

    @abstractmethod
    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Make frames, or the patches or pixels that the query asks for.

        A network that makes a frame in pieces does so here, in bounded memory, where the query is of whole frames.

        Args:
            query: B frames, of any sessions.
            session: by name, ``(B, *shape)``: the session tensors of each frame's session.
            frame: by name, ``(B, *shape)``: the frame tensors of each frame.
        """

    def encode(self, query: Query, frames: Tensor) -> Mapping[str, Tensor]:
        """Frame tensors ``(B, *shape)``; for networks that have some.

        Args:
            query: B frames.
            frames: true frames in [0, 1], ``(B, 3, H, W)``; or ``(B, C, 3, H, W)``, the C that ``frames_seen`` names.
        """
        return {}

    def frames_seen(self, t: Tensor, frames: int) -> Tensor:
        """Which frames ``encode`` sees of each frame of a video; by default that frame alone.

        Args:
            t: ``(n,)``, indices of frames.
            frames: length of the video.

        Returns:
            ``(n, C)``, indices of frames.
        """
        return t[:, None]

    def loss_terms(self, output: Output, batch: Batch) -> Tensor | None:
        """What the network adds to the loss of a step, one number; None for nothing."""
        return None

    def restructure(self, session: int) -> None:
        """Change what a session trains, in place; called ``rounds`` times, evenly over the first half of its steps.

        Args:
            session: the one in training.
        """

    def trimmed(self, values: Mapping[str, Tensor], session: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The weights that are stored of a dense network, such as with 0 for those that decoding does not use.

        Args:
            values: the shared weights by name; of ``differences``, what is to be added.
            session: the session's tensors by name; of ``shared_latest`` those of all sessions so far, stacked.
        """
        return values

    def check_query(self, query: Query) -> None:
        """Refuse a query that the network cannot answer; called before each ``decode``.

        Raises:
            ConfigError: it has a window, points or another size, unless a subclass allows that.
        """
        parts = {"a window": query.window, "points": query.points}
        wanted = next((what for what, part in parts.items() if part is not None), query.size)
        if wanted not in (None, self.size):
            raise ConfigError(f"{type(self).__name__} makes whole frames of {self.size}, got {wanted}")

    def ask(self, query: Query, frames: Tensor | None = None) -> Output:
        """Decode with the numbers that the network holds.

        Args:
            query: B frames, of any sessions.
            frames: true frames for ``encode``; by default frame tensors are those of ``load_frames``.

        Raises:
            ConfigError: the network cannot answer the query.
        """
        # One small gather serves any mixture of sessions without asking the device which they are.
        of_row = query.session.long()
        session = {
            name: torch.stack([own[name] for own in self.session_dicts()])[of_row] for name in self.session_tensors
        }
        if not self.frame_tensors:
            return self.answer(query, session, {})
        if frames is not None:
            return self.answer(query, session, self.encoded(query, frames))
        if not self._frame_table:
            raise ConfigError(f"{type(self).__name__} needs frame tensors: encode true frames, or load_frames before")
        frame = {}
        for name, table in self._frame_table.items():
            first = self._first_rows[name][of_row]
            every = self.key_frames.get(name)
            frame[name] = table[first + query.t.long() if every is None else first[:, None] + query.key_rows(every)]
        return self.answer(query, session, frame)

    def encoded(self, query: Query, frames: Tensor) -> dict[str, Tensor]:
        """What ``encode`` gives, in the memory order in which it is stored: last bits may depend on it."""
        return {name: tensor.contiguous() for name, tensor in self.encode(query, frames).items()}

    def answer(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """What ``decode`` gives, held to what it must give.

        Raises:
            ConfigError: the network cannot answer the query, or gives something else than frames of its size.
        """
        self.check_query(query)
        if self._own:
            self._own.load(session)
        try:
            output: object = self.decode(query, session, frame)
        finally:
            if self._own:
                self._own.forget()
        if not isinstance(output, Output):
            raise ConfigError(f"{type(self).__name__}.decode must give an Output, got {type(output).__name__}")
        shape = (len(query), 3, *(query.size or self.size))
        if query.window is None and query.points is None and output.frames.shape != shape:
            raise ConfigError(f"{type(self).__name__} must give frames {shape}, got {tuple(output.frames.shape)}")
        return output

    def forward(self, x: Tensor) -> Tensor:
        """Frames ``(B, 3, H, W)`` of ``Query.tensor``: how a stock continual-learning method calls the network."""
        return self.ask(Query.of_tensor(x)).frames

    def load_frames(self, stored: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Hold the frame tensors of closed sessions, as ``SessionRecord`` has them, for ``ask``."""
        if not self.frame_tensors or not stored:
            return
        device = next(self.parameters()).device
        for name in self.frame_tensors:
            lengths = [len(stored[session][name]) for session in range(len(stored))]
            self._first_rows[name] = torch.tensor([0, *accumulate(lengths)][:-1], device=device)
        self._frame_table = {
            name: torch.cat([stored[session][name] for session in range(len(stored))]).to(device)
            for name in self.frame_tensors
        }

    def apply_rule(self, rule: Callable[[str], WeightRule]) -> None:
        """Let sessions share every weight by a rule; called once, by ``build``, when all layers are there.

        Args:
            rule: the name of a weight to its rule.
        """
        self._own = OwnTensors(self, self.training_only)
        mask_weights(self, rule, self.training_only)
        # Last: stock plugins expect parameters that are new to be the last ones.
        self.session_parameters = nn.ModuleList()

    def weights(self) -> dict[str, MaskedWeight]:
        """The shared weights by name, in the order of the layers."""
        return weights_of(self)

    def shapes(self) -> dict[str, torch.Size]:
        """Shapes of the shared weights by name."""
        return {name: weight.value.shape for name, weight in self.weights().items()}

    def layout(self) -> Layout:
        """Shapes of everything that a session stores."""
        session = {name: tensor.shape for name, tensor in self.session_tensors.items()}
        rows = {name: weight.channels[0] for name, weight in self.weights().items()}
        return Layout(self.shapes(), session, self.frame_tensors, rows, self.key_frames)

    def learned(self, session: int, masks: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
        """What ``Ledger.seal`` takes: ``values`` and ``masks`` of all weights and the session's tensors, by name.

        Args:
            session: its index.
            masks: by weight name; by default those that the scores choose.
        """
        weights = self.weights()
        return {
            "values": {name: weight.value for name, weight in weights.items()},
            "masks": {name: weight.mask() for name, weight in weights.items()} if masks is None else masks,
            "session": dict(self.session_dicts()[session]),
        }

    def reset_parameters(self, seed: int, *purpose: int | str) -> None:
        """Draw all shared weights and scores anew, and what is training-only as its modules do it."""
        for name, weight in self.weights().items():
            weight.reset_values(seed, "value", name, *purpose, scaled=self.scaled)
            weight.reset_scores(seed, "score", name, *purpose)
        device = next(self.parameters()).device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            for child in self.training_only:
                torch.manual_seed(init.generator(seed, child, *purpose).initial_seed())
                for module in self.get_submodule(child).modules():
                    if (reset := reset_of(module)) is not None:
                        reset()

    def add_session(self, seed: int) -> None:
        """Add the next session's own tensors."""
        number, device = len(self.session_parameters), next(self.parameters()).device
        own = nn.ParameterDict()
        for name, tensor in self.session_tensors.items():
            content = torch.full(tensor.shape, float(tensor.initial == "ones"))
            if tensor.initial == "uniform":
                init.fill_uniform(content, tensor.fan_in or content[0].numel(), init.generator(seed, name, number))
            own[name] = nn.Parameter(content.to(device))
        self.session_parameters.append(own)

    def session_dicts(self) -> list[nn.ParameterDict]:
        """The tensors of each session, by name."""
        return list(getattr(self, "session_parameters", ()))  # None before ``apply_rule``.


def reset_of(module: nn.Module) -> Callable[[], None] | None:
    """The method that draws a module's parameters anew; PyTorch's attention has it under another name."""
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    return reset if callable(reset) else None
