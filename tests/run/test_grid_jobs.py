"""A grid in several processes: what they say, how they end, and how all of them are stopped."""

import logging
import signal
import sys
import time

import pytest
import yaml
from warm_process import start_vcl

from vcl import config as configs
from vcl.cli import main
from vcl.errors import Interrupted
from vcl.grid_file import Cell
from vcl.grid_jobs import run_jobs
from vcl.rundir import RunFolder

pytestmark = pytest.mark.process


@pytest.fixture
def jobs(tmp_path, caplog):
    """Call with a script of two processes, and which of the cells a and b they finish."""
    caplog.set_level(logging.INFO, "vcl")

    def run(script, finished=("a", "b")):
        for name in finished:
            (tmp_path / name).mkdir()
            RunFolder(tmp_path / name).record({"kind": "end", "time": 0.0})
        cells = [Cell(name, tmp_path / "base.yaml", ()) for name in ("a", "b")]
        return run_jobs([sys.executable, "-c", script, str(tmp_path)], 2, cells, tmp_path)

    return run


# The first process that makes a folder of that name is the first one.
FIRST = "import os, signal, sys, time\ntry: os.mkdir(sys.argv[1] + '/first'); first = True\n"
FIRST += "except FileExistsError: first = False\n"


def test_what_several_processes_say_is_passed_on_once(jobs, caplog):
    script = FIRST + "print('[1/2] a: 30 dB' + ' (finished before)' * (not first), file=sys.stderr)\n"
    script += "print(f'[2/2] b: {first}', file=sys.stderr)\nprint('same', 'same', sep='\\n', file=sys.stderr)"
    assert jobs(script) == []
    lines = sorted(line.removesuffix(" (finished before)") for line in caplog.messages)
    assert lines == ["[1/2] a: 30 dB", "[2/2] b: False", "[2/2] b: True", "same", "same"]


def test_a_process_that_is_killed_is_told_of_in_one_line(jobs, caplog):
    assert jobs(FIRST + "first and os.kill(os.getpid(), 9)") == []
    (line,) = caplog.messages
    assert line in ("process 1 of 2: ended by signal 9", "process 2 of 2: ended by signal 9")


def test_a_process_that_says_why_it_ends_is_quoted(jobs, caplog):
    assert jobs("import sys; print('vcl: no space', file=sys.stderr); sys.exit(2)", finished=["a"]) == ["b"]
    assert sorted(caplog.messages) == ["process 1 of 2: no space", "process 2 of 2: no space"]


def test_cells_that_failed_are_left_to_the_caller_to_tell(jobs, caplog):
    script = "import sys; print('vcl: 1 of 2 cells failed: b', file=sys.stderr); sys.exit(2)"
    assert jobs(script, finished=["a"]) == ["b"]
    assert caplog.messages == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_every_process_once_and_as_ctrl_c(jobs, caplog, tmp_path, number):
    script = FIRST + (
        "count = 0\n"
        "def stop(number, frame):\n"
        "    global count\n"
        "    count += 1\n"
        "signal.signal(signal.SIGINT, stop)\n"
        "open(f'{sys.argv[1]}/ready-{first}', 'w').close()\n"
        # The second one asks for the signal, as soon as both are ready for it.
        "while not first and not os.path.exists(sys.argv[1] + '/ready-True'): time.sleep(0.01)\n"
        f"if not first: os.kill(os.getppid(), {int(number)})\n"
        "while not count: time.sleep(0.01)\n"
        "time.sleep(0.2)\n"
        "print(f'vcl: stopped by {count}', file=sys.stderr); sys.exit(130)"
    )
    before = signal.signal(number, signal.default_int_handler)  # Whoever started the tests may have had it ignored.
    try:
        with pytest.raises(Interrupted, match=r"^stopped$"):
            jobs(script, finished=["a"])
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert sorted(caplog.messages) == ["process 1 of 2: stopped by 1", "process 2 of 2: stopped by 1"]


@pytest.fixture
def grid(tmp_path, tiny_config, stream):
    """Call with a number of epochs; gives the path of a grid of three cells, of which one fails."""

    def make(epochs, axes):
        base = configs.to_dict(
            tiny_config("finetune", stream={**stream, "videos": ["clip0", "clip1"]}, train={"epochs": epochs})
        )
        del base["method"], base["backbone"]["operator_block"]
        (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
        (tmp_path / "a.grid.yaml").write_text(yaml.safe_dump({"config": "base.yaml", "axes": {"method": axes}}))
        return tmp_path / "a.grid.yaml"

    return make


def test_two_processes_run_a_grid_and_every_line_says_its_cell(grid, tmp_path, caplog, capsys):
    axes = {
        "ewc": ["method.name=ewc", "method.strength=1e300"],
        "finetune": ["method.name=finetune"],
        "wsn": ["method.name=wsn"],
    }
    caplog.set_level(logging.INFO, "vcl")
    assert main(["grid", str(grid(3, axes)), "--jobs", "2", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "vcl: 1 of 3 cells failed: ewc\n"
    results = [line for line in caplog.messages if line.startswith("[")]
    assert sorted(line.split(":")[0] for line in results) == ["[1/3] ewc", "[2/3] finetune", "[3/3] wsn"]
    assert all(line.startswith(("[", "ewc: ", "finetune: ", "wsn: ")) for line in caplog.messages), caplog.messages
    starts = {name: len(RunFolder(tmp_path / "out" / name).events("start")) for name in axes}
    assert (starts["finetune"], starts["wsn"]) == (1, 1)


def test_ctrl_c_stops_all_processes_gently_and_the_same_command_goes_on(grid, tmp_path):
    axes = {"finetune": ["method.name=finetune"], "wsn": ["method.name=wsn"]}
    words = ["grid", grid(2000, axes), "--jobs", "2", "train.checkpoint_seconds=1000", "--out", tmp_path / "out"]
    folders = [RunFolder(tmp_path / "out" / name) for name in axes]
    process = start_vcl(*words)
    while not all(folder.events("epoch") for folder in folders):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1]
    assert process.poll() == 130, errors
    assert errors.endswith("vcl: stopped; the same command resumes it\n")
    for name, folder in zip(axes, folders, strict=True):
        assert f": {name}: stopped in session 0, step " in errors
        assert folder.checkpoint_notes()["session"] == 0
        assert not folder.in_use()


def test_no_jobs_are_refused(grid, capsys):
    assert main(["grid", str(grid(1, {"wsn": ["method.name=wsn"]})), "--jobs", "0"]) == 2
    assert capsys.readouterr().err == "vcl: --jobs must be 1 or more, got 0\n"
