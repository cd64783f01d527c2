"""What cannot be compiled into a library or appended to one, and is refused in one line."""

import pytest
from conftest import moving_wave
from library_videos import SMALL, save

from vcl.errors import BitstreamError, ConfigError, VclError, VideoError
from vcl.library import append, compile

pytestmark = pytest.mark.usefixtures("clip_cache")


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
def test_settings_that_no_library_can_have_are_refused_before_anything_is_made(tmp_path, clip_paths, words, line):
    with pytest.raises(VclError) as error:
        compile(clip_paths, tmp_path / "library.vcl", settings=[*SMALL, *words])
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


def test_videos_that_cannot_be_told_apart_or_are_none_are_refused(library, tmp_path, clip_paths):
    (tmp_path / "b").mkdir()
    one, two = (save(tmp_path / name, moving_wave(3, 3)) for name in ("dog.mkv", "b/dog.mkv"))
    new = tmp_path / "new.vcl"
    with pytest.raises(VideoError, match="names of videos must differ, found dog twice"):
        compile([one, two], new, settings=SMALL)
    with pytest.raises(VideoError, match=r"cat\.mp4: a video must be a video file or a folder of PNG or JPEG frames"):
        compile([tmp_path / "cat.mp4"], new, settings=SMALL)
    with pytest.raises(VideoError, match=r"library\.vcl: a video must be .* frames, found a library$"):
        compile([library], new, settings=SMALL)
    clash = save(tmp_path / "clip1.mkv", moving_wave(3, 3))
    with pytest.raises(VideoError, match="already has another video called clip1"):
        append(library, [clash])
    assert not new.exists()


def test_a_name_is_the_same_by_whatever_encoding_of_its_accents(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    frames = moving_wave(2, 3)
    for folder, name in (("a", composed), ("b", decomposed), ("c", decomposed)):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / f"{name}.mkv", frames if folder != "c" else frames[::-1].copy())
    path = tmp_path / "library.vcl"
    opened = compile([tmp_path / "a" / f"{composed}.mkv"], path, settings=SMALL, strict=False)
    before = path.read_bytes()
    assert opened.session_of(composed) == opened.session_of(decomposed) == 0
    append(path, [tmp_path / "b" / f"{decomposed}.mkv"])
    compile([tmp_path / "b" / f"{decomposed}.mkv"], path, settings=SMALL)
    with pytest.raises(VideoError, match="already has another video called"):
        append(path, [tmp_path / "c" / f"{decomposed}.mkv"])
    assert path.read_bytes() == before


def test_a_library_of_other_videos_or_settings_is_not_compiled_into(library, clip_paths):
    before = library.read_bytes()
    with pytest.raises(BitstreamError, match=r"its session 0 is another video, clip0; vcl append adds to a library"):
        compile(clip_paths[1:], library, settings=SMALL)
    with pytest.raises(BitstreamError, match=r"was compiled with train.epochs = 2, this asks for 3; choose another"):
        compile(clip_paths, library, settings=[*SMALL, "train.epochs=3"])
    assert library.read_bytes() == before


def test_no_video_and_an_unknown_quality_are_refused_in_one_line(library, tmp_path, clip_paths):
    before = library.read_bytes()
    new = tmp_path / "new.vcl"
    for verb in (lambda: compile([], new), lambda: compile([], new, settings=SMALL), lambda: append(library, [])):
        with pytest.raises(ConfigError, match=r"^videos must be one or more, got none$"):
            verb()
    with pytest.raises(ConfigError, match=r"^quality must be one of low, medium, high, got best$"):
        compile(clip_paths, new, quality="best")
    assert not new.exists()
    assert library.read_bytes() == before


def test_what_is_no_library_is_left_alone(tmp_path, clip_paths):
    text = tmp_path / "notes.vcl"
    text.write_text("dear diary")
    (tmp_path / "folder.vcl").mkdir()
    for path, verb in ((text, compile), (tmp_path / "folder.vcl", compile)):
        with pytest.raises(BitstreamError):
            verb(clip_paths, path, settings=SMALL)
    with pytest.raises(BitstreamError, match=r"missing\.vcl cannot be read"):
        append(tmp_path / "missing.vcl", clip_paths)
    assert text.read_text() == "dear diary"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.vcl", "notes.vcl"]
