"""Libraries of drawn sessions: what is read from them, and in which order."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from codec.random_sessions import NOTES, SIZE, TWO, architecture_of, session_appends, write_library

from vcl.backbones import build
from vcl.codec.container_writer import append
from vcl.codec.library import Library
from vcl.codec.payloads import VIDEO, Video
from vcl.codec.strict import Exponents
from vcl.codec.strict_frames import StrictFrames
from vcl.errors import BitstreamError, VideoError
from vcl.render import Renderer
from vcl.video.pixels import to_uint8


@pytest.fixture(scope="module")
def library_path(tmp_path_factory):
    """A library of two drawn sessions, which must not be changed."""
    path = tmp_path_factory.mktemp("two") / "a.vcl"
    return write_library(path, session_appends(architecture_of(), TWO))


def test_a_library_is_read_as_it_was_written(library_path):
    library = Library.open(library_path)
    assert library.architecture == architecture_of()
    assert [video.name for video in library.videos] == ["video 0", "video 1"]
    assert [video.rate for video in library.videos] == [Fraction(30000, 1001)] * 2
    assert library.notes == NOTES
    assert library.path == library_path
    library.verify(frames=True)


def test_an_append_changes_no_byte_and_no_number_of_an_earlier_session(library_path, tmp_path):
    appends = session_appends(architecture_of(), TWO)
    path = write_library(tmp_path / "a.vcl", appends[:1])
    first, hashes = path.read_bytes(), Library.open(path).subnetwork(0).sha256()
    (frames,) = Library.open(path).frames(0)
    append(path, appends[1])
    assert path.read_bytes().startswith(first)
    assert path.read_bytes() == library_path.read_bytes()
    library = Library.open(path)
    assert library.subnetwork(0).sha256() == hashes
    assert torch.equal(next(library.frames(0)), frames)


def test_sessions_are_found_by_their_name_and_by_their_number(tmp_path):
    appends = session_appends(architecture_of(), [*TWO, {"seed": 3}], strict=False)
    for records, name in zip(appends, ("bear", "2", "swan"), strict=True):
        at = next(number for number, record in enumerate(records) if record.kind == VIDEO)
        video = replace(Video.from_bytes(records[at].payload, SIZE), name=name)
        records[at] = replace(records[at], payload=video.to_bytes())
    library = Library.open(write_library(tmp_path / "a.vcl", appends))
    assert [library.session_of(word) for word in ("bear", "swan", "0", "1", "2")] == [0, 2, 0, 1, 1]
    with pytest.raises(VideoError, match=r"a\.vcl has no video beer; did you mean bear\?"):
        library.session_of("beer")
    for word in ("3", "-1", "²", "9" * 30, ""):
        with pytest.raises(VideoError, match=r"a\.vcl has no video"):
            library.session_of(word)


def test_frames_are_those_of_the_float_network_with_the_numbers_that_were_sealed(library_path):
    library = Library.open(library_path)
    renderer = Renderer(build(library.architecture.backbone, SIZE, 1))
    for session, knobs in enumerate(TWO):
        renderer.load(library.subnetwork(session))
        expected = torch.cat([to_uint8(batch) for batch in renderer.frames(session, knobs["frames"])])
        assert torch.equal(torch.cat(list(library.frames(session))), expected)
        assert expected.shape == (knobs["frames"], 3, *SIZE)


@pytest.mark.parametrize("decode", ["frames", "strict_frames"])
def test_any_frame_decodes_by_itself(library_path, decode):
    whole = torch.cat(list(getattr(Library.open(library_path), decode)(1)))
    for t in range(5):
        (frame,) = getattr(Library.open(library_path), decode)(1, range(t, t + 1))
        # Another batch may move the last bits of a float, and with them a level; never one of the strict profile.
        difference = (frame[0].int() - whole[t].int()).abs().max()
        assert difference <= (1 if decode == "frames" else 0)


def test_strict_frames_are_within_a_level_of_those_in_floating_point(library_path):
    library = Library.open(library_path)
    for session in range(2):
        fast, strict = (torch.cat(list(decode(session))).int() for decode in (library.frames, library.strict_frames))
        assert int((fast - strict).abs().max()) <= 1


def test_a_video_smaller_than_its_network_is_its_upper_left_part(tmp_path, library_path):
    appends = session_appends(architecture_of(), TWO[:1])
    at = next(number for number, record in enumerate(appends[0]) if record.kind == VIDEO)
    video = replace(Video.from_bytes(appends[0][at].payload, SIZE), size=(7, 9))
    appends[0][at] = replace(appends[0][at], payload=video.to_bytes())
    library, whole = Library.open(write_library(tmp_path / "a.vcl", appends)), Library.open(library_path)
    assert torch.equal(next(library.frames(0)), next(whole.frames(0))[..., :7, :9])
    assert torch.equal(next(library.strict_frames(0)), next(whole.strict_frames(0))[..., :7, :9])
    library.verify(frames=True)


@pytest.mark.parametrize("decode", ["frames", "strict_frames"])
@pytest.mark.parametrize(
    ("session", "only", "message"),
    [
        (2, None, "session must lie in 0..1, got 2"),
        (-1, None, "session must lie in 0..1, got -1"),
        (0, range(3, 4), "frames of video 0 must lie in 0..2, got range\\(3, 4\\)"),
        (0, range(-1, 1), "frames of video 0 must lie in 0..2, got range\\(-1, 1\\)"),
        (0, range(9, 3, -1), "frames of video 0 must lie in 0..2, got range\\(9, 3, -1\\)"),
        (0, range(0, 10**15, 10**14), "frames of video 0 must lie in 0..2, got range"),
    ],
)
def test_frames_that_are_not_there_are_refused(library_path, decode, session, only, message):
    with pytest.raises(VideoError, match=message):
        next(getattr(Library.open(library_path), decode)(session, only))


@pytest.mark.parametrize("decode", ["frames", "strict_frames"])
def test_frames_decode_in_any_order(library_path, decode):
    frames = getattr(Library.open(library_path), decode)
    forward = torch.cat(list(frames(1)))
    assert torch.equal(torch.cat(list(frames(1, range(3, -1, -2)))), forward[[3, 1]])
    assert list(frames(1, range(4, 4))) == []


def test_a_library_without_a_strict_profile_says_so(tmp_path):
    library = Library.open(write_library(tmp_path / "a.vcl", session_appends(architecture_of(), TWO, strict=False)))
    assert not library.is_strict
    library.verify(frames=True)
    with pytest.raises(VideoError, match=r"a\.vcl was written without a strict profile of video 0$"):
        next(library.strict_frames(0))


@pytest.mark.parametrize("kind", ["per_session", "differences", "shared_latest"])
def test_libraries_of_dense_networks_verify(tmp_path, kind):
    path = write_library(tmp_path / "a.vcl", session_appends(architecture_of(kind), TWO))
    Library.open(path).verify(frames=True)
    assert Library.open(path).footprint().total == path.stat().st_size


def test_a_network_that_asks_with_the_number_of_sessions_has_it_from_the_library(tmp_path):
    network = architecture_of(sessions=9, session_embedding="fraction")
    path = write_library(tmp_path / "a.vcl", session_appends(network, TWO))
    Library.open(path).verify(frames=True)
    other = session_appends(replace(network, sessions=8), TWO)
    frames = [
        next(Library.open(write_library(tmp_path / "b.vcl", other)).frames(1)),
        next(Library.open(path).frames(1)),
    ]
    assert not torch.equal(*frames)


def test_an_unfinished_append_leaves_the_sessions_before_it(library_path, tmp_path):
    path = tmp_path / "a.vcl"
    path.write_bytes(library_path.read_bytes()[:-1])
    library = Library.open(path)
    assert (library.recovered, len(library.videos)) == (True, 1)
    next(library.frames(0))
    with pytest.raises(BitstreamError, match=r"a\.vcl must end with its last whole commit"):
        library.verify()


def test_reading_sessions_in_any_order_gives_the_same_numbers(library_path):
    expected = [video.state_sha256 for video in Library.open(library_path).videos]
    for order in ((0, 1, 0), (1, 0, 1), (0, 0), (1, 1)):
        library = Library.open(library_path)
        for session in order:
            assert library.subnetwork(session).sha256() == expected[session]
        library.footprint()
        assert len(library.ledger(0)) == 1
        assert library.subnetwork(1).sha256() == expected[1]


def test_progress_of_a_check_is_reported_by_video_and_frame(library_path, tmp_path):
    reports = []
    Library.open(library_path).verify(frames=True, progress=lambda *state: reports.append(state))
    assert reports[0] == ("video 0", 3, 3)
    assert reports[-3:] == [("video 1", 4, 5), ("video 1", 5, 5), ("video 1", 5, 5)]
    reports.clear()
    Library.open(library_path).verify(progress=lambda *state: reports.append(state))
    assert reports == [("video 0", 3, 3), ("video 1", 5, 5)]


def test_strict_frames_are_written_as_a_count_exponents_and_hashes():
    strict = StrictFrames(Exponents((1, 2, 3)), (b"abcdefgh", b"ijklmnop"))
    assert strict.to_bytes() == b"\3\1\2\3abcdefghijklmnop"
    assert StrictFrames.from_bytes(strict.to_bytes(), 2) == strict
