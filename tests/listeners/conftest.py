import os

import numpy as np
import pytest
import wandb
from fake_run import SIZE
from wandb_client import FakeClient

from vcl.video.pixels import write_png


@pytest.fixture
def make_run(make_run):
    """A run that has saved the middle frames of its three videos already."""

    def make(*args, **kwargs):
        folder = make_run(*args, **kwargs)
        for session in range(3):
            for kind, level in (("true", 100), ("decoded", 90)):
                write_png(folder.frame_path(session, kind), np.full((3, *SIZE), level, np.uint8))
        return folder

    return make


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path):
    """No settings and no API key of the user; what the listener sets is set back."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "true")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


@pytest.fixture
def client(monkeypatch):
    """A client in the place of the real one, which writes and sends nothing."""
    client = FakeClient()
    monkeypatch.setattr(wandb, "init", client.init)
    return client
