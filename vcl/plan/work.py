"""What each session of a run does, in steps and frames, and what its method stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vcl.config import MatrixConfig, RunConfig, passes
from vcl.plan.network import network_of
from vcl.render import BATCH


@dataclass(frozen=True)
class SessionWork:
    """One session, counted.

    Args:
        frames: of its own video.
        drawn_from: frames that its steps draw from, all in memory.
        rehearsed: frames of earlier videos that each step trains on in addition.
        steps: of training.
        trained_on: frames trained on, each counted every time.
        buffered: frames in the method's buffer when it has ended.
        copied: frames that are in memory once more while it ends.
        state: what the method stores to learn the next video, by name; tensors of which only type and shape count.
        measured: frames decoded and measured after it.
        sampled: frames decoded after it for their hash alone.
    """

    frames: int
    drawn_from: int
    rehearsed: int
    steps: int
    trained_on: int
    buffered: int
    copied: int
    state: Mapping[str, Tensor]
    measured: int
    sampled: int


def work_of(config: RunConfig, lengths: Sequence[int]) -> list[SessionWork]:
    """Count a run. Where a method chooses frames by how well they were learned, all are taken to be good enough.

    Args:
        config: the run's.
        lengths: frames of each video, by session.

    Raises:
        ConfigError: the method cannot learn so many videos, or there is no such network.
    """
    from vcl.sessions.methods import METHODS  # Loads Avalanche, which takes seconds.
    from vcl.sessions.stateful import StatefulPlugin
    from vcl.subnet.ledger import Ledger

    config.method.check_sessions(len(lengths))
    method, batch, network = METHODS[config.method.name], config.train.batch, network_of(config, len(lengths))
    with torch.device("meta"):
        ledger = Ledger(network.layout(), method.state_kind)
    plugins = method.own_plugins(config.method, ledger, config.train.seed)
    stateful = [plugin for plugin in plugins if isinstance(plugin, StatefulPlugin)]
    work = []
    for session, frames in enumerate(lengths):
        network.add_session(config.train.seed)
        rehearsed = sum(plugin.rehearsed(session, lengths) for plugin in stateful)
        state: dict[str, Tensor] = {}
        for plugin in stateful:
            state |= plugin.session_spec(session, lengths, network)
        waits = config.method.together and session + 1 < len(lengths)
        per_pass = method.frames_per_pass(session, lengths)
        count = 0 if waits else passes(config.train.epochs, batch, per_pass, rehearsed)
        steps = count * -(-per_pass // batch)
        measured, sampled = (0, 0) if waits else _row(config.matrix, lengths, session)
        work.append(
            SessionWork(
                frames=frames,
                drawn_from=sum(lengths[video] for video in method.videos_of(session, len(lengths))),
                rehearsed=rehearsed,
                steps=steps,
                trained_on=count * per_pass + steps * rehearsed,
                buffered=sum(plugin.buffered for plugin in stateful),
                copied=frames * sum(plugin.video_copies for plugin in stateful),
                state=state,
                measured=measured,
                sampled=sampled,
            )
        )
    return work


def _row(matrix: MatrixConfig, lengths: Sequence[int], session: int) -> tuple[int, int]:
    """Frames measured, and frames sampled, after a session."""
    measured = sampled = 0
    for video, frames in enumerate(lengths):
        if video > session:
            measured += frames if matrix.upper else 0
            continue
        if matrix.verify == "hash":
            sampled += _sample(frames, matrix.verify_frames)
        if matrix.verify == "decode" or session in (video, len(lengths) - 1):
            measured += frames
    return measured, sampled


def _sample(frames: int, wanted: int) -> int:
    """Whole batches, the last one shorter where the video ends in it."""
    batches = -(-frames // BATCH)
    sampled = min(batches, -(-wanted // BATCH))
    reaches_the_end = sampled > 1 or batches == 1
    return sampled * BATCH - (batches * BATCH - frames if reaches_the_end else 0)
