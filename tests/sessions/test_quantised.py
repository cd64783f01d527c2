"""Runs whose sealed numbers are quantised, as a codec will do."""

import pytest
import torch

from vcl.config.methods import METHODS
from vcl.run import run_clips


class Stopped(Exception):
    """In the place of a power cut."""


@pytest.mark.parametrize("method", ["pfnr", "finetune", "replay"])
def test_a_run_that_is_stopped_between_sealing_and_storing_ends_as_if_it_had_not(
    method, tiny_config, clips, tmp_path, monkeypatch
):
    kind = METHODS.implementations[method]
    monkeypatch.setattr(kind, "quantiser", classmethod(lambda cls, config: lambda path, x: (64 * x).round() / 64))
    config = tiny_config(method, train={"epochs": 2})

    def stop(event):
        if event["kind"] == "session" and event["session"] == 1:
            raise Stopped

    whole = run_clips(config, clips, tmp_path / "whole")
    with pytest.raises(Stopped):
        run_clips(config, clips, tmp_path / "stopped", lambda _: [stop])
    stopped = run_clips(config, clips, tmp_path / "stopped")
    keys = ("psnr", "sha256", "state_sha256")
    rows = [[[row[key] for key in keys] for row in folder.matrix()["rows"]] for folder in (whole, stopped)]
    assert rows[0] == rows[1]
    tensors, _ = stopped.read_session(2)
    sealed = [tensor for name, tensor in tensors.items() if name.split("/")[0] in ("weight", "session")]
    assert all(torch.equal((64 * tensor).round(), 64 * tensor) for tensor in sealed)
