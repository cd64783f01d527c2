import os
import resource

import pytest
import torch
from warm_process import run_python

from vcl.errors import RunFolderError, RunFolderInUseError
from vcl.rundir import RunFolder, SessionNotes

EPOCH = {"kind": "epoch", "session": 0, "epoch": 0, "epochs": 2, "step": 1, "steps": 2}
EPOCH |= {"loss": 1.0, "psnr": 20.0, "lr": 0.1, "seconds": 1.0}


@pytest.fixture
def folder(tmp_path, tiny_config):
    with RunFolder.opened(tmp_path / "run", tiny_config()) as opened:
        yield opened


def test_another_config_is_refused_by_the_first_key_that_differs(tmp_path, tiny_config):
    with RunFolder.opened(tmp_path, tiny_config()) as folder:
        folder.record(EPOCH)
    changed = tiny_config(train={"epochs": 9, "seed": 3})
    with pytest.raises(RunFolderError, match=r"has train.epochs = 3, this run asks for 9; choose another folder"):
        with RunFolder.opened(tmp_path, changed):
            pass


def test_two_runs_cannot_share_a_folder(folder, tiny_config):
    with (
        pytest.raises(RunFolderInUseError, match=rf"is in use by process {os.getpid()} on \S+$"),
        RunFolder.opened(folder.path, tiny_config()),
    ):
        pass


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path, tiny_config):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunFolderError, match=r"must be empty or a run folder, but it holds thesis.tex"):
        with RunFolder.opened(tmp_path, tiny_config()):
            pass
    assert not (tmp_path / "config.yaml").exists()


def test_a_folder_whose_making_was_cut_off_at_its_first_file_is_taken(tmp_path, tiny_config, monkeypatch):
    def cut_off(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_config", cut_off)
        with pytest.raises(KeyboardInterrupt), RunFolder.opened(tmp_path, tiny_config()):
            pass
    with RunFolder.opened(tmp_path, tiny_config()) as folder:
        assert folder.config() == tiny_config()


def test_drafts_of_others_are_left_alone(tmp_path, tiny_config):
    download = tmp_path / "sub" / ".download.iso.part"
    download.parent.mkdir()
    download.write_text("x")
    with pytest.raises(RunFolderError, match="but it holds sub"), RunFolder.opened(tmp_path, tiny_config()):
        pass
    assert download.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["sub"]


def test_drafts_that_a_killed_run_left_are_removed(tmp_path, tiny_config):
    ending = f"{32 * '0'}.part"
    (tmp_path / f".config.yaml.{ending}").write_text("x")
    with RunFolder.opened(tmp_path, tiny_config()) as folder:
        for name in (".checkpoint.safetensors", "sessions/.000.safetensors"):
            (folder.path / f"{name}.{ending}").touch()
        assert folder.in_use()
    with RunFolder.opened(tmp_path, tiny_config()):
        assert not list(tmp_path.rglob("*.part"))
    assert not folder.in_use()


def test_a_path_that_is_no_run_folder_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"is not a run folder: it has no config.yaml"):
        RunFolder.existing(tmp_path)


def test_a_file_where_the_folder_should_be_is_refused(tmp_path, tiny_config):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunFolderError, match=r"run.*: (File exists|Not a directory)"):
        with RunFolder.opened(tmp_path / "run", tiny_config()):
            pass


def test_an_event_told_twice_counts_once_and_a_torn_line_not_at_all(folder):
    folder.record({**EPOCH, "epoch": 0, "loss": 1.0})
    folder.record({**EPOCH, "epoch": 1, "loss": 2.0})
    with folder.events_path.open("ab") as file:
        file.write(b'{"kind": "epoch", "session": 0, "ep')
    folder.record({**EPOCH, "epoch": 1, "loss": 3.0})
    folder.record({"kind": "row", "session": 0})
    assert [event["loss"] for event in folder.events("epoch")] == [1.0, 3.0]
    assert [event["kind"] for event in folder.events()] == ["epoch", "epoch", "row"]


def test_tensors_and_notes_come_back(folder):
    tensors = {
        "mask/a": torch.tensor([1, 2], dtype=torch.uint8),
        "weight/a": torch.rand(3),
        "session/head": torch.rand(3, 2),
    }
    folder.write_session(0, tensors, SessionNotes("ä", frames=4, sessions=2, state_kind="shared_masked"))
    found, notes = folder.read_session(0)
    assert notes == SessionNotes("ä", frames=4, sessions=2, state_kind="shared_masked") == folder.session_notes(0)
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    sizes = folder.session_bytes(0)
    assert (sizes["mask"], sizes["weight"], sizes["session"]) == (2, 12, 24)
    assert sum(sizes.values()) == (folder.path / "sessions" / "000.safetensors").stat().st_size


def test_bytes_are_counted_of_every_type_of_number(folder):
    types = {torch.bool: 1, torch.uint8: 1, torch.bfloat16: 2, torch.float16: 2, torch.float32: 4, torch.int64: 8}
    if hasattr(torch, "float8_e4m3fn"):
        types[torch.float8_e4m3fn] = 1
    tensors = {f"kind{number}/x": torch.zeros(3, 2).to(dtype) for number, dtype in enumerate(types)}
    folder.write_session(0, tensors, SessionNotes("a", frames=1, sessions=1, state_kind="per_session"))
    sizes = folder.session_bytes(0)
    assert [sizes[f"kind{number}"] for number in range(len(types))] == [6 * size for size in types.values()]


def test_tensors_are_on_disk_before_they_get_their_name_and_may_be_read_as_other_files_may(folder, monkeypatch):
    synced = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_ino) or sync(number))
    folder.write_checkpoint({"a": torch.zeros(2)}, {"step": 1})
    checkpoint, config = ((folder.path / name).stat() for name in ("checkpoint.safetensors", "config.yaml"))
    assert checkpoint.st_ino in synced
    assert checkpoint.st_mode == config.st_mode


@pytest.mark.process
def test_a_library_killed_while_it_writes_leaves_nothing_to_the_next_start(tmp_path, tiny_config):
    script = (
        "import os, sys; from pathlib import Path; import safetensors.torch; from vcl.rundir import RunFolder\n"
        "def save(tensors, path, metadata):\n"
        "    Path(path).with_name('.tmpOwn').write_bytes(bytes(9)); os.kill(os.getpid(), 9)\n"
        "safetensors.torch.save_file = save\n"
        "RunFolder(Path(sys.argv[1])).write_checkpoint({}, {})\n"
    )
    with RunFolder.opened(tmp_path / "run", tiny_config()) as folder:
        pass
    assert run_python(script, folder.path).returncode == -9
    assert list(folder.path.rglob(".tmpOwn"))
    with RunFolder.opened(tmp_path / "run", tiny_config()):
        assert not list(folder.path.rglob(".tmpOwn"))
        assert not list(folder.path.rglob("*.part"))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(folder, monkeypatch):
    folder.write_checkpoint({"a": torch.zeros(2)}, {"step": 1})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        folder.write_checkpoint({"a": torch.ones(2)}, {"step": 2})
    tensors, notes = folder.read_checkpoint()
    assert (tensors["a"].tolist(), notes) == ([0, 0], {"step": 1})
    assert [path.name for path in folder.path.iterdir() if path.name.endswith(".part")] == []


def test_a_full_disk_gives_one_line_and_loses_nothing(folder):
    # /dev/full says for real what a full disk says.
    before = folder.events()
    folder.events_path = type(folder.path)("/dev/full")
    with pytest.raises(RunFolderError, match="No space left on device"):
        folder.record({"kind": "end"})
    folder.events_path = folder.path / "events.jsonl"
    assert folder.events() == before


def test_a_checkpoint_that_does_not_fit_on_the_disk_is_not_called_damaged(folder):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
        with pytest.raises(RunFolderError, match=r"checkpoint\.safetensors cannot be written: .*File too large"):
            folder.write_checkpoint({"a": torch.zeros(100_000)}, {"step": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert folder.read_checkpoint() is None


@pytest.mark.process
def test_a_writer_killed_in_the_middle_leaves_the_old_file(folder):
    folder.write_checkpoint({"a": torch.zeros(2)}, {"step": 1})
    script = (
        "import os, sys, torch; from pathlib import Path; from vcl.rundir import RunFolder\n"
        "os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
        "RunFolder(Path(sys.argv[1])).write_checkpoint({'a': torch.ones(2)}, {'step': 2})\n"
    )
    assert run_python(script, folder.path).returncode == -9
    assert folder.read_checkpoint()[1] == {"step": 1}


def test_a_damaged_session_is_named(folder):
    folder.write_session(
        0, {"session/head": torch.zeros(2)}, SessionNotes("a", frames=1, sessions=1, state_kind="per_session")
    )
    path = folder.path / "sessions" / "000.safetensors"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(RunFolderError, match=r"000.safetensors is damaged"):
        folder.read_session(0)


def test_the_matrix_is_a_table_too(folder):
    row = {"session": 0, "psnr": [30.0, None], "ssim": [0.9, None], "ms_ssim": [None, None]}
    folder.write_matrix({"videos": ["a", "b"], "rows": [row]})
    lines = (folder.path / "matrix.csv").read_text().splitlines()
    assert lines == ["metric,after session,a,b", "psnr,0,30.0,", "ssim,0,0.9,", "ms_ssim,0,,"]


def test_a_name_that_is_not_unicode_is_escaped_in_the_table_and_kept_in_the_matrix(folder):
    row = {"session": 0, "psnr": [30.0], "ssim": [0.9], "ms_ssim": [None], "sha256": [None]}
    folder.write_matrix({"videos": ["caf\udce9"], "frames": [1], "size": [32, 48], "rows": [row]})
    assert (folder.path / "matrix.csv").read_text().startswith("metric,after session,caf\\udce9\n")
    assert folder.matrix()["videos"] == ["caf\udce9"]


def test_versions_are_kept_once_for_starts_that_are_alike(folder):
    for torch_version in ("1", "1", "2"):
        folder.add_versions({"torch": torch_version})
    assert folder.versions() == [{"torch": "1"}, {"torch": "2"}]


def test_numbers_that_json_lacks_never_reach_the_events(folder):
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.record({"kind": "epoch", "loss": float("nan")})
    assert folder.events() == []
