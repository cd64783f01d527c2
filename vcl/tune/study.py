"""What a search has drawn and found, kept in a file of its folder by Optuna."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from vcl import config as configs
from vcl.config.rules import shown
from vcl.errors import RunFolderInUseError, VclError
from vcl.folder_lock import LOCK_NAME, exclusive_lock
from vcl.rundir.files import explained
from vcl.tune.search_file import Search
from vcl.tune.space import Range, has_knob

LOG = "study.log"
"""File of the study in the folder of a search: one JSON object a line."""

REFUSED = "config"
"""Constraint that a trial breaks whose config is refused."""

_SEARCH = "search"
"""Attribute of the study that says what is searched."""


class RowPruner(BasePruner):
    """Stops a trial whose last row is worse than the median of the same row of other trials.

    Optuna's own median pruner compares the best of a trial's rows so far, which an easy first video would make the
    first one for good. Only trials that finished and keep the limit are compared with: others may well be better.

    Args:
        after: how many such trials there must be.
    """

    def __init__(self, after: int) -> None:
        self._after = after

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to stop a trial that goes on."""
        step = trial.last_step
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        others = [
            other.intermediate_values[step]
            for other in finished
            if step is not None and step in other.intermediate_values and is_feasible(other)
        ]
        if step is None or len(others) < self._after:
            return False
        lead = trial.intermediate_values[step] - median(others)
        return lead < 0 if study.direction == StudyDirection.MAXIMIZE else lead > 0


@contextmanager
def opened(out: Path, search: Search) -> Iterator[optuna.Study]:
    """Make or continue the study of a search in its folder, which no other process can use meanwhile.

    Raises:
        VclError: the folder belongs to another search (the first thing that differs is named), is in use, holds
            something else, is damaged or cannot be written.
    """
    with explained(out):
        _check_ours(out)
        out.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(out, RunFolderInUseError):
            yield _study(out, search)


def unfinished(study: optuna.Study) -> list[Trial]:
    """Trials that a process was running when it ended, in their order."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    # There is no other way to a trial that can be reported to, but through ``Study.ask``, which draws a new one.
    return [Trial(study, trial._trial_id) for trial in running]


def drawn(study: optuna.Study, search: Search, trial: Trial | None = None) -> tuple[Trial, tuple[str, ...]]:
    """Draw the config of a new trial, or the rest of one that is not finished.

    What is drawn depends on the seed, on the number of the trial and on all that is known of others at this moment, and
    on nothing else: not on when the search was stopped.

    Returns:
        The trial, and the settings that make its config.
    """
    number = len(study.get_trials(deepcopy=False)) if trial is None else trial.number
    seed = int(np.random.SeedSequence([search.seed, number]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=seed)
    trial = study.ask() if trial is None else trial
    values: dict[str, Any] = {}
    base = search.config()
    names = {"method": base.method.name, "backbone": base.backbone.name}
    for knob in search.space:
        section, _, name = knob.key.partition(".")
        if section in names and not has_knob(section, str(values.get(f"{section}.name", names[section])), name):
            continue
        if not isinstance(knob, Range):
            values[knob.key] = trial.suggest_categorical(knob.key, knob.words)
        elif knob.whole:
            step = 1 if knob.step is None else int(knob.step)
            values[knob.key] = trial.suggest_int(knob.key, int(knob.low), int(knob.high), step=step, log=knob.log)
        else:
            values[knob.key] = trial.suggest_float(knob.key, knob.low, knob.high, step=knob.step, log=knob.log)
    return trial, tuple(f"{key}={value}" for key, value in values.items())


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a trial keeps the limit, as far as is known of it."""
    return all(excess <= 0 for excess in trial.constraints.values())


def best_of(study: optuna.Study) -> FrozenTrial | None:
    """The best of the trials that finished and keep the limit; of equal ones the first; None where there is none."""
    finished = filter(is_feasible, study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    best = max if study.direction == StudyDirection.MAXIMIZE else min
    return best(finished, key=_value, default=None)


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value


def _check_ours(out: Path) -> None:
    """Refuse a folder that holds anything else."""
    if not out.exists() or (out / LOG).exists():
        return
    others = [item.name for item in out.iterdir() if item.name != LOCK_NAME]
    if others:
        raise VclError(f"{out} must be empty or the folder of a search, but it holds {min(others)}")


def _study(out: Path, search: Search) -> optuna.Study:
    optuna.logging.disable_default_handler()  # Its warnings go where ours go.
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = out / LOG
    _cut_off_half_a_line(path)
    pruner = optuna.pruners.NopPruner() if search.prune_after is None else RowPruner(search.prune_after)
    direction = StudyDirection.MAXIMIZE if search.goal.higher_is_better else StudyDirection.MINIMIZE
    try:
        storage = JournalStorage(JournalFileBackend(str(path)))
        if optuna.get_all_study_names(storage):
            study = optuna.load_study(study_name=None, storage=storage, pruner=pruner)
        else:
            study = optuna.create_study(study_name="vcl", storage=storage, direction=direction, pruner=pruner)
        known = study.user_attrs.get(_SEARCH)
    except (ValueError, KeyError, TypeError) as error:
        raise VclError(f"{path} is damaged: {error}") from error
    searched = _searched(search)
    if known is None:
        study.set_user_attr(_SEARCH, searched)
    elif difference := _difference(known, searched):
        key, theirs, ours = difference
        raise VclError(
            f"{out} belongs to another search: it has {key} = {shown(theirs)}, this one has {shown(ours)}; "
            "choose another folder with --out"
        )
    return study


def _cut_off_half_a_line(path: Path) -> None:
    """Remove the end of a line that a power cut kept from being written; Optuna would refuse the whole file."""
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)


def _searched(search: Search) -> dict[str, dict[str, Any]]:
    """What makes two searches the same, as JSON holds it: not the seed, nor how many trials, nor the pruner."""
    drawn_keys = {knob.key for knob in search.space}
    return {
        "search": {"goal": search.goal.name, **{f"limit.{name}": value for name, value in search.limit.items()}},
        "space": {f"space.{knob.key}": knob.to_json() for knob in search.space},
        "config": {
            f"{section}.{key}": value
            for section, knobs in configs.identity(search.config()).items()
            for key, value in knobs.items()
            if f"{section}.{key}" not in drawn_keys
        },
    }


def _difference(
    known: dict[str, dict[str, Any]], searched: dict[str, dict[str, Any]]
) -> tuple[str, object, object] | None:
    """The first difference: key, what the folder has, what is searched now."""
    for part, values in searched.items():
        for key in {**known[part], **values}:
            # A setting that only one of them has came with another version of vcl, or is another method's, as its name.
            both = key in known[part] and key in values
            if known[part].get(key) != values.get(key) and (both or part != "config"):
                return key, known[part].get(key), values.get(key)
    return None
