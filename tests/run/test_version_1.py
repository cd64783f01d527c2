"""Run folders of earlier versions: session files with a head each, checkpoints, and buffers of places."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import safetensors
import safetensors.torch
import torch
from on_device import decoder_of

from vcl.run import run_clips
from vcl.rundir import RunFolder
from vcl.rundir.tensors import _STATE_KINDS
from vcl.subnet.record import StateKind

KEEPS = {"shared_masked": "masks", "shared_latest": "latest", "per_session": "each"}


def as_version_1(path):
    """Rewrite a file of tensors as version 1 had it."""
    with safetensors.safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        notes = json.loads(file.metadata()["notes"])
    if "state_kind" in notes:
        notes = {name: notes[name] for name in ("video", "frames", "sessions")} | {"keeps": KEEPS[notes["state_kind"]]}
    old = {}
    for name, tensor in tensors.items():
        if name == "buffer/query":
            session, t, frames = tensor.unbind(1)
            name, tensor = "buffer/place", torch.stack((t / frames, session), dim=1)
        name = "head" if name == "session/head" else re.sub(r"session_parameters\.(\d+)\.head", r"heads.\1", name)
        old[name] = tensor.contiguous()
    safetensors.torch.save_file(old, path, {"notes": json.dumps(notes)})


def rewritten(folder):
    for path in [*folder.path.glob("sessions/*.safetensors"), folder.path / "checkpoint.safetensors"]:
        as_version_1(path)
    return folder


class Stopped(Exception):
    """In the place of a power cut."""


@pytest.mark.parametrize("method", ["pfnr", "finetune", "single", "replay", "ewc", "esmer"])
def test_a_run_of_version_1_is_decoded_and_goes_on_to_the_same_matrix(method, tiny_config, clips, tmp_path):
    config = tiny_config(method)

    def stop(event):
        if event["kind"] == "row" and event["session"] == 1:
            raise Stopped

    whole = run_clips(config, clips, tmp_path / "whole")
    with pytest.raises(Stopped):
        run_clips(config, clips, tmp_path / "old", lambda _: [stop])
    old = rewritten(RunFolder.existing(tmp_path / "old"))
    assert old.session_notes(1).version == 1
    assert old.session_bytes(1)["session"] == whole.session_bytes(1)["session"]
    for video in (0, 1):
        decoded, expected = (torch.cat(list(decoder_of(run, 1).frames(video))) for run in (old, whole))
        assert torch.equal(decoded, expected)
    run_clips(config, clips, tmp_path / "old")
    keys = ("psnr", "sha256", "state_sha256")
    rows = [[[row[key] for key in keys] for row in run.matrix()["rows"]] for run in (old, whole)]
    assert rows[0] == rows[1]


def test_the_kinds_that_notes_may_name_are_those_of_the_ledger():
    assert (*KEEPS, "differences") == get_args(StateKind) == _STATE_KINDS


@pytest.mark.parametrize("method", ["pfnr", "finetune"])
def test_a_folder_that_version_1_itself_wrote_has_the_numbers_that_it_sealed(method):
    folder = RunFolder.existing(Path(__file__).parent / "version_1" / method)
    decoder = decoder_of(folder)
    last = folder.matrix()["rows"][-1]
    assert [decoder.sha256(video) for video in (0, 1)] == last["state_sha256"]
    assert [len(torch.cat(list(decoder.frames(video)))) for video in (0, 1)] == [3, 2]
    assert folder.session_bytes(1)["session"] == 4 * 3 * 3 * (1 if method == "pfnr" else 2)
