"""From the seconds of parts to those of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vcl.config import RunConfig
from vcl.plan.calibration import Calibration, SessionTimes
from vcl.plan.work import SessionWork


def seconds_of(config: RunConfig, work: Sequence[SessionWork], calibration: Calibration) -> dict[str, float]:
    """Seconds of a run by part.

    Args:
        config: the run's.
        work: of its sessions.
        calibration: what each part takes.
    """
    training = evaluation = 0.0
    times, row = calibration.session, calibration.row
    for number, session in enumerate(work):
        step = _step(number, session, times)
        steps = session.steps * step
        training += times.begin + steps + times.end + times.end_frame * session.frames
        training += _saving(config.train.checkpoint_seconds, session.steps, step, times)
        if session.measured:
            evaluation += row.fixed + row.per_session * (number + 1)
            evaluation += row.frame * session.measured + row.sampled_frame * session.sampled
        if k := config.matrix.transfer_epochs:
            evaluation += row.frame * session.frames
            if number:
                steps_per_pass = math.ceil(session.frames / config.train.batch)
                evaluation += times.begin + k * steps_per_pass * times.first_step + row.frame * session.frames
    overhead = calibration.start + times.seal * len(work)
    return {"training": training, "evaluation": evaluation, "overhead": overhead}


def _step(number: int, session: SessionWork, times: SessionTimes) -> float:
    """Seconds of a step, which grow with what it rehearses."""
    if number == 0:
        return times.first_step
    share = session.rehearsed / times.rehearsed if times.rehearsed else 1.0
    return times.first_step + (times.later_step - times.first_step) * share


def _saving(interval: float, steps: int, step: float, times: SessionTimes) -> float:
    """Seconds that the steps of a session wait for checkpoints so far apart."""
    if interval == 0:  # Every step is saved, and waits until the one before is on disk.
        return steps * (times.save + max(0.0, times.write - step))
    return int(steps * step / max(interval, step, times.write)) * times.save
