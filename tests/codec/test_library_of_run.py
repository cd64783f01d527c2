"""Runs that are exported as libraries: every frame and number of theirs, and every byte of the file."""

import fcntl
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from every_role import Everything, EverythingConfig

from vcl.codec.container import Container
from vcl.codec.library import Library
from vcl.config.backbones import BACKBONES, register_backbone
from vcl.decode import Decoder, SealedSessions
from vcl.errors import BitstreamError, ConfigError, LibraryInUseError
from vcl.export import export
from vcl.run import run_clips
from vcl.rundir import RunFolder
from vcl.video.pixels import to_uint8

pytestmark = [pytest.mark.cpu, pytest.mark.process]

RUNS = [
    ("wsn", {"bits": 5}),
    ("pfnr", {"bits": 6}),
    ("pfnr", {"bits": None}),
    ("packnet", {"bits": 5}),
    ("single", {"bits": 4}),
    ("residual", {"bits": 5}),
    ("finetune", {"bits": 6}),
    ("replay", {}),
]


@pytest.fixture(scope="session")
def exported(finished_run, tmp_path_factory):
    """Call with a method and its knobs; gives the finished run and the library of it, which must not be changed."""
    libraries = {}

    def make(method, knobs):
        key = json.dumps([method, knobs])
        if key not in libraries:
            folder = RunFolder.existing(finished_run(method, method=knobs)[1].path)
            path = tmp_path_factory.mktemp("library") / f"{method}.vcl"
            export(folder, path)
            libraries[key] = folder, path
        return libraries[key]

    return make


@pytest.mark.parametrize(("method", "knobs"), RUNS, ids=lambda value: value if isinstance(value, str) else str(value))
def test_a_library_of_a_run_holds_its_frames_and_numbers_bit_for_bit(exported, method, knobs):
    folder, path = exported(method, knobs)
    library, decoder, sealed = Library.open(path), Decoder.of_run(folder), SealedSessions(folder)
    assert not library.recovered
    assert library.is_strict
    for session, notes in enumerate(sealed.notes):
        video = library.videos[session]
        assert (video.name, video.frames, video.size) == (notes.video, notes.frames, (32, 48))
        assert library.subnetwork(session).sha256() == sealed.sha256(session) == video.state_sha256
        expected = torch.cat([to_uint8(batch) for batch in decoder.frames(session)])
        assert torch.equal(torch.cat(list(library.frames(session))), expected)
        assert video.psnr == pytest.approx(folder.matrix()["rows"][-1]["psnr"][session], abs=1e-9)
    library.verify(frames=True)


@pytest.mark.parametrize(("method", "knobs"), RUNS, ids=lambda value: value if isinstance(value, str) else str(value))
def test_what_sessions_take_adds_up_to_the_size_of_the_file(exported, method, knobs):
    path = exported(method, knobs)[1]
    footprint = Library.open(path).footprint()
    assert footprint.total == path.stat().st_size
    for session, size in enumerate(footprint.sessions):
        has_masks = method in ("wsn", "pfnr", "packnet")
        has_weights = method not in ("finetune", "replay") or session == 2
        assert [size.mask > 0, size.weight > 0, size.side > 0] == [has_masks, has_weights, True]
        for kind in ("mask", "weight"):
            assert 0 <= sum(layer.get(kind, 0) for layer in size.layers.values()) <= size.by_kind()[kind]


def test_integers_take_a_fraction_of_what_floats_do(exported):
    sizes = [exported("pfnr", knobs)[1].stat().st_size for knobs in ({"bits": 6}, {"bits": None})]
    assert sizes[0] < 0.4 * sizes[1]


@pytest.mark.parametrize(
    ("method", "knobs"),
    [
        ("wsn", {"bits": 5, "mask_unit": "kernel"}),
        ("residual", {"bits": 5}),
        ("finetune", {"bits": 6}),
    ],
)
def test_a_network_with_numbers_of_every_kind_comes_back_from_a_library(tiny_config, clips, tmp_path, method, knobs):
    register_backbone(Everything)
    config = replace(tiny_config(method, method=knobs), backbone=EverythingConfig())
    folder = run_clips(config, clips[:2], tmp_path / "run")
    export(folder, tmp_path / "a.vcl")
    library, decoder = Library.open(tmp_path / "a.vcl"), Decoder.of_run(folder)
    assert not library.is_strict
    for session in range(2):
        expected = torch.cat([to_uint8(batch) for batch in decoder.frames(session)])
        assert torch.equal(torch.cat(list(library.frames(session))), expected)
    library.verify(frames=True)
    assert library.footprint().total == library.path.stat().st_size


def test_a_run_is_not_exported_over_a_file_that_is_there(exported, tmp_path):
    folder, path = exported("single", {"bits": 4})
    (tmp_path / "a.vcl").write_bytes(b"precious")
    with pytest.raises(BitstreamError, match=r"a\.vcl exists, and is replaced only with --overwrite"):
        export(folder, tmp_path / "a.vcl")
    assert (tmp_path / "a.vcl").read_bytes() == b"precious"
    export(folder, tmp_path / "a.vcl", overwrite=True)
    assert (tmp_path / "a.vcl").read_bytes() == path.read_bytes()


def test_a_library_that_is_being_written_to_is_not_exported_over(exported, tmp_path):
    folder, path = exported("single", {"bits": 4})
    copy = Path(shutil.copy(path, tmp_path / "a.vcl"))
    with copy.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LibraryInUseError, match=r"a\.vcl is in use: another process is writing to it$"):
            export(folder, copy, strict=False, overwrite=True)
    assert copy.read_bytes() == path.read_bytes()
    assert list(tmp_path.iterdir()) == [copy]


def test_a_run_whose_network_nobody_could_read_is_not_exported(exported, tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.codec.payloads.MOST_WEIGHTS", 9)
    with pytest.raises(ConfigError, match=r"^a library cannot hold this network: .* must have at most 9 weights, got "):
        export(exported("single", {"bits": 4})[0], tmp_path / "a.vcl")
    assert not list(tmp_path.iterdir())


def test_a_library_of_a_run_has_a_commit_for_each_session(exported):
    container = Container.open(exported("pfnr", {"bits": 6})[1])
    assert container.commits == 3


WITH_NUMBERS_OF_EACH_KIND = ("nerv", "hnerv", "divnerv", "siren")


@pytest.mark.parametrize(
    "backbone",
    [pytest.param(b, marks=[] if b in WITH_NUMBERS_OF_EACH_KIND else pytest.mark.slow) for b in BACKBONES.known],
)
def test_a_library_holds_a_run_of_any_network(backbone, tiny_config, clips, tmp_path):
    config = tiny_config("wsn", method={"bits": 5}, backbone={"name": backbone}, train={"epochs": 2})
    folder = run_clips(config, clips[:2], tmp_path / "run")
    export(folder, tmp_path / "a.vcl")
    library, decoder = Library.open(tmp_path / "a.vcl"), Decoder.of_run(folder)
    assert library.is_strict == (backbone == "nerv")
    for session in range(2):
        expected = torch.cat([to_uint8(batch) for batch in decoder.frames(session)])
        assert torch.equal(torch.cat(list(library.frames(session))), expected)
    library.verify()
    assert library.footprint().total == library.path.stat().st_size
