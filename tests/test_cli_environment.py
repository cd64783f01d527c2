"""The command in environments that lack something: an encoding, a reader, a disk, memory, a home, its one process."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from on_device import refuse_unknown_device

from vcl.cli import main
from vcl.cli.common import tell
from vcl.errors import CacheError, ConfigError
from vcl.home import lend_home
from vcl.run import stopping_gently
from vcl.video.cache import cache_folder

LIST = [sys.executable, "-m", "vcl", "data", "list"]
"""A command that loads neither torch nor Avalanche."""


def write_in(monkeypatch, encoding, text):
    """What standard output gets of a text, in an encoding."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    monkeypatch.setattr("vcl.cli._parse", lambda words: type("A", (), {"do": lambda self, _: tell(text)})())
    assert main([]) == 0
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "--- 30.1 +- 0.2 \\xe4 \\u6c34 \\udcff\n"),
        ("latin-1", "--- 30.1 ± 0.2 ä \\u6c34 \\udcff\n"),
        ("utf-8", "─── 30.1 ± 0.2 ä 水 \\udcff\n"),
    ],
)
def test_what_an_encoding_lacks_is_written_in_another_way(monkeypatch, encoding, shown):
    assert write_in(monkeypatch, encoding, "─── 30.1 ± 0.2 ä 水 \udcff") == shown


def test_a_pipe_that_nobody_reads_ends_the_command_without_a_word():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(LIST, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_under_the_output_is_one_line():
    # /dev/full says for real what a full disk says.
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(LIST, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "vcl: standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    ("closed", "words", "status"), [("1>&- 2>&-", "data list", 0), ("2>&-", "run nowhere.yaml", 2)]
)
def test_closed_streams_change_nothing_else(closed, words, status):
    shell = f"exec {sys.executable} -m vcl {words} {closed}"
    assert subprocess.run(shell, shell=True, capture_output=True, check=False).returncode == status


def test_an_error_that_nobody_can_be_told_keeps_its_status():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "vcl", "run", "nowhere.yaml"], stderr=full, check=False)
    assert done.returncode == 2


def test_memory_that_runs_out_is_one_line(monkeypatch, capsys):
    def huge(_):
        raise MemoryError

    monkeypatch.setattr("vcl.cli._parse", lambda words: type("A", (), {"do": lambda self, _: huge(_)})())
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("vcl: not enough memory; a run takes less with a lower train.batch")


@pytest.mark.parametrize("command", ["grid", "compile"])
def test_one_of_several_processes_that_a_launcher_started_is_refused(command, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main([command, "nowhere.yaml", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == (
        f"vcl: vcl {command} is one process, got WORLD_SIZE = 2; start it without torchrun, which is for vcl run\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.fixture
def homeless(monkeypatch):
    """No $HOME, and a user whom the system does not know."""

    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("VCL_CACHE", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.parametrize(
    ("stated", "error", "line"),
    [
        (None, CacheError, "the clip cache lies in the home folder, which is not known; name a cache folder with"),
        ("~/clips", ConfigError, "stream.cache must lie in a home that exists; .*, got ~/clips"),
    ],
)
def test_a_cache_in_a_home_that_is_not_known_is_refused(homeless, stated, error, line):
    with pytest.raises(error, match=line):
        cache_folder(stated)


def test_a_cache_that_is_named_needs_no_home(homeless, monkeypatch):
    assert cache_folder("clips") == Path("clips")
    monkeypatch.setenv("VCL_CACHE", "/clips")
    assert cache_folder(None) == Path("/clips")


@pytest.fixture
def given_back(monkeypatch):
    """Let a test change the home and where its lent one goes."""
    monkeypatch.setenv("HOME", os.environ.get("HOME", "/"))
    monkeypatch.delenv("VCL_CACHE", raising=False)
    monkeypatch.setattr("atexit.register", lambda *_, **__: None)


def test_libraries_get_a_home_where_there_is_none(given_back, homeless, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lend_home()
    assert Path.home().parent == tmp_path
    assert "VCL_CACHE" not in os.environ


def test_libraries_get_a_home_where_the_users_cannot_be_written_to(given_back, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    lend_home()
    assert Path.home().parent == tmp_path
    assert cache_folder(None) == tmp_path / "missing" / ".cache" / "vcl"


def test_a_home_that_can_be_written_to_stays(given_back, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    lend_home()
    assert Path.home() == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_closes_stops_a_run_gently_but_not_under_nohup(ignored):
    checkpoints = type("Checkpoints", (), {"stop_requested": False})
    trainer = type("Trainer", (), {"checkpoints": checkpoints})
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        with stopping_gently(trainer):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert checkpoints.stop_requested is not ignored


@pytest.mark.parametrize("cuda", [False, True])
def test_what_needs_a_gpu_is_skipped_where_there_is_none(request, monkeypatch, cuda):
    (shared,) = (
        plugin
        for plugin in request.config.pluginmanager.get_plugins()
        if getattr(plugin, "__file__", None) == str(Path(__file__).parent / "conftest.py")
    )
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    items = [FakeItem("gpu"), FakeItem("slow")]
    shared.pytest_collection_modifyitems(items)
    assert [len(item.marks) for item in items] == [1 if cuda else 2, 1]


@pytest.mark.parametrize("name", ["cuda:99", "tpux"])
def test_a_device_for_the_tests_that_is_not_here_is_refused_in_one_line(name):
    with pytest.raises(pytest.UsageError, match=f"^VCL_TEST_DEVICE must be a device of this machine, got {name}$"):
        refuse_unknown_device(name)


class FakeItem:
    def __init__(self, mark):
        self.marks = [mark]

    def get_closest_marker(self, name):
        return name if name in self.marks else None

    def add_marker(self, mark):
        self.marks.append(mark)
