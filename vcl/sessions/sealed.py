"""What is sealed of a session, and networks with what was sealed."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcl.backbones import Backbone
from vcl.device import at_precision
from vcl.metrics.quality import to_unit
from vcl.query import Query
from vcl.render import BATCH
from vcl.subnet.ledger import Ledger
from vcl.subnet.record import key_frames
from vcl.video.cache import Clip
from vcl.video.pixels import stored_frames


@torch.no_grad()
def load_sealed(network: Backbone, ledger: Ledger) -> None:
    """Put what was sealed into a network: what later sessions see of a closed one is what decoding sees.

    With masks that is every sealed weight; the others stay as they are. Without, it is the latest network as a whole.

    Args:
        network: of the ledger's layout, with the tensors of all closed sessions.
        ledger: with one closed session or more.
    """
    latest = len(ledger) - 1
    dense = {} if ledger.state_kind == "shared_masked" else ledger.subnetwork(latest).weights
    for name, weight in network.weights().items():
        value = weight.value
        if dense:
            value.copy_(dense[name])
        else:
            sealed = ledger.sealed(name).to(value.device)
            value.copy_(torch.where(sealed, ledger.values(name).to(value.device), value))
    for session, own in enumerate(network.session_dicts()[: len(ledger)]):
        for name, tensor in ledger.session_tensors(session).items():
            own[name].copy_(tensor)
    network.load_frames(ledger.frames())


def teacher_snapshot(model: Backbone, ledger: Ledger) -> Backbone:
    """A frozen copy of a network with the numbers that it had when the latest session closed."""
    network = copy.deepcopy(model).eval().requires_grad_(False)
    load_sealed(network, ledger)
    return network


def seen_frames(network: Backbone, frames: NDArray[np.uint8], times: Tensor, device: torch.device) -> Tensor:
    """What ``encode`` takes of some frames of a clip, in [0, 1]: ``(n, 3, H, W)``, or ``(n, C, 3, H, W)``."""
    seen = network.frames_seen(times, len(frames))
    index = seen[:, 0] if seen.shape[1] == 1 else seen
    return to_unit(stored_frames(frames, index.numpy(), device))


@torch.no_grad()
def encode_clip(network: Backbone, clip: Clip, session: int, device: torch.device, precision: str) -> dict[str, Tensor]:
    """Frame tensors of a whole video, float32, as ``SessionRecord`` has them; none for networks that have none.

    Args:
        network: encodes, in evaluation mode.
        clip: the video.
        session: its index.
        device: of the network.
        precision: as ``train.precision``.
    """
    if not network.frame_tensors:
        return {}
    length, batches, was_training = len(clip.frames), [], network.training
    network.eval()
    for first in range(0, length, BATCH):
        times = range(first, min(first + BATCH, length))
        frames = seen_frames(network, clip.frames, torch.tensor(times), device)
        with at_precision(device, precision):
            batches.append(network.encoded(Query.of_video(session, times, length, device), frames))
    network.train(was_training)
    frame = {name: torch.cat([batch[name].float() for batch in batches]) for name in network.frame_tensors}
    for name, every in network.key_frames.items():
        keys = key_frames(length, every)
        # Of the two around a key frame it is the first, but for a last one that follows the others too closely.
        frame[name] = torch.stack([frame[name][t, int(t % every > 0)] for t in keys])
    return frame
