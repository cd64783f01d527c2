"""What a machine has to spare."""

from types import SimpleNamespace

from vcl.plan.machine import peak_memory


def test_the_most_memory_that_was_held_is_what_the_system_says_of_this_process_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.plan.machine.Path", lambda path: tmp_path / path[1:].replace("/", "-"))
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=9))
    monkeypatch.setattr("sys.platform", "linux")
    assert peak_memory() == 9 * 1024
    (tmp_path / "proc-self-status").write_text("VmPeak:\t 9000 kB\nVmHWM:\t    5 kB\nVmRSS:\t    4 kB\n")
    assert peak_memory() == 5 * 1024


def test_the_most_memory_is_in_bytes_on_a_mac(tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.plan.machine.Path", lambda path: tmp_path / "missing")
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=9))
    monkeypatch.setattr("sys.platform", "darwin")
    assert peak_memory() == 9
