import json
import os
import signal

import pytest
from fake_launcher import FakeLauncher
from fake_run import PSNR, TOGETHER, a_matrix
from optuna.trial import TrialState

from vcl import config as configs
from vcl.errors import Interrupted, VclError
from vcl.metrics.registry import METRICS
from vcl.rundir import RunFolder
from vcl.tune.rows import averages
from vcl.tune.search_file import read_search
from vcl.tune.study import LOG, best_of, opened

LR = "space: {train.lr: {low: 1.0e-4, high: 1.0e-2, log: true}}"
STATES = TrialState


def drawn(trials):
    return [trial.params for trial in trials]


def easy_first(config):
    """As ``rising``, but the first video is easy for all, and the more so for bad learning rates."""
    lead = config.train.lr
    return [[40 + lead, 9.0, 8.0], [40 + lead, 20 - lead, 7.0], [30 - lead] * 3]


def test_a_trial_is_what_its_run_reached_and_stored(search_file, tune, tmp_path):
    (trial,) = tune(search_file(), trials=1)
    config = configs.load(tmp_path / "out" / "000.yaml")
    assert trial.state == STATES.COMPLETE
    assert trial.params == {"train.lr": config.train.lr, "method.capacity": str(config.method.capacity)}
    matrix = RunFolder(tmp_path / "out" / "000").matrix()
    assert trial.value == pytest.approx(matrix["rows"][2]["psnr"][0])
    assert trial.intermediate_values == {row: pytest.approx(trial.value) for row in range(3)}
    # Weights of 400, 300 and 200 bytes, three masks of 13, 36 a session and 500 once; 25 seconds a session.
    spent = {name: trial.user_attrs[name] for name in ("stored_bytes", "seconds")}
    assert spent == {"stored_bytes": 900 + 39 + 108 + 500, "seconds": 75.0}


def test_the_next_trial_starts_when_one_has_ended(search_file, tune):
    launcher = FakeLauncher()
    tune(search_file(), launcher, trials=3)
    assert launcher.batches == [["000"], ["001"], ["002"]]
    launcher = FakeLauncher()
    tune(search_file(), launcher, trials=7, jobs=2)
    assert launcher.batches == [["003", "004"], ["005", "006"]]


def test_one_seed_draws_the_same_one_after_another(search_file, tune, tmp_path):
    path = search_file()
    one, other = (tune(path, trials=14, out=tmp_path / name) for name in "ab")
    assert drawn(one) == drawn(other)
    assert len({trial.params["train.lr"] for trial in one}) == 14
    path.write_text(path.read_text() + "seed: 1\n")
    assert drawn(tune(path, trials=2, out=tmp_path / "c")) != drawn(one)[:2]


def test_a_killed_search_takes_its_trials_up_again_and_draws_what_it_would_have_drawn(search_file, tune, tmp_path):
    path = search_file()
    whole = tune(path, trials=13, out=tmp_path / "whole")
    trials = tune(path, FakeLauncher(rows_until_killed=2), trials=13)
    assert [trial.state for trial in trials] == [STATES.RUNNING]
    launcher = FakeLauncher()
    trials = tune(path, launcher, trials=12)
    assert launcher.batches[:2] == [["000"], ["001"]]
    assert [trial.state for trial in trials] == [trial.state for trial in whole[:12]]
    launcher = FakeLauncher()
    assert drawn(tune(path, launcher, trials=13)) == drawn(whole)
    assert launcher.batches == [["012"]]


def test_a_run_that_ended_after_its_search_was_killed_is_not_started_again(search_file, tune, tmp_path):
    path = search_file()
    launcher = FakeLauncher(rows_until_killed=3)
    tune(path, launcher, trials=1)
    launcher.rows_until_killed = float("inf")
    launcher.tasks[0].status()
    assert RunFolder(tmp_path / "out" / "000").finished()
    launcher = FakeLauncher()
    (trial,) = tune(path, launcher, trials=1)
    assert trial.state == STATES.COMPLETE
    assert not launcher.batches


def test_a_trial_that_somebody_stopped_is_taken_up_again(search_file, tune):
    class Stopping(FakeLauncher):
        def start(self, jobs):
            tasks = super().start(jobs)
            tasks[0].stopped = "001" in self.batches[-1]
            return tasks

    path, launcher = search_file(), Stopping()
    with pytest.raises(Interrupted, match=r"^stopped$"):
        tune(path, launcher, trials=4)
    assert launcher.batches == [["000"], ["001"]]
    assert launcher.closed
    launcher = FakeLauncher()
    assert {trial.state for trial in tune(path, launcher, trials=4)} == {STATES.COMPLETE}
    assert launcher.batches == [["001"], ["002"], ["003"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("status", [130, -2])
def test_a_signal_stops_all_trials_which_are_taken_up_again(search_file, tune, number, status):
    class Signalling(FakeLauncher):
        def start(self, jobs):
            os.kill(os.getpid(), number)
            return super().start(jobs)

    path, launcher = search_file(), Signalling(status_when_stopped=status)
    with pytest.raises(Interrupted):
        tune(path, launcher, jobs=2)
    assert [task.stopped for task in launcher.tasks] == [True, True]
    assert [trial.state for trial in tune(path, trials=2)] == [STATES.COMPLETE] * 2


def test_a_signal_that_comes_when_all_is_done_is_no_matter(search_file, tune):
    class Signalling(FakeLauncher):
        def start(self, jobs):
            tasks = super().start(jobs)
            for task in tasks:
                while task.status() is None:
                    pass
            os.kill(os.getpid(), signal.SIGINT)
            return tasks

    assert [trial.state for trial in tune(search_file(), Signalling(), trials=1)] == [STATES.COMPLETE]


def test_a_trial_is_stopped_where_its_row_is_below_the_median_of_that_row(search_file, tune):
    launcher = FakeLauncher(easy_first)
    trials = tune(search_file(f"prune_after: 3\n{LR}"), launcher, trials=12)
    assert [trial.state for trial in trials[:3]] == [STATES.COMPLETE] * 3
    stopped = [trial for trial in trials if trial.state == STATES.PRUNED]
    assert stopped
    for number, trial in enumerate(trials):
        finished = sorted(t.params["train.lr"] for t in trials[:number] if t.state == STATES.COMPLETE)
        if number >= 3:
            # Worse in its first row, which is better for high rates, by hand: below the median of those before it.
            middle = (finished[(len(finished) - 1) // 2] + finished[len(finished) // 2]) / 2
            assert (trial.state == STATES.PRUNED) == (trial.params["train.lr"] < middle)
    assert [task.stopped for task in launcher.tasks] == [trial.state == STATES.PRUNED for trial in trials]
    assert all(trial.last_step == 0 for trial in stopped)


def later(config):
    """Equal in the first row; in the second the better the lower the rate; the first video is the easiest."""
    lead = config.train.lr
    return [[40.0, 9.0, 8.0], [40.0, 20 - lead, 7.0], [30 - lead] * 3]


def test_an_easy_first_video_keeps_no_trial_from_being_stopped_later(search_file, tune):
    trials = tune(search_file(f"prune_after: 3\n{LR}"), FakeLauncher(later), trials=12)
    stopped = [trial for trial in trials if trial.state == STATES.PRUNED]
    assert stopped
    assert {trial.last_step for trial in stopped} == {1}


def test_no_trial_is_stopped_where_the_pruner_is_off(search_file, tune):
    trials = tune(search_file(f"pruner: off\nprune_after: 1\n{LR}"), FakeLauncher(later), trials=8)
    assert {trial.state for trial in trials} == {STATES.COMPLETE}


def test_trials_above_the_limit_neither_win_nor_stop_others(search_file, tune, tmp_path):
    # Of 1547 bytes, and those above a rate of 1e-3 of 2447, which reach more.
    path = search_file(f"limit: {{stored_bytes: 2000}}\nprune_after: 1\n{LR}")
    launcher = FakeLauncher(
        lambda config: [[20.0 + 20 * (config.train.lr > 1e-3)] * 3] * 3, lambda config: 1 + (config.train.lr > 1e-3)
    )
    trials = tune(path, launcher, trials=8)
    assert {trial.state for trial in trials} == {STATES.COMPLETE}
    for trial in trials:
        assert trial.constraints["stored_bytes"] == pytest.approx(0.2235 if trial.value == 40 else -0.2265)
    with opened(tmp_path / "out", read_search(path)) as study:
        best = best_of(study)
    assert best.value == 20
    assert best.number == next(trial.number for trial in trials if trial.value == 20)
    assert {trial.value for trial in trials} == {20, 40}


def test_a_trial_that_trains_for_longer_than_the_limit_is_stopped(search_file, tune):
    launcher = FakeLauncher()
    (trial,) = tune(search_file(f"limit: {{seconds: 40}}\n{LR}"), launcher, trials=1)  # A session takes 25.
    assert trial.state == STATES.PRUNED
    assert trial.user_attrs == {"seconds": 50.0, "ending": "stopped after 50 s, above the limit"}
    assert trial.constraints == {"seconds": 0.25}
    assert launcher.tasks[0].stopped


def test_a_config_that_is_refused_is_a_trial_that_is_never_started(search_file, tune, tmp_path):
    launcher = FakeLauncher()
    trials = tune(search_file("space: {method.capacity: [0.5, 1.5]}"), launcher, trials=8)
    refused = [trial for trial in trials if trial.params["method.capacity"] == "1.5"]
    assert 0 < len(refused) < 8
    for trial in refused:
        assert trial.state == STATES.PRUNED
        assert trial.constraints == {"config": 1.0}
        assert trial.user_attrs["ending"] == "refused: method.capacity must lie in (0, 1], got 1.5"
        assert not list((tmp_path / "out").glob(f"00{trial.number}*"))
    assert len(launcher.tasks) == 8 - len(refused)


def test_a_knob_is_drawn_for_the_methods_that_have_it(search_file, tune):
    text = "space: {method.name: [finetune, wsn], method.capacity: {low: 0.1, high: 0.9}}"
    trials = tune(search_file(text, method="finetune"), trials=8)
    assert {trial.params["method.name"] for trial in trials} == {"finetune", "wsn"}
    for trial in trials:
        assert ("method.capacity" in trial.params) == (trial.params["method.name"] == "wsn")


def test_whole_numbers_are_drawn_in_their_steps(search_file, tune):
    text = "space: {backbone.channels: {low: 8, high: 30, step: 8}, train.batch: {low: 1, high: 9, log: true}}"
    trials = tune(search_file(text), trials=9)
    assert {trial.params["backbone.channels"] for trial in trials} <= {8, 16, 24}
    assert all(isinstance(trial.params["train.batch"], int) for trial in trials)


def test_a_failed_trial_keeps_its_reason_and_the_others_run(search_file, tune):
    trials = tune(search_file(), FakeLauncher(fails={"001": "loss is nan"}), trials=3)
    assert [trial.state for trial in trials] == [STATES.COMPLETE, STATES.FAIL, STATES.COMPLETE]
    assert trials[1].user_attrs["ending"] == "failed: loss is nan"


def test_a_search_stops_where_all_of_its_first_trials_fail_and_goes_on_from_there(search_file, tune):
    path, launcher = search_file(), FakeLauncher(fails={f"00{number}": "no such folder" for number in range(9)})
    for _ in range(2):
        with pytest.raises(VclError, match=r"the first 3 trials failed; 002: no such folder"):
            tune(path, launcher, trials=9)
    trials = tune(path, trials=5)
    assert [trial.state for trial in trials] == [STATES.FAIL] * 2 + [STATES.COMPLETE] * 3


def test_a_metric_that_is_not_defined_is_a_failure(search_file, tune):
    (trial,) = tune(search_file(f"goal: ms_ssim\n{LR}"), trials=1)  # Frames of 18 x 32.
    assert trial.user_attrs["ending"] == "failed: MS-SSIM is not defined for its frames"


def test_a_damaged_run_folder_is_a_failure(search_file, tune, tmp_path):
    class Damaging(FakeLauncher):
        def start(self, jobs):
            tasks = super().start(jobs)
            for job in jobs:
                folder = tmp_path / "out" / job.name
                folder.mkdir()
                (folder / "matrix.json").write_text("{")
                self.fails = {job.name: "damaged"}
            return tasks

    (trial,) = tune(search_file(), Damaging(), trials=1)
    assert trial.state == STATES.FAIL
    assert "matrix.json is damaged" in trial.user_attrs["ending"]


def test_averages_are_of_the_videos_so_far_and_of_cells_that_hashes_prove():
    assert averages(a_matrix(PSNR), METRICS["psnr"]) == [30.0, 29.0, pytest.approx(94 / 3)]
    proven = [[30.0, None, None], [None, 32.0, None], [30.0, 32.0, 34.0]]
    assert averages(a_matrix(proven), METRICS["psnr"]) == [30.0, 31.0, 32.0]
    assert averages(a_matrix(TOGETHER), METRICS["psnr"]) == [None, None, pytest.approx(94 / 3)]


def test_the_study_is_json_and_a_line_that_was_cut_off_is_left_out(search_file, tune, tmp_path):
    path = search_file()
    tune(path, trials=2)
    log = tmp_path / "out" / LOG
    content = log.read_bytes()
    assert all(isinstance(json.loads(line), dict) for line in content.splitlines())
    log.write_bytes(content + b'{"op_code": 5, "wor')
    assert len(tune(path, trials=2)) == 2
    assert log.read_bytes() == content
    log.write_bytes(b"no study\n" + content)
    with pytest.raises(VclError, match=r"study\.log is damaged"):
        tune(path, trials=2)


OTHER = [
    ("goal: ssim\n", [], "goal = psnr, this one has ssim"),
    ("limit: {seconds: 9}\n", [], r"limit\.seconds = null, this one has 9"),
    ("", [("high: 1.0e-2", "high: 1")], r"space\.train\.lr = {low: 0\.0001, high: 0\.01, .*}, this one has"),
]


@pytest.mark.parametrize(("more", "changes", "line"), OTHER)
def test_a_folder_of_another_search_is_refused(more, changes, line, search_file, tune):
    path = search_file()
    tune(path, trials=1)
    text = path.read_text() + more
    for change in changes:
        text = text.replace(*change)
    path.write_text(text)
    with pytest.raises(VclError, match=f"belongs to another search: it has {line}"):
        tune(path, trials=1)


def test_a_folder_of_another_config_is_refused_but_not_for_what_is_drawn_or_cannot_matter(search_file, tune):
    tune(search_file(), trials=1)
    tune(search_file(train={"lr": 0.5}, wandb={"mode": "disabled"}), trials=1)
    with pytest.raises(VclError, match=r"belongs to another search: it has train\.epochs = 36, this one has 7"):
        tune(search_file(train={"epochs": 7}), trials=1)


def test_a_folder_with_something_else_is_refused(search_file, tune, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.yaml").write_text("")
    with pytest.raises(VclError, match=r"must be empty or the folder of a search, but it holds config\.yaml"):
        tune(search_file(), trials=1)


def test_a_second_search_in_the_same_folder_is_refused(search_file, tune, tmp_path):
    path = search_file()
    with opened(tmp_path / "out", read_search(path)), pytest.raises(VclError, match=r"out is in use by process \d+"):
        tune(path, trials=1)
