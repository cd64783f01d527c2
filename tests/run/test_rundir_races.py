"""A run folder while other processes start in it, look at it and draw from it; and one that is damaged."""

import os
from pathlib import Path

import pytest

from vcl.atomic_file import atomic_file
from vcl.errors import RunFolderError, RunFolderInUseError
from vcl.grid import Cell, run_cell
from vcl.report.figures.style import write_figure
from vcl.rundir import RunFolder, run_folders


@pytest.fixture
def folder(tmp_path, tiny_config):
    with RunFolder.opened(tmp_path / "run", tiny_config()) as opened:
        yield opened


def just_before(monkeypatch, name, do):
    """Let another process act at the moment when this one calls a method of Path."""
    original, acted = getattr(Path, name), []

    def acting(self, *words, **options):
        if not acted:
            acted.append(True)
            do()
        return original(self, *words, **options)

    monkeypatch.setattr(Path, name, acting)


@pytest.mark.parametrize("moment", ["exists", "iterdir", "mkdir"])
def test_of_two_runs_that_make_one_folder_the_second_is_told_that_it_is_in_use(
    tmp_path, tiny_config, monkeypatch, moment
):
    path, first = tmp_path / "run", RunFolder.opened(tmp_path / "run", tiny_config())
    if moment == "iterdir":
        path.mkdir()
    just_before(monkeypatch, moment, first.__enter__)
    with pytest.raises(RunFolderInUseError, match="is in use by process"):
        with RunFolder.opened(path, tiny_config()):
            pass
    first.__exit__(None, None, None)


def test_a_grid_passes_over_a_cell_that_another_process_is_making(tmp_path, tiny_config, monkeypatch):
    path = tmp_path / "cell"

    def begins(config, at, listeners):
        with RunFolder.opened(path, config), RunFolder.opened(path, config):
            pass

    monkeypatch.setattr("vcl.grid.run", begins)
    monkeypatch.setattr(Cell, "config", lambda self, out: tiny_config())
    assert run_cell(Cell("cell", tmp_path, ()), tmp_path, lambda *_: None) is None


def test_a_run_that_starts_leaves_alone_what_a_plot_is_drawing(tmp_path, tiny_config):
    with RunFolder.opened(tmp_path, tiny_config()) as folder:
        folder.figures.mkdir()
    with atomic_file(folder.figures / "curves.png") as drawing:
        with RunFolder.opened(tmp_path, tiny_config()):
            pass
        drawing.file.write(b"x")
        (left,) = folder.figures.iterdir()
    assert not left.exists()
    assert (folder.figures / "curves.png").read_bytes() == b"x"


def test_a_plot_removes_what_a_killed_one_left(tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.report.figures.style.figure_bytes", lambda figure, kind: b"x")
    (tmp_path / f".curves.png.{32 * '0'}.part").touch()
    write_figure(None, tmp_path, "curves")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.pdf", "curves.png"]


def test_a_kill_between_the_two_files_of_the_matrix_leaves_the_table_ahead(folder, monkeypatch):
    row = {"session": 0, "psnr": [30.0], "ssim": [0.9], "ms_ssim": [None], "sha256": ["ab"]}
    matrix = {"videos": ["a"], "frames": [4], "size": [32, 48], "rows": [row]}
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "_write_text", killed_at("matrix.json", RunFolder._write_text))
        with pytest.raises(KeyboardInterrupt):
            folder.write_matrix(matrix)
    # Without a row in matrix.json the session is measured again, and both files are written.
    assert folder.matrix() is None
    assert (folder.path / "matrix.csv").read_text().splitlines()[1] == "psnr,0,30.0"


def killed_at(name, write):
    def dying(self, file, text):
        if file == name:
            raise KeyboardInterrupt
        write(self, file, text)

    return dying


def test_a_config_with_which_nothing_was_trained_gives_way_to_another(tmp_path, tiny_config):
    with RunFolder.opened(tmp_path, tiny_config(train={"batch": 500})) as folder:
        folder.record({"kind": "start", "videos": ["a"], "sha256": ["ab"]})
        folder.add_versions({"torch": "1"})
    with RunFolder.opened(tmp_path, tiny_config()) as folder:
        assert folder.config() == tiny_config()
        assert (folder.events(), folder.versions()) == ([], [])


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("null", "line 2, is damaged: an event must be an object, got None"),
        ("[]", r"line 2, is damaged: an event must be an object, got \[\]"),
        ("{}", "line 2, is damaged: an event must have kind"),
        ('{"kind": 5}', "line 2, is damaged: kind of an event must be a name, got 5"),
        ('{"kind": "epoch"}', "line 2, is damaged: the event epoch must have session"),
        ('{"kind": "row", "session": "x"}', "session of the event row must be a whole number, got 'x'"),
        ('{"kind": "row", "session": []}', r"session of the event row must be a whole number, got \[\]"),
    ],
)
def test_a_line_that_is_no_event_is_named(folder, line, rule):
    folder.events_path.write_text(f'{{"kind": "end"}}\n{line}\n')
    with pytest.raises(RunFolderError, match=rule):
        folder.events()


def test_a_line_that_is_no_json_is_what_a_kill_left(folder):
    folder.events_path.write_text(f'{{"kind": "end"}}\n{{"kind": "ep\n{"[" * 100_000}\n')
    assert [event["kind"] for event in folder.events()] == ["end"]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("null", "is damaged: the matrix must be an object, got None"),
        ("[]", r"is damaged: the matrix must be an object, got \[\]"),
        ("{}", "is damaged: the matrix must have videos"),
        ('{"videos": ["a"], "frames": [1], "size": [2], "rows": []}', "size of the matrix must be height and width"),
        ('{"videos": ["a"], "frames": [], "size": [2, 2], "rows": []}', "frames of the matrix must be 1 whole numbers"),
        ('{"videos": [], "frames": [], "size": [2, 2], "rows": [{}]}', "rows must be at most 0, one per video, got 1"),
        ('{"videos": ["a"], "frames": [1], "size": [2, 2], "rows": [7]}', "row 0 must be an object, got 7"),
        (
            '{"videos": ["a"], "frames": [1], "size": [2, 2], "rows": [{"session": 0, "psnr": ["x"]}]}',
            "psnr of row 0 must be 1 cells, numbers or null",
        ),
    ],
)
def test_a_matrix_of_another_shape_is_named(folder, content, rule):
    (folder.path / "matrix.json").write_text(content)
    with pytest.raises(RunFolderError, match=rule):
        folder.matrix()


@pytest.mark.parametrize("content", ["{}", "[1]", "7", "[" * 100_000])
def test_versions_of_another_shape_are_named(folder, content):
    (folder.path / "versions.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"versions\.json is damaged: "):
        folder.versions()


READERS = {
    "existing": lambda path: RunFolder.existing(path),
    "run_folders": lambda path: run_folders([path]),
    "events": lambda path: RunFolder(path).events(),
    "finished": lambda path: RunFolder(path).finished(),
    "sessions": lambda path: RunFolder(path).sessions(),
    "matrix": lambda path: RunFolder(path).matrix(),
    "versions": lambda path: RunFolder(path).versions(),
    "checkpoint": lambda path: RunFolder(path).checkpoint_notes(),
    "wandb_id": lambda path: RunFolder(path).wandb_id(),
    "wandb_name": lambda path: RunFolder(path).wandb_name(),
}


@pytest.mark.parametrize("read", READERS)
def test_a_folder_that_may_not_be_looked_into_is_one_line(tmp_path, monkeypatch, read):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(RunFolderError, match="Permission denied"):
        READERS[read](tmp_path)


@pytest.mark.parametrize("read", READERS)
def test_a_name_that_is_too_long_is_one_line(tmp_path, read):
    with pytest.raises(RunFolderError, match="File name too long"):
        READERS[read](tmp_path / ("a" * 300))


def test_a_folder_of_runs_that_changes_while_it_is_searched_is_no_error(tmp_path, monkeypatch, tiny_config):
    with RunFolder.opened(tmp_path / "b" / "run", tiny_config()) as folder:
        (folder.path / "matrix.json").touch()
    (tmp_path / "a").mkdir()
    walk = os.walk

    def walking(path, onerror):
        for found in walk(path, onerror=onerror):
            yield found
            if "a" in found[1]:
                (tmp_path / "a").rmdir()

    monkeypatch.setattr(os, "walk", walking)
    assert [found.path for found in run_folders([tmp_path])] == [folder.path]


def test_a_draft_has_a_name_that_fits_whatever_the_file_is_called(tmp_path):
    name = 60 * "\N{GRINNING FACE}" + ".npy"
    with atomic_file(tmp_path / name):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [name]
