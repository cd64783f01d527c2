"""From the seconds of parts to those of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vcl.config import RunConfig
from vcl.plan.calibrate import Calibration
from vcl.plan.work import SessionWork


def seconds_of(config: RunConfig, work: Sequence[SessionWork], found: Calibration) -> dict[str, float]:
    """Seconds of a run by part.

    Args:
        config: the run's.
        work: of its sessions.
        found: what a part takes.
    """
    training = evaluation = 0.0
    for session, done in enumerate(work):
        step = _step(session, done, found)
        pause = max(config.train.checkpoint_seconds, step)
        steps = done.steps * step
        training += found.begin + steps + int(steps / pause) * found.save + found.end + found.end_frame * done.frames
        if done.measured:
            evaluation += found.row + found.row_session * (session + 1)
            evaluation += found.frame * done.measured + found.sampled_frame * done.sampled
        if k := config.matrix.transfer_epochs:
            evaluation += found.frame * done.frames
        if k and session:
            a_pass = math.ceil(done.frames / config.train.batch)
            evaluation += found.begin + k * a_pass * found.first_step + found.frame * done.frames
    return {"training": training, "evaluation": evaluation, "around": found.start + found.seal * len(work)}


def _step(session: int, done: SessionWork, found: Calibration) -> float:
    """Seconds of a step, which grow with what it rehearses."""
    if session == 0:
        return found.first_step
    share = done.rehearsed / found.rehearsed if found.rehearsed else 1.0
    return found.first_step + (found.later_step - found.first_step) * share
