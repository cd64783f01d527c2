"""A grid whose cells are commands: what they say, how they end, and how all of them are stopped."""

import logging
import signal
import sys
import time

import pytest
from warm_process import WarmProcess, start_vcl

from vcl.cli import main
from vcl.errors import Interrupted
from vcl.grid_file import Cell
from vcl.grid_launch import launch_grid
from vcl.launch.local import LocalLauncher
from vcl.rundir import RunFolder

pytestmark = pytest.mark.process

HOLDER = """
import sys, time
from pathlib import Path
from vcl.lease import lease

with lease(Path(sys.argv[1])):
    while not (Path(sys.argv[1]).parent / "release").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def launch(tmp_path, caplog):
    """Call with the script of each cell, to which a folder of its own is given; all run at once."""
    caplog.set_level(logging.INFO, "vcl")

    def run(scripts, finished=(), **of_cells):
        for name in finished:
            (tmp_path / name).mkdir()
            RunFolder(tmp_path / name).record({"kind": "end", "time": 0.0})
        cells = [Cell(name, tmp_path / "base.yaml", (), of_cells.get(name)) for name in scripts]

        def command(cell):
            return [sys.executable, "-c", scripts[cell.name], str(tmp_path)]

        return launch_grid(cells, tmp_path, command, LocalLauncher(len(cells)))

    return run


def test_lines_of_all_cells_are_passed_on_once_and_kept_in_a_file_for_each(launch, caplog, tmp_path):
    say = "import sys; print('{0}: works', file=sys.stderr); print('{0}: é', end='')"
    assert launch({name: say.format(name) for name in ("a", "b/0")}) == []
    assert sorted(caplog.messages) == ["a: works", "a: é", "b/0: works", "b/0: é"]
    assert (tmp_path / ".logs" / "b" / "0.log").read_text().splitlines() == ["b/0: works", "b/0: é"]


def test_what_a_log_held_before_is_not_said_again(launch, caplog, tmp_path):
    (tmp_path / ".logs").mkdir()
    (tmp_path / ".logs" / "a.log").write_text("before\n")
    assert launch({"a": "print('now')"}) == []
    assert caplog.messages == ["now"]
    assert (tmp_path / ".logs" / "a.log").read_text() == "before\nnow\n"


def test_a_cell_that_says_why_it_ends_is_quoted_and_the_others_run(launch, caplog):
    failing = "import sys; print('vcl: no space', file=sys.stderr); sys.exit(2)"
    assert launch({"a": failing, "b": "print('fine')"}) == ["a"]
    assert sorted(caplog.messages) == ["[1/2] a: failed: no space", "fine"]


def test_a_cell_that_says_nothing_is_told_of_by_its_status_and_its_log(launch, caplog, tmp_path):
    assert launch({"a": "import sys; sys.exit(3)"}) == ["a"]
    assert caplog.messages == [f"[1/1] a: failed: ended with status 3; what it said: {tmp_path / '.logs' / 'a.log'}"]


def test_a_cell_whose_bytes_are_those_of_another_starts_after_it(launch, caplog):
    first = "import time; time.sleep(0.3); print('first')"
    assert launch({"b": "print('second')", "a": first}, b="a") == []
    assert caplog.messages == ["first", "second"]


def test_a_cell_whose_bytes_are_those_of_a_failed_one_is_not_started(launch, caplog):
    failing = "import sys; print('vcl: no space', file=sys.stderr); sys.exit(2)"
    assert launch({"a": failing, "b": "print('never')"}, b="a") == ["a", "b"]
    assert caplog.messages == [
        "[1/2] a: failed: no space",
        "[2/2] b: failed: a, whose bytes it must match, failed",
    ]


def test_a_cell_that_another_process_runs_is_started_again_once_that_has_ended(launch, caplog, monkeypatch):
    monkeypatch.setattr("vcl.grid_launch._WAIT", 0.0)
    busy_once = (
        "import pathlib, sys\n"
        "seen = pathlib.Path(sys.argv[1], 'seen')\n"
        "if not seen.exists(): seen.touch(); sys.exit(75)\n"
        "print('again')\n"
    )
    assert launch({"a": busy_once, "b": "print('other')"}) == []
    assert sorted(caplog.messages) == ["again", "other"]


def test_a_cell_whose_lease_another_process_holds_is_not_started(launch, caplog, monkeypatch, tmp_path):
    monkeypatch.setattr("vcl.grid_launch._WAIT", 0.0)
    holder = WarmProcess(HOLDER, [tmp_path / "a"])
    while not (tmp_path / ".leases" / "a.0001").exists():
        assert holder.poll() is None
    release = f"import pathlib; pathlib.Path({str(tmp_path)!r}, 'release').touch(); print('first')"
    assert launch({"a": "print('then')", "b": release}) == []
    assert caplog.messages == ["first", "then"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_every_cell_once_and_as_ctrl_c(launch, caplog, number):
    script = (
        "import os, pathlib, signal, sys, time\n"
        "count, folder = 0, pathlib.Path(sys.argv[1])\n"
        "def stop(number, frame):\n"
        "    global count\n"
        "    count += 1\n"
        "signal.signal(signal.SIGINT, stop)\n"
        "(folder / 'ready-{0}').touch()\n"
        # The second one asks for the signal, as soon as both are ready for it.
        "while '{0}' == 'b' and not (folder / 'ready-a').exists(): time.sleep(0.01)\n"
        f"if '{{0}}' == 'b': os.kill(os.getppid(), {int(number)})\n"
        "while not count: time.sleep(0.01)\n"
        "time.sleep(0.2)\n"
        "print(f'vcl: {0} stopped by {{count}}', file=sys.stderr); sys.exit(130)"
    )
    before = signal.signal(number, signal.default_int_handler)  # Whoever started the tests may have had it ignored.
    try:
        with pytest.raises(Interrupted, match=r"^stopped$"):
            launch({name: script.format(name) for name in ("a", "b")})
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert sorted(caplog.messages) == ["a stopped by 1", "b stopped by 1"]


def test_a_cell_that_somebody_else_stopped_ends_the_grid_as_stopped(launch):
    with pytest.raises(Interrupted, match=r"^stopped$"):
        launch({"a": "import sys; sys.exit(130)", "b": ""}, b="a")


def test_two_cells_of_a_grid_run_at_once_and_every_line_says_its_cell(grid, tmp_path, caplog, capsys):
    axes = {
        "ewc": ["method.name=ewc", "method.strength=1e300"],
        "finetune": ["method.name=finetune"],
    }
    caplog.set_level(logging.INFO, "vcl")
    assert main(["grid", str(grid(3, {"method": axes})), "--jobs", "2", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "vcl: 1 of 2 cells failed: ewc\n"
    results = [line for line in caplog.messages if line.startswith("[")]
    assert sorted(line.split(":")[0] for line in results) == ["[1/2] ewc", "[2/2] finetune"]
    assert all(line.startswith(("[", "ewc: ", "finetune: ")) for line in caplog.messages), caplog.messages
    assert RunFolder(tmp_path / "out" / "finetune").finished()


def test_ctrl_c_stops_all_cells_gently_and_the_same_command_goes_on(grid, tmp_path):
    axes = {"finetune": ["method.name=finetune"], "wsn": ["method.name=wsn"]}
    words = [
        "grid",
        grid(2000, {"method": axes}),
        "--jobs",
        "2",
        "train.checkpoint_seconds=1000",
        "--out",
        tmp_path / "out",
    ]
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
        assert f"{name}: stopped in session 0, step " in errors
        assert folder.checkpoint_notes()["session"] == 0
        assert not folder.in_use()
