import shutil
import time

import pytest
from fake_launcher import FakeLauncher
from warm_process import start_vcl

from vcl import config as configs
from vcl.cli import main
from vcl.report.summary import summarise
from vcl.rundir import RunFolder
from vcl.tune.result import BEST

LR = "space: {train.lr: {low: 1.0e-4, high: 1.0e-2, log: true}}"


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Call with a search file, a launcher and words; gives the exit status of the command."""

    def run(path, *words, launcher=None):
        monkeypatch.setattr("vcl.launch.settings.launcher_of", lambda settings, folder: launcher or FakeLauncher())
        return main(["tune", str(path), "--out", str(tmp_path / "out"), *words])

    return run


def test_a_search_ends_with_a_table_and_a_config_that_runs(search_file, command, capsys, tmp_path):
    path = search_file(f"trials: 4\n{LR}")
    launcher = FakeLauncher(fails={"002": "no space"})
    assert command(path, "train.epochs=9", launcher=launcher) == 0
    heading, _, *rows, trials, best = capsys.readouterr().out.splitlines()
    assert heading.split() == ["trial", "PSNR", "(dB)", "stored", "bytes", "seconds", "train.lr"]
    assert [row.split()[0] for row in rows] == ["000", "001", "002", "003"]
    assert rows[2].split()[1] == "failed"
    out = tmp_path / "out"
    assert trials == f"Trials: {out}   Comparison: vcl compare {out}"
    assert best == f"Best: vcl run {out / BEST}"
    finished = {name: summarise(RunFolder.existing(out / name)).psnr for name in ("000", "001", "003")}
    name = max(finished, key=finished.get)
    assert rows[int(name)].split()[1:5] == ["best", f"{finished[name]:.2f}", "1,547", "75"]
    text = (out / BEST).read_text()
    assert text.startswith(f"# Trial {name} of {out}: PSNR {finished[name]:.2f} dB, 1,547 bytes, 75 s.\n")
    assert configs.load(out / BEST) == RunFolder.existing(out / name).config()
    assert configs.load(out / BEST).train.epochs == 9


def test_a_finished_search_runs_nothing_and_goes_on_with_more_trials(search_file, command, capsys):
    path, launcher = search_file(f"trials: 2\n{LR}"), FakeLauncher()
    command(path, launcher=launcher)
    assert command(path, launcher=launcher) == 0
    assert command(path, "--trials", "3", launcher=launcher) == 0
    assert launcher.batches == [["000"], ["001"], ["002"]]
    first, again, more = capsys.readouterr().out.split("trial ")[1:]
    assert first == again
    assert "\n002 " in more


def test_so_many_trials_run_at_once_as_the_file_or_the_command_line_says(search_file, command):
    path, launcher = search_file(f"trials: 4\nlaunch: {{jobs: 4}}\n{LR}"), FakeLauncher()
    command(path, "--trials", "3", launcher=launcher)
    command(path, "--trials", "5", "--launcher", "local:2", launcher=launcher)
    assert launcher.batches == [["000", "001", "002"], ["003", "004"]]


def test_every_ending_has_its_word_in_the_table(search_file, command, capsys):
    text = "limit: {stored_bytes: 2000}\nprune_after: 1\nspace: {method.capacity: [0.1, 0.2, 0.3, 1.5]}"
    launcher = FakeLauncher(
        lambda config: [[100 * config.method.capacity] * 3] * 3, lambda config: 1 + (config.method.capacity == 0.3)
    )
    command(search_file(text), "--trials", "16", launcher=launcher)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("0")]
    # By hand: 0.2 is the best that keeps the limit; 0.1 is stopped in its first row, once a better one has finished.
    best = next(number for number, row in enumerate(rows) if row[-1] == "0.2")
    for number, row in enumerate(rows):
        if row[-1] == "1.5":
            assert row[1:] == ["refused", "1.5"]
        elif row[-1] == "0.3":
            assert row[1:] == ["above", "limit", "30.00", "2,447", "75", "0.3"]
        elif row[-1] == "0.1" and number > best:
            assert row[1:] == ["stopped", "after", "0", "10.00", "25", "0.1"]
        else:
            assert row[1] == ("best" if number == best else "finished")
    assert {row[-1] for row in rows} == {"0.1", "0.2", "0.3", "1.5"}
    assert any(row[1] == "stopped" for row in rows)


def test_where_no_trial_keeps_the_limit_there_is_no_best(search_file, command, capsys, tmp_path):
    assert command(search_file(f"limit: {{stored_bytes: 1000}}\n{LR}"), "--trials", "2") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "vcl: there is no best config: none of 2 finished trials has stored_bytes of at most 1,000; 000, the nearest, "
        "has 1,547"
    )
    assert not (tmp_path / "out" / BEST).exists()


def test_where_no_trial_finished_there_is_no_best(search_file, command, capsys):
    assert command(search_file(f"limit: {{seconds: 10}}\n{LR}"), "--trials", "2") == 2
    assert capsys.readouterr().err.splitlines()[-1] == "vcl: there is no best config: none of 2 trials finished"


REFUSED = [
    (["--trials", "0"], "--trials must be 1 or more, got 0"),
    (["--cell", "007"], "--cell must name a trial of {out}, got 007"),
    (["--launcher", "ray"], "launch.jobs must say how many trials run at once, as in --launcher ray:4, got null"),
    (
        ["train.lr=1"],
        "search {path}: space.train.lr must not be set, as it is drawn, got train.lr=1",
    ),
]


@pytest.mark.parametrize(("words", "line"), REFUSED)
def test_what_cannot_be_searched_is_refused_in_a_line(words, line, search_file, command, capsys, tmp_path):
    path = search_file(LR)
    assert command(path, *words) == 2
    assert capsys.readouterr().err == f"vcl: {line.format(out=tmp_path / 'out', path=path)}\n"
    assert not (tmp_path / "out").exists()


def test_without_optuna_the_line_says_what_to_install(search_file, command, capsys, monkeypatch):
    monkeypatch.setattr("vcl.cli.tune.find_spec", lambda name: None)
    assert command(search_file()) == 2
    assert capsys.readouterr().err == 'vcl: vcl tune needs Optuna: pip install "vcl[tune]"\n'


def test_a_search_that_is_run_as_a_config_says_so(search_file, capsys):
    path = search_file()
    assert main(["run", str(path)]) == 2
    assert capsys.readouterr().err.endswith(f"must hold settings, got a search; run it with: vcl tune {path}\n")


def test_a_cell_is_the_trial_of_that_name_which_does_nothing_once_it_has_finished(finished_run, tmp_path):
    config, folder = finished_run("wsn")
    shutil.copytree(folder.path, tmp_path / "007")
    (tmp_path / "007.yaml").write_text(configs.to_yaml(config))
    events = RunFolder(tmp_path / "007").events()
    assert main(["tune", "any.search.yaml", "--out", str(tmp_path), "--cell", "007"]) == 0
    assert RunFolder(tmp_path / "007").events() == events


@pytest.mark.process
def test_a_search_whose_processes_are_real_is_killed_and_goes_on(tmp_path, tiny_config, stream, capsys):
    config = tiny_config("wsn", stream={**stream, "videos": ["clip0", "clip1"]}, train={"epochs": 40})
    (tmp_path / "base.yaml").write_text(configs.to_yaml(config))
    path, out = tmp_path / "lr.search.yaml", tmp_path / "out"
    path.write_text(f"config: base.yaml\ntrials: 2\n{LR}\n")
    words = ["tune", str(path), "--out", str(out)]
    process, first = start_vcl(*words), RunFolder(out / "000")
    while not first.events("epoch"):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    capsys.readouterr()
    assert main(words) == 0  # While the first trial of the killed one may still train: it is waited for.
    assert "best" in capsys.readouterr().out
    assert len([event for event in first.events("epoch") if event["session"] == 0]) == 40
    name = (out / BEST).read_text().split()[2]
    assert main(["run", str(out / BEST), "--out", str(tmp_path / "best"), "--quiet"]) == 0
    one, other = (RunFolder.existing(folder).matrix()["rows"] for folder in (out / name, tmp_path / "best"))
    assert [row["psnr"] for row in one] == [row["psnr"] for row in other]
