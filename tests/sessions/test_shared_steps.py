"""A step whose frames ranks share, rank by rank in one process."""

import pytest
import torch
from on_device import DEVICE
from small_backbones import SMALL
from small_strategy import strategy_of

from vcl.layers import init
from vcl.query import Batch, Query
from vcl.ranks import Ranks
from vcl.sessions.experience import video_stream
from vcl.sessions.loader import ResidentFrames
from vcl.sessions.sampling import Sampler

ORDER = torch.tensor([5, 0, 3, 1, 4])
"""A step of 4 frames, which 3 ranks take as 1, 1 and 2, and one of a frame, which two take without counting it."""


def batches(network, clips, rank=0, world=1):
    """What one of so many ranks gets in a pass."""
    sampler = Sampler(network, lambda: init.generator(0, "pixels"))
    dataset, ranks = video_stream(clips).train_stream[2].dataset, Ranks(rank, world)
    return list(ResidentFrames(dataset, clips, 4, lambda _: ORDER, DEVICE, 5, sampler, ranks))


def gradients(strategy, tensors):
    """Of the loss on one batch, all in one vector."""
    strategy.model.zero_grad()
    x, y, *seen = tensors
    batch = Batch(Query.of_tensor(x), y, seen=seen[0] if seen else None)
    strategy.loss_of(strategy.ask(strategy.model, batch.query, batch.to_encode), batch).backward()
    return torch.cat([p.grad.flatten() for p in strategy.model.parameters() if p.grad is not None])


@pytest.mark.parametrize("name", SMALL)
def test_weighted_gradients_of_ranks_average_to_that_of_the_step(name, tiny_config, clips):
    torch.manual_seed(0)
    strategy = strategy_of("finetune", tiny_config("finetune", backbone={"name": name}), clips)
    for session in range(3):
        strategy.model.add_session(session)
    strategy.model.to(DEVICE).train()
    shares = [batches(strategy.model, clips, rank, 3) for rank in range(3)]
    for step, (whole, frames) in enumerate(zip(batches(strategy.model, clips), (4, 1), strict=True)):
        parts = [Ranks(rank, 3).part(frames) for rank in range(3)]
        of_ranks = [part.weight * gradients(strategy, own[step]) for part, own in zip(parts, shares, strict=True)]
        expected = gradients(strategy, whole)
        # Where D-NeRV's flows begin, between two pixels, the last bit decides to which side a gradient leads.
        tolerance = 2e-3 if name == "divnerv" else 1e-4
        assert float((sum(of_ranks) / 3 - expected).norm() / expected.norm()) < tolerance


def test_ranks_see_each_frame_of_a_pass_once_and_fill_up_with_frames_that_do_not_count(tiny_config, clips):
    network = strategy_of("finetune", tiny_config("finetune"), clips).model
    seen = [[batch[0][:, 1].tolist() for batch in batches(network, clips, rank, 3)] for rank in range(3)]
    assert seen == [[[5.0], [4.0]], [[0.0], [4.0]], [[3.0, 1.0], [4.0]]]
    assert [Ranks(rank, 3).part(1).weight for rank in range(3)] == [0, 0, 3]
