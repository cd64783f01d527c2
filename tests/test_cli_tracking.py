"""How a command says where a run can be looked at, and what it refuses."""

from importlib import metadata

import pytest

from vcl import config as configs
from vcl.cli.tracking import hints_of_grid, refuse_missing_packages
from vcl.errors import ConfigError


def test_a_grid_says_once_how_to_look_at_all_of_its_cells(tmp_path):
    out = tmp_path / "a b"
    cells = ["pfnr/0", "pfnr/1", "single"]
    assert hints_of_grid(out, cells) == []
    (out / "pfnr/1/wandb/offline-run-1").mkdir(parents=True)
    (out / "single/wandb/run-1").mkdir(parents=True)
    (out / "elsewhere/wandb/offline-run-1").mkdir(parents=True)
    (sync,) = hints_of_grid(out, cells)
    assert sync == f"W&B: logged offline; to send it: wandb sync '{out}'/*/*/wandb/offline-run-*"
    (out / "single/wandb/offline-run-2").mkdir()
    (out / "pfnr/0/tensorboard").mkdir(parents=True)
    sync, tensorboard = hints_of_grid(out, cells)
    assert sync.endswith(f"wandb sync '{out}'/*/*/wandb/offline-run-* '{out}'/*/wandb/offline-run-*")
    assert tensorboard == f"TensorBoard: tensorboard --logdir '{out}'"


@pytest.mark.parametrize(
    ("missing", "words", "line"),
    [
        ("wandb", [], "wandb.mode must be disabled where the package wandb is not installed, got offline"),
        ("wandb", ["wandb.mode=disabled", "track=[wandb,tensorboard]"], None),
        ("wandb", ["track=[tensorboard]"], None),
        ("tensorboard", ["track=[wandb]"], None),
        (
            "tensorboard",
            ["track=[tensorboard]"],
            "track must not hold tensorboard where the package tensorboard is not installed, got [tensorboard]",
        ),
    ],
)
def test_what_is_not_installed_is_refused_where_a_config_names_it(monkeypatch, missing, words, line):
    installed = metadata.version

    def version(name):
        if name == missing:
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "version", version)
    config = configs.load(None, words)
    if line is None:
        refuse_missing_packages([config])
    else:
        with pytest.raises(ConfigError) as refused:
            refuse_missing_packages([config])
        assert str(refused.value) == line
