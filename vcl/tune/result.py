"""What a search came to: a table of its trials, and the config of the best."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from vcl.config.rules import shown
from vcl.errors import VclError
from vcl.report.tables import text_table
from vcl.rundir.files import explained, write_whole
from vcl.tune.loop import name_of
from vcl.tune.search_file import Search
from vcl.tune.study import REFUSED, best_of, is_feasible
from vcl.wording import printable

BEST = "best.yaml"
"""File of the best config in the folder of a search."""


def keep_best(study: optuna.Study, search: Search, out: Path) -> Path:
    """Write the config of the best trial, as ``vcl run`` takes it.

    Returns:
        Its path.

    Raises:
        VclError: no trial finished, or none that did keeps the limit; or it cannot be written.
    """
    best = best_of(study)
    if best is None:
        raise VclError(f"there is no best config: {_why_none(study, search)}")
    path, name = out / BEST, name_of(best.number)
    with explained(out):
        config = (out / f"{name}.yaml").read_bytes()
    write_whole(path, f"# Trial {name} of {printable(str(out))}: {_numbers(best, search)}.\n".encode() + config)
    return path


def _numbers(trial: FrozenTrial, search: Search) -> str:
    assert trial.value is not None
    size, seconds = trial.user_attrs["stored_bytes"], trial.user_attrs["seconds"]
    return f"{search.goal.label} {search.goal.text(trial.value)}, {size:,} bytes, {seconds:.0f} s"


def _why_none(study: optuna.Study, search: Search) -> str:
    trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not finished:
        return f"none of {len(trials)} trials finished"
    limit = " and ".join(f"{name} of at most {amount:,.0f}" for name, amount in search.limit.items())
    nearest = min(finished, key=lambda trial: max(trial.constraints.values()))
    took = " and ".join(f"{nearest.user_attrs[name]:,.0f}" for name in search.limit)
    return f"none of {len(finished)} finished trials has {limit}; {name_of(nearest.number)}, the nearest, has {took}"


def table_text(study: optuna.Study, search: Search) -> str:
    """All trials in their order: how each ended, what it reached and took, and what was drawn for it."""
    best = best_of(study)
    keys = [knob.key for knob in search.space]
    rows = [["trial", "", search.goal.heading, "stored bytes", "seconds", *keys]]
    for trial in study.get_trials(deepcopy=False):
        size, seconds = (trial.user_attrs.get(name) for name in ("stored_bytes", "seconds"))
        latest = trial.value if trial.value is not None else _last_row(trial)
        rows.append(
            [
                name_of(trial.number),
                "best" if best is not None and trial.number == best.number else ending(trial),
                "" if latest is None else f"{latest:.{search.goal.digits}f}",
                "" if size is None else f"{size:,}",
                "" if seconds is None else f"{seconds:.0f}",
                *(_knob_text(trial.params.get(key)) for key in keys),
            ]
        )
    return text_table(rows, left=2)


def names_of(study: optuna.Study) -> list[str]:
    """Names of all trials."""
    return [name_of(trial.number) for trial in study.get_trials(deepcopy=False)]


def ending(trial: FrozenTrial) -> str:
    """How a trial ended, in few words."""
    if trial.state == TrialState.COMPLETE:
        return "finished" if is_feasible(trial) else "above limit"
    if trial.state == TrialState.PRUNED:
        if trial.constraints.get(REFUSED):
            return "refused"
        row = f" after {trial.last_step}" if trial.last_step is not None else ""
        return f"stopped{row}" if is_feasible(trial) else f"above limit{row}"
    return "failed" if trial.state == TrialState.FAIL else "unfinished"


def _last_row(trial: FrozenTrial) -> float | None:
    return None if trial.last_step is None else trial.intermediate_values[trial.last_step]


def _knob_text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else shown(value)
