"""Libraries that grow session by session, in this process."""

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import moving_wave
from library_videos import SMALL, own_videos

from vcl.codec import container_writer
from vcl.codec.library import Library
from vcl.compile.growth import _placeholder
from vcl.compile.settings import config_for
from vcl.compile.targets import Target, expected_bytes, explained
from vcl.config import to_yaml
from vcl.datasets.fitted import FittedVideo, fitted_size
from vcl.errors import BitstreamError, ConfigError, LibraryInUseError, VclError, VideoError
from vcl.folder_lock import exclusive_lock
from vcl.library import append, compile, decode
from vcl.metrics.quality import psnr, to_unit
from vcl.quality import QUALITIES, library_settings, padded_size, strides_for
from vcl.report.library import library_data
from vcl.video.cache import Clip
from vcl.video.write import write_video


@pytest.fixture(autouse=True)
def cache(monkeypatch, stream):
    """The cache of the tiny clips, in which they may be already."""
    monkeypatch.setenv("VCL_CACHE", stream["cache"])


@pytest.fixture
def videos(stream):
    return own_videos(stream)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory, stream):
    """A library of the three clips, which is not to be changed."""
    path = tmp_path_factory.mktemp("compiled") / "library.vcl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VCL_CACHE", stream["cache"])
        compile(own_videos(stream), path, settings=SMALL)
    return path


@pytest.fixture
def library(compiled, tmp_path):
    """A copy of it."""
    return Path(shutil.copy(compiled, tmp_path / "library.vcl"))


def save(path, frames, rate=25):
    """Write frames ``(T, 3, H, W)`` uint8 as a video file that keeps every pixel."""
    write_video(path, iter([torch.from_numpy(frames)]), Fraction(rate))
    return path


def frames_of(library, session):
    return torch.cat(list(decode(library, session))).numpy()


@pytest.mark.parametrize(
    "method",
    [
        [],
        ["method.name=pfnr", "backbone.operator_block=1"],
        ["method.name=packnet", "method.quantised_share=0.1"],
        ["method.name=residual"],
        ["method.name=single", "method.bits=null"],
        ["method.mask_unit=row", "method.mask_rate=0.01"],
    ],
    ids=["wsn", "pfnr", "packnet", "residual", "single", "rows"],
)
def test_a_video_that_is_appended_gives_the_bytes_of_one_compiled_with_the_others(tmp_path, videos, method):
    settings = [*SMALL, *method]
    compile(videos, tmp_path / "three.vcl", settings=settings, strict=False)
    compile(videos[:2], tmp_path / "two.vcl", settings=settings, strict=False)
    two = (tmp_path / "two.vcl").read_bytes()
    append(tmp_path / "two.vcl", videos[2:], strict=False)
    assert (tmp_path / "two.vcl").read_bytes() == (tmp_path / "three.vcl").read_bytes()
    assert (tmp_path / "three.vcl").read_bytes().startswith(two)


def test_what_decodes_is_what_was_measured_and_strict_frames_are_nearly_the_same(compiled, clips):
    opened = Library.open(compiled)
    assert [(video.name, video.frames, video.size) for video in opened.videos] == [
        ("clip0", 5, (32, 48)),
        ("clip1", 4, (32, 48)),
        ("clip2", 6, (32, 48)),
    ]
    for session, clip in enumerate(clips):
        decoded = frames_of(compiled, clip.name)
        quality = psnr(to_unit(torch.from_numpy(decoded)), to_unit(torch.from_numpy(np.array(clip.frames))))
        assert float(quality.double().mean()) == pytest.approx(opened.videos[session].psnr, abs=1e-6)
        assert opened.videos[session].source_sha256 == clip.sha256
        strict = torch.cat(list(decode(opened, session, strict=True))).numpy()
        assert np.abs(strict.astype(int) - decoded).max() <= 1


def test_some_frames_are_those_of_the_whole(compiled):
    some = torch.cat(list(decode(compiled, 2, range(4, 6)))).numpy()
    assert np.array_equal(some, frames_of(compiled, "clip2")[4:])


def test_the_same_command_again_trains_nothing_and_changes_nothing(library, videos, monkeypatch):
    before = library.read_bytes()
    monkeypatch.setattr("vcl.sessions.trainer.Trainer", None)
    compile(videos, library, settings=SMALL)
    append(library, videos[1:])
    assert library.read_bytes() == before
    assert [path.name for path in library.parent.iterdir()] == ["library.vcl"]


class Stop(Exception):
    """What a test stops a compilation with."""


@pytest.mark.parametrize(("session", "epoch"), [(0, 0), (1, 1), (2, 0)])
def test_a_compilation_that_breaks_off_in_training_goes_on_to_the_same_bytes(
    compiled, tmp_path, videos, session, epoch
):
    def stop(event):
        if event["kind"] == "epoch" and (event["session"], event["epoch"]) == (session, epoch):
            raise Stop

    path = tmp_path / "library.vcl"
    with pytest.raises(Stop):
        compile(videos, path, settings=SMALL, listeners=[stop])
    assert path.exists() == (session > 0)
    if path.exists():
        assert compiled.read_bytes().startswith(path.read_bytes())
    steps = []
    compile(videos, path, settings=SMALL, listeners=[steps.append])
    assert path.read_bytes() == compiled.read_bytes()
    first = next(event for event in steps if event["kind"] == "step")
    assert (first["session"], first["step"] > 1) == (session, True)  # Not from the start of the session.
    assert [item.name for item in tmp_path.iterdir()] == ["library.vcl"]


@pytest.mark.parametrize("verb", ["create", "append"])
def test_a_commit_that_fails_leaves_the_library_as_it_was_and_is_repeated(
    compiled, tmp_path, videos, monkeypatch, verb
):
    def fail(*_, **__):
        raise BitstreamError("no space left")

    path = tmp_path / "library.vcl"
    if verb == "append":
        compile(videos[:2], path, settings=SMALL)
    before = path.read_bytes() if path.exists() else None
    with monkeypatch.context() as patch:
        patch.setattr(container_writer, verb, fail)
        with pytest.raises(BitstreamError, match="no space left"):
            compile(videos, path, settings=SMALL)
    assert (path.read_bytes() if path.exists() else None) == before
    compile(videos, path, settings=SMALL)
    assert path.read_bytes() == compiled.read_bytes()


def test_a_session_does_not_go_on_from_the_checkpoint_of_another(library, stream, tmp_path, clips):
    """An appending is broken off, and another video appended first."""

    def stop(event):
        if event["kind"] == "epoch":
            raise Stop

    later = save(tmp_path / "later.mkv", moving_wave(4, 3))
    other = save(tmp_path / "other.mkv", moving_wave(3, 4))
    undisturbed = Path(shutil.copy(library, tmp_path / "undisturbed.vcl"))
    with pytest.raises(Stop):
        append(library, [later], listeners=[stop])
    append(library, [other])
    append(library, [later])
    append(undisturbed, [other, later])
    assert library.read_bytes() == undisturbed.read_bytes()


def test_videos_of_other_sizes_and_rates_decode_at_their_own(tmp_path):
    """The largest gives the size, 33 x 50, rounded up to whole strides of 2; a larger one, appended, is scaled down."""
    odd = save(tmp_path / "odd.mkv", moving_wave(3, 0)[:, :, :31, :41], 10)
    whole = save(tmp_path / "whole.mkv", np.pad(moving_wave(4, 1), ((0, 0), (0, 0), (0, 1), (0, 2))), "30000/1001")
    large = save(tmp_path / "large.mkv", moving_wave(3, 2).repeat(2, 2).repeat(3, 3), 50)
    path = tmp_path / "library.vcl"
    opened = compile([odd, whole], path, settings=SMALL)
    assert opened.architecture.size == (34, 50)
    opened = append(path, [large], settings=["train.epochs=3"])
    assert [video.size for video in opened.videos] == [(31, 41), (33, 50), (22, 50)]
    assert [video.rate for video in opened.videos] == [10, Fraction(30000, 1001), 50]
    assert [frames_of(path, video.name).shape for video in opened.videos] == [
        (3, 3, 31, 41),
        (4, 3, 33, 50),
        (3, 3, 22, 50),
    ]
    assert "epochs: 3\n" in opened.notes["config"]


def test_a_video_is_padded_with_its_edge():
    frames = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    video = FittedVideo(Clip("dog", frames, "ab"), Fraction(25))
    padded = video.padded((3, 4))
    assert padded.frames[0, 0].tolist() == [[0, 1, 1, 1], [2, 3, 3, 3], [2, 3, 3, 3]]
    assert padded.sha256 == "ab"
    assert video.padded((2, 2)) is video.clip


@pytest.mark.parametrize(
    ("own", "size", "fitted"),
    [
        ((180, 320), (180, 320), (180, 320)),
        ((100, 200), (180, 320), (100, 200)),
        ((720, 1280), (180, 320), (180, 320)),
        ((480, 640), (180, 320), (180, 240)),
        ((100, 640), (180, 320), (50, 320)),
        ((1000, 3), (180, 320), (180, 1)),
    ],
)
def test_a_video_keeps_its_size_where_it_fits_and_else_its_shape(own, size, fitted):
    assert fitted_size(own, size) == fitted


@pytest.mark.parametrize(
    ("size", "strides", "padded"),
    [
        ((720, 1280), (5, 2, 2, 2, 2), (720, 1280)),
        ((180, 320), (5, 2, 2), (180, 320)),
        ((144, 176), (4, 2, 2), (144, 176)),
        ((480, 854), (4, 2, 2, 2), (480, 864)),
        ((1080, 1920), (4, 2, 2, 2, 2), (1088, 1920)),
        ((33, 50), (2,), (34, 50)),
        ((7, 5), (1,), (16, 16)),
    ],
)
def test_strides_and_size_follow_the_largest_video(size, strides, padded):
    assert strides_for(size) == strides
    assert padded_size(size, strides) == padded


def test_a_quality_sets_what_nobody_sets_and_widths_grow_with_the_fourth_root_of_the_pixels():
    settings = library_settings({"train": {"epochs": 7}}, "low", (720, 1280))
    assert settings["train"] == {"epochs": 7}
    assert settings["method"] == {"name": "wsn", "bits": 5.0}
    assert [settings["backbone"][key] for key in ("stem_width", "channels", "lower_width")] == [48, 32, 24]
    assert list(QUALITIES) == ["low", "medium", "high"]
    assert library_settings({"backbone": {"name": "mine"}}, "low", (32, 48))["backbone"] == {"name": "mine"}


def test_another_process_that_compiles_the_same_library_is_named(tmp_path, videos):
    (tmp_path / ".library.vcl.work").mkdir()
    with (
        exclusive_lock(tmp_path / ".library.vcl.work", LibraryInUseError),
        pytest.raises(LibraryInUseError, match=r"\.library\.vcl\.work is in use by process \d+ on"),
    ):
        compile(videos, tmp_path / "library.vcl", settings=SMALL)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["method.name=replay"], "method.name must forget nothing, as those of a library do (wsn, pfnr, packnet, "),
        (["method.name=joint"], "method.name must forget nothing, as those of a library do (wsn, pfnr, packnet, "),
        (["method.reinit=false"], "method.reinit must be true for a library, whose sessions start from what it holds"),
        (["backbone.session_embedding=fraction"], "backbone.session_embedding must not depend on the number of videos"),
        (["stream.size=[31,48]"], "stream.size must be multiples of 2, the product of backbone.strides, got [31, 48]"),
        (["stream.frames=9"], "clip0: asked for frames 0..8 but the clip"),
        (["train.epoch=3"], "train.epoch is not a setting; did you mean train.epochs?"),
    ],
)
def test_settings_that_no_library_can_have_are_refused_before_anything_is_made(tmp_path, videos, words, line):
    with pytest.raises(VclError) as error:
        compile(videos, tmp_path / "library.vcl", settings=[*SMALL, *words])
    assert line in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["backbone.channels=8"], "backbone.channels must stay what it is in"),
        (["stream.size=[64,96]"], "stream.size must stay what it is in"),
        (["method.name=residual"], "method.name must stay what it is in"),
        (["method.capacity=2"], "method.capacity must lie in (0, 1], got 2"),
    ],
)
def test_an_appending_cannot_change_the_network(library, tmp_path, words, line):
    before = library.read_bytes()
    with pytest.raises(ConfigError) as error:
        append(library, [save(tmp_path / "new.mkv", moving_wave(3, 3))], settings=words)
    assert line in str(error.value)
    assert library.read_bytes() == before


def test_videos_that_cannot_be_told_apart_or_are_none_are_refused(library, tmp_path, videos):
    (tmp_path / "b").mkdir()
    one, two = (save(tmp_path / name, moving_wave(3, 3)) for name in ("dog.mkv", "b/dog.mkv"))
    new = tmp_path / "new.vcl"
    with pytest.raises(VideoError, match="names of videos must differ, found dog twice"):
        compile([one, two], new, settings=SMALL)
    with pytest.raises(VideoError, match=r"cat\.mp4: a video must be a video file or a folder of PNG or JPEG frames"):
        compile([tmp_path / "cat.mp4"], new, settings=SMALL)
    clash = save(tmp_path / "clip1.mkv", moving_wave(3, 3))
    with pytest.raises(VideoError, match="already has another video called clip1"):
        append(library, [clash])
    assert not new.exists()


def test_a_library_of_other_videos_or_settings_is_not_compiled_into(library, videos):
    before = library.read_bytes()
    with pytest.raises(BitstreamError, match=r"its session 0 is another video, clip0; vcl append adds to a library"):
        compile(videos[1:], library, settings=SMALL)
    with pytest.raises(BitstreamError, match=r"was compiled with train.epochs = 2, this asks for 3; choose another"):
        compile(videos, library, settings=[*SMALL, "train.epochs=3"])
    assert library.read_bytes() == before


def test_what_is_no_library_is_left_alone(tmp_path, videos):
    text = tmp_path / "notes.vcl"
    text.write_text("dear diary")
    (tmp_path / "folder.vcl").mkdir()
    for path, verb in ((text, compile), (tmp_path / "folder.vcl", compile)):
        with pytest.raises(BitstreamError):
            verb(videos, path, settings=SMALL)
    with pytest.raises(BitstreamError, match=r"missing\.vcl cannot be read"):
        append(tmp_path / "missing.vcl", videos)
    assert text.read_text() == "dear diary"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.vcl", "notes.vcl"]


def test_a_config_file_stands_between_the_quality_and_the_words(tmp_path, videos):
    path = tmp_path / "mine.yaml"
    path.write_text("method: {name: packnet, kept: 0.5}\ntrain: {epochs: 9}\n")
    config = config_for([Path(video) for video in videos], path, ["train.epochs=5"], "low")
    assert (config.method.name, config.method.bits, config.train.epochs) == ("packnet", 5.0, 5)
    assert config.stream.size == (32, 48)
    assert "folder" not in to_yaml(config)


def test_earlier_videos_are_never_looked_at(compiled, tmp_path):
    video = Library.open(compiled).videos[0]
    clip = _placeholder(video, (32, 48))
    assert clip.frames.shape == (5, 3, 32, 48)
    assert not any(clip.frames.strides)


def bpp_of(path):
    return library_data(Library.open(path))["videos"][-1]["bpp_so_far"]


def test_a_size_is_met_by_bits_also_where_the_compilation_was_broken_off(tmp_path, videos, caplog):
    def stop(event):
        if event["kind"] == "epoch" and (event["session"], event["epoch"]) == (1, 1):
            raise Stop

    path, broken = tmp_path / "library.vcl", tmp_path / "broken.vcl"
    compile(videos, path, settings=SMALL, target_bpp=3, strict=False)
    assert bpp_of(path) == pytest.approx(3, rel=0.05)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    with pytest.raises(Stop):
        compile(videos, broken, settings=SMALL, target_bpp=3, strict=False, listeners=[stop])
    compile(videos, broken, settings=SMALL, target_bpp=3, strict=False)
    assert broken.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ({"target_bpp": 24}, "instead of 24: it takes more than 8 bits a weight; wider layers (backbone.channels)"),
        ({"target_bpp": 0.5}, "instead of 0.5: it takes less than 4 bits a weight; narrower layers (backbone.chan"),
        ({"target_psnr": 60}, "less than 60 dB after 4 trainings: clip1 "),
    ],
)
def test_a_target_that_is_missed_is_explained(tmp_path, videos, caplog, target, line):
    """With widths that are set, so that bits and passes are all there is to choose."""
    events = []
    compile(videos[1:2], tmp_path / "l.vcl", settings=SMALL, strict=False, listeners=[events.append], **target)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert line in warning
    trained = [event["passes"] for event in events if event["kind"] == "session"]
    assert trained == ([2, 4, 8, 16] if "target_psnr" in target else [2])


def test_widths_follow_from_a_size_unless_they_are_set(videos):
    paths, few = [Path(video) for video in videos], [word for word in SMALL if not word.startswith("backbone.")]
    small, large = (config_for(paths, None, few, "medium", Target(bpp=bpp)) for bpp in (5, 20))
    for config, bpp in ((small, 5), (large, 20)):
        assert 8 * sum(expected_bytes(config, [5, 4, 6])) == pytest.approx(bpp * 15 * 32 * 48, rel=0.05)
        width, channels = config.backbone.stem_width, config.backbone.channels
        assert width / channels == pytest.approx(32 / 24, abs=0.5 / channels + 0.2)
    assert config_for(paths, None, SMALL, "medium", Target(bpp=5)).backbone.channels == 6


@pytest.mark.parametrize(
    ("target", "bpp", "psnr", "line"),
    [
        (Target(bpp=1.0), 1.04, 30, ""),
        (Target(bpp=1.0), 0.96, 30, ""),
        (Target(psnr=30), 9, 30.5, ""),
        (Target(psnr=30), 9, 32, "more than 30 dB: dog 32.00 dB; a lower --quality makes a smaller file"),
        (Target(), 9, 9, ""),
    ],
)
def test_what_is_within_five_per_cent_needs_no_word(target, bpp, psnr, line):
    assert explained(target, bpp, {"dog": psnr}) == line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"bpp": 0}, "--target-bpp must lie in (0, 24], got 0"),
        ({"psnr": 99}, "--target-psnr must lie in [10, 60], got 99"),
        ({"bpp": 1, "psnr": 30}, "the target must be --target-bpp or --target-psnr, got both"),
    ],
)
def test_targets_that_nothing_can_reach_are_refused(words, line):
    with pytest.raises(ConfigError) as error:
        Target(**words)
    assert str(error.value) == line


def test_a_size_needs_integers(tmp_path, videos):
    with pytest.raises(ConfigError, match=r"method.bits must be a number for --target-bpp, not float32, got null"):
        compile(videos, tmp_path / "l.vcl", settings=[*SMALL, "method.bits=null"], target_bpp=1)


def test_the_readme_has_the_table_of_qualities():
    text = (Path(__file__).parents[1] / "README.md").read_text()
    for name, of in QUALITIES.items():
        row = f"| `{name}` | {of.stem_width}, {of.channels}, {of.lower_width} | {of.bits:g} | {of.epochs} |"
        assert row in text
