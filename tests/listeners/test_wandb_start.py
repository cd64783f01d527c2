"""Whether and how the client is started."""

import pytest
from wandb_client import ERRORS, warnings_of

from vcl.config import WandbConfig
from vcl.listeners.tracking import open_tracking


@pytest.mark.parametrize(("in_grid", "name", "group"), [(False, "seed0", None), (True, "grids/pfnr/seed0", "grids")])
def test_a_run_is_named_like_its_folder_and_a_cell_by_its_grid_and_its_choices(make_run, client, in_grid, name, group):
    folder = make_run("grids/pfnr/seed0", done=0)
    open_tracking(folder, folder.config(), folder.path.parents[1] if in_grid else None)
    assert (client.arguments["name"], client.arguments["group"]) == (name, group)


def test_no_two_cells_of_any_grids_have_one_name(make_run, client, tmp_path):
    names = []
    for grid, cell in (("methods", "pfnr/0"), ("methods", "wsn/0"), ("seeds", "0"), ("more_seeds", "0")):
        folder = make_run(f"{grid}/{cell}", done=0)
        open_tracking(folder, folder.config(), tmp_path / grid)
        names.append(client.arguments["name"])
    assert names == ["methods/pfnr/0", "methods/wsn/0", "seeds/0", "more_seeds/0"]


def test_disabled_opens_nothing(make_run):
    folder = make_run(done=1, wandb=WandbConfig(mode="disabled"))
    assert open_tracking(folder, folder.config()).hints == []
    assert not (folder.path / "wandb").exists()
    assert not (folder.path / "wandb_id").exists()


@pytest.mark.parametrize("source", ["environment", "netrc"])
def test_online_with_a_key_goes_online(make_run, client, monkeypatch, tmp_path, source):
    if source == "environment":
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    else:
        monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        (tmp_path / "netrc").write_text(f"machine wandb.example login user password {'k' * 40}\n")
    folder = make_run(done=1, wandb=WandbConfig(mode="online"))
    tracking = open_tracking(folder, folder.config())
    assert (client.arguments["mode"], client.arguments["resume"]) == ("online", "allow")
    assert tracking.hints == []


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_client_that_does_not_start_does_not_stop_the_run(make_run, client, caplog, error):
    client.error = error
    folder = make_run(done=1)
    assert open_tracking(folder, folder.config()).hints == []
    (line,) = warnings_of(caplog)
    assert line.startswith("W&B does not start, the run goes on without it: ")
    assert "\n" not in line
