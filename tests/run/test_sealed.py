"""What is decoded is what was sealed: files that were altered, damaged or are not what they should be."""

import numpy as np
import pytest
import safetensors.torch
import torch
from on_device import decoder_of

from vcl import backbones
from vcl.cli import main
from vcl.errors import RunFolderError
from vcl.report.figures.plot import plot_run
from vcl.report.summary import summarise
from vcl.run import run_clips
from vcl.rundir import RunFolder


@pytest.fixture
def copy(finished):
    """Call with a method; gives a copy of its run folder that may be changed."""
    return lambda name="pfnr": finished(name)[1]


def alter(folder, session, change):
    """Write a session's file again after ``change(tensors, notes)``, as anyone can with safetensors."""
    rewrite(folder.path / "sessions" / f"{session:03d}.safetensors", change)


def rewrite(path, change):
    with safetensors.safe_open(path, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    change(tensors, metadata)
    safetensors.torch.save_file(tensors, path, metadata)


def flip_bit(name):
    def change(tensors, metadata):
        tensors[name].view(torch.uint8).view(-1)[0] ^= 1

    return change


def to_nan(tensors, metadata):
    tensors["weight/fc2.weight"].view(-1)[0] = torch.nan


@pytest.mark.parametrize("state", [0, 2])
@pytest.mark.parametrize(
    "change", [flip_bit("weight/fc1.weight"), flip_bit("mask/fc2.weight"), flip_bit("session/head"), to_nan]
)
def test_one_altered_number_is_refused_by_whatever_decodes_it(copy, state, change):
    folder = copy()
    alter(folder, 0, change)
    with pytest.raises(RunFolderError, match=r"session 0|of session 0 \(clip0\) must be those that were sealed"):
        list(decoder_of(folder, state).frames(0))


@pytest.mark.parametrize("name", ["finetune", "single"])
def test_an_altered_dense_network_is_refused(copy, name):
    folder = copy(name)
    alter(folder, 2, flip_bit("weight/fc1.weight"))
    with pytest.raises(RunFolderError, match=r"of session 2 \(clip2\) must be those that were sealed"):
        list(decoder_of(folder).frames(2))


def test_an_altered_head_of_an_earlier_video_is_refused(copy):
    folder = copy("finetune")
    alter(folder, 2, flip_bit("session/head"))  # The first number of all heads, which stand one behind the other.
    decoder = decoder_of(folder)
    list(decoder.frames(2))
    with pytest.raises(RunFolderError, match=r"of session 0 \(clip0\) must be those that were sealed"):
        list(decoder.frames(0))


def test_figures_of_altered_frames_are_not_drawn(copy, caplog, monkeypatch):
    folder = copy()
    alter(folder, 0, flip_bit("session/head"))
    monkeypatch.setattr("vcl.report.figures.plot.write_figure", lambda figure, into, name: [name])
    assert plot_run(folder) == ["curves", "shares", "matrix_psnr", "matrix_ssim"]
    assert "of session 0 (clip0) must be those that were sealed" in caplog.text


def test_a_run_does_not_build_on_an_altered_session(tmp_path, tiny_config, clips):
    config = tiny_config("wsn", train={"epochs": 1})

    class StoppedError(Exception):
        pass

    def stop(event):
        if event["kind"] == "row" and event["session"] == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_clips(config, clips, tmp_path / "run", lambda _: [stop])
    folder = RunFolder.existing(tmp_path / "run")
    alter(folder, 0, flip_bit("weight/fc1.weight"))
    with pytest.raises(RunFolderError, match=r"of session 0 \(clip0\) must be those that were sealed"):
        run_clips(config, clips, folder.path)
    assert folder.sessions() == 2


def test_a_run_without_its_events_is_decoded_and_says_that_nothing_was_compared(copy, caplog):
    folder = copy()
    folder.events_path.unlink()
    assert sum(len(batch) for batch in decoder_of(folder).frames(1)) == 4
    assert "no hash of session 1 is known to compare with" in caplog.text


@pytest.mark.parametrize("name", ["pfnr", "finetune", "single"])
def test_a_run_that_has_its_events_says_nothing_of_missing_hashes(
    finished_run, tiny_config, clips, tmp_path, caplog, name
):
    run_clips(tiny_config(name, train={"epochs": 1}), clips, tmp_path / "run")
    list(decoder_of(finished_run(name)[1]).frames(0))
    assert "no hash" not in caplog.text


def rename(old, new):
    return lambda tensors, metadata: tensors.update({new: tensors.pop(old)})


def replace(name, make):
    return lambda tensors, metadata: tensors.update({name: make(tensors[name])})


def note(text):
    return lambda tensors, metadata: metadata.update(notes=text)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda tensors, metadata: metadata.pop("notes"), "is damaged: it has no note video"),
        (note("[]"), "its notes must be a JSON object"),
        (
            note('{"video": "a", "frames": "x", "sessions": 3, "state_kind": "shared_masked", "version": 2}'),
            "the note frames must be a number",
        ),
        (
            note('{"video": 7, "frames": 5, "sessions": 3, "state_kind": "shared_masked", "version": 2}'),
            "the note video must be text, got 7",
        ),
        (
            note('{"video": "a", "frames": 5, "sessions": 3, "keeps": "all"}'),
            "the note state_kind must be one of shared_masked, shared_latest, per_session, differences, got 'all'",
        ),
        (
            replace("mask/fc1.weight", lambda t: t.to(torch.int16)),
            "mask/fc1.weight must be torch.uint8, got",
        ),
        (replace("weight/fc1.weight", lambda t: t.long()), "weight/fc1.weight must be torch.float32, got torch.int64"),
        (replace("weight/fc1.weight", lambda t: t[1:].clone()), r"fc1.weight must hold \d+ numbers, got \d+"),
        (replace("mask/fc1.weight", lambda t: t[1:].clone()), r"mask/fc1.weight must be \(\d+,\), got \(\d+,\)"),
        (replace("session/head", lambda t: t[:2].clone()), r"session/head must be \(3, 6\), got \(2, 6\)"),
        (lambda tensors, metadata: tensors.pop("session/head"), "session/head is missing"),
        (lambda tensors, metadata: tensors.pop("mask/fc1.weight"), "mask/fc1.weight is missing"),
        (rename("weight/fc1.weight", "weight/fc9"), "weight/fc9 is no tensor of the network"),
        (
            lambda tensors, metadata: tensors.update({"weight/x": torch.zeros(1)}),
            "weight/x is no tensor of the network",
        ),
        (lambda tensors, metadata: tensors.update({"codes": torch.zeros(1)}), "codes is none of mask/NAME"),
    ],
)
def test_a_session_file_that_is_not_what_it_should_be_is_one_line(copy, capsys, change, line):
    folder = copy()
    alter(folder, 0, change)
    with pytest.raises(RunFolderError, match=line) as refusal:
        decoder_of(folder, 0)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, metadata: metadata.pop("notes"),
        note('{"video": "a", "frames": 5, "sessions": 3, "keeps": "all"}'),
        note('{"video": "a", "frames": 5, "sessions": 3, "keeps": ["masks"]}'),
    ],
)
def test_comparing_a_run_whose_notes_are_gone_or_wrong_is_one_line(copy, capsys, change):
    folder = copy()
    for session in (0, 2):
        alter(folder, session, change)
    assert main(["compare", "--matrices", str(folder.path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_folder_may_be_named_by_its_path(finished_run):
    folder = finished_run()[1]
    frames = [torch.cat(list(decoder_of(place).frames(1))) for place in (folder, folder.path, str(folder.path))]
    assert torch.equal(frames[0], frames[1])
    assert torch.equal(frames[0], frames[2])


def test_a_path_that_is_no_run_folder_is_refused_by_the_decoder(tmp_path):
    with pytest.raises(RunFolderError, match="is not a run folder"):
        decoder_of(str(tmp_path), 2)


def test_the_widths_of_a_matched_network_are_searched_for_once_and_kept(tmp_path, tiny_config, clips, monkeypatch):
    searches = []
    search = backbones.match_bytes
    monkeypatch.setattr(backbones, "match_bytes", lambda *given: searches.append(given) or search(*given))
    backbones._matched.cache_clear()
    config = tiny_config("single_matched", method={"session_bytes": 9_000}, train={"epochs": 1})
    folder = run_clips(config, clips, tmp_path / "run")
    assert len(searches) == 1
    backbones._matched.cache_clear()
    monkeypatch.setattr(backbones, "match_bytes", lambda *given: pytest.fail("the run folder knows its network"))
    assert decoder_of(folder).frame(2, 0).shape == (3, 32, 48)
    run_clips(config, clips, folder.path)
    assert summarise(folder).method == "single_matched"
    assert folder.resolved().backbone.stem_width < config.backbone.stem_width


def test_a_run_of_before_that_kept_no_network_is_decoded_all_the_same(copy):
    folder = copy()
    (folder.path / "resolved.yaml").unlink()
    assert np.isfinite(decoder_of(folder).frame(0, 0).cpu().numpy()).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, metadata: metadata.pop("notes"),
        lambda tensors, metadata: tensors.pop("fc1.weight.value"),
        replace("fc1.weight.value", lambda t: t[1:].clone()),
        replace("optimizer/fc1.weight.value/exp_avg", lambda t: t[1:].clone()),
        lambda tensors, metadata: tensors.pop("means"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_line(tmp_path, tiny_config, clips, change):
    config = tiny_config("wsn", train={"epochs": 3, "checkpoint_seconds": 0, "batch": 1})

    class StoppedError(Exception):
        pass

    steps = iter(range(100))

    def stop(event):
        if event["kind"] == "epoch" and next(steps) == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_clips(config, clips, tmp_path / "run", lambda _: [stop])
    path = tmp_path / "run" / "checkpoint.safetensors"
    rewrite(path, change)
    with pytest.raises(RunFolderError, match="has a checkpoint that does not fit it") as refusal:
        run_clips(config, clips, tmp_path / "run")
    assert "\n" not in str(refusal.value)


def test_a_finished_run_that_lost_a_session_is_not_taken_for_whole(copy, clips, tiny_config, stream):
    folder = copy()
    lost = folder.path / "sessions" / "001.safetensors"
    lost.unlink()
    config = tiny_config("pfnr", stream=stream)
    with pytest.raises(RunFolderError, match=r"001\.safetensors: session 1 \(clip1\) was measured, but its file"):
        run_clips(config, clips, folder.path)
