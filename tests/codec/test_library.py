"""Libraries of runs and of drawn sessions: every frame, number and byte of theirs."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from codec.random_sessions import NOTES, SIZE, architecture_of, session_appends, write_library
from every_role import Everything, EverythingConfig

from vcl.backbones import build
from vcl.codec.container import Container
from vcl.codec.container_writer import Record, append
from vcl.codec.library import Library, StrictFrames
from vcl.codec.payloads import ARCHITECTURE, META, OWN, STRICT, VIDEO, WEIGHTS, Video
from vcl.codec.strict import Exponents
from vcl.config.backbones import register_backbone
from vcl.decode import Decoder, SealedSessions
from vcl.errors import BitstreamError, VideoError
from vcl.export import export
from vcl.render import Renderer
from vcl.run import run_clips
from vcl.rundir import RunFolder
from vcl.video.pixels import to_uint8

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
TWO = [{"seed": 1, "frames": 3}, {"seed": 2, "frames": 5, "unit": ["weight", "row", "kernel"]}]


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


@pytest.mark.cpu
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


@pytest.mark.cpu
@pytest.mark.parametrize(("method", "knobs"), RUNS, ids=lambda value: value if isinstance(value, str) else str(value))
def test_what_sessions_take_adds_up_to_the_size_of_the_file(exported, method, knobs):
    path = exported(method, knobs)[1]
    footprints = Library.open(path).footprints()
    assert sum(footprint.total for footprint in footprints) == path.stat().st_size
    for session, footprint in enumerate(footprints):
        has_masks = method in ("wsn", "pfnr", "packnet")
        has_weights = method not in ("finetune", "replay") or session == 2
        assert [footprint.masks > 0, footprint.weights > 0, footprint.side > 0] == [has_masks, has_weights, True]
        for count, bits in ((footprint.masks, footprint.layers.masks), (footprint.weights, footprint.layers.weights)):
            assert 0 <= sum(bits.values()) / 8 <= count


@pytest.mark.cpu
def test_integers_take_a_fraction_of_what_floats_do(exported):
    sizes = [exported("pfnr", knobs)[1].stat().st_size for knobs in ({"bits": 6}, {"bits": None})]
    assert sizes[0] < 0.4 * sizes[1]


@pytest.mark.cpu
@pytest.mark.parametrize(
    ("method", "knobs"),
    [
        ("wsn", {"bits": 5, "mask_unit": "kernel"}),
        ("residual", {"bits": 5}),
        ("packnet", {}),
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
    assert sum(footprint.total for footprint in library.footprints()) == library.path.stat().st_size


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
        (0, range(3, 4), "frames of video 0 must lie in 0..2, got 3..3"),
        (0, range(-1, 1), "frames of video 0 must lie in 0..2, got -1..0"),
    ],
)
def test_frames_that_are_not_there_are_refused(library_path, decode, session, only, message):
    with pytest.raises(VideoError, match=message):
        next(getattr(Library.open(library_path), decode)(session, only))


def test_a_library_without_a_strict_profile_says_so(tmp_path):
    library = Library.open(write_library(tmp_path / "a.vcl", session_appends(architecture_of(), TWO, strict=False)))
    assert not library.is_strict
    library.verify(frames=True)
    with pytest.raises(VideoError, match=r"a\.vcl has no strict profile"):
        next(library.strict_frames(0))


@pytest.mark.parametrize("kind", ["per_session", "differences", "shared_latest"])
def test_libraries_of_dense_networks_verify(tmp_path, kind):
    path = write_library(tmp_path / "a.vcl", session_appends(architecture_of(kind), TWO))
    Library.open(path).verify(frames=True)
    assert sum(footprint.total for footprint in Library.open(path).footprints()) == path.stat().st_size


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
        library.footprints()
        assert len(library.ledger(0)) == 1
        assert library.subnetwork(1).sha256() == expected[1]


def without(records, kind):
    return [record for record in records if record.kind != kind]


def replaced(records, kind, change):
    return [replace(record, payload=change(record.payload)) if record.kind == kind else record for record in records]


CHANGES = {
    "no network": (lambda a: [without(a[0], ARCHITECTURE), a[1]], "a session lacks its record of kind 0x1"),
    "no video": (lambda a: [a[0], without(a[1], VIDEO)], "a session lacks its record of kind 0x10"),
    "no weights": (lambda a: [a[0], without(a[1], WEIGHTS)], "session 1 lacks its record of kind 0x12"),
    "no own numbers": (lambda a: [a[0], without(a[1], OWN)], "the own numbers of session 1 ends within a field"),
    "a session twice": (lambda a: [a[0], a[1], a[1]], "session 1 has two records of kind 0x10"),
    "no session": (lambda a: [[]], "it has no session"),
    "one missing": (
        lambda a: [a[0], [replace(record, session=2) for record in a[1]]],
        r"sessions must be numbered from 0, got \[0, 2\]",
    ),
    "a newer record": (
        lambda a: [a[0], [replace(record, version=2) for record in a[1]]],
        "a record of kind 0x10 has version 2; a newer vcl reads it",
    ),
    "an unknown record": (lambda a: [a[0], [*a[1], Record(0x15, 1, b"")]], "needs a newer vcl"),
    "one name twice": (
        lambda a: [a[0], replaced(a[1], VIDEO, lambda payload: payload.replace(b"video 1", b"video 0"))],
        "two videos have one name",
    ),
    "notes that are none": (
        lambda a: [a[0], [*a[1], Record(META, 1, b"\1\0")]],
        "the notes of the library ends within",
    ),
    "too few hashes": (
        lambda a: [a[0], replaced(a[1], STRICT, lambda payload: payload[:-8])],
        "the frame hashes of the library ends within a field",
    ),
    "another hash": (
        lambda a: [a[0], replaced(a[1], STRICT, lambda payload: payload[:-1] + bytes([payload[-1] ^ 1]))],
        "frame 4 of video 1 is not the one that was written",
    ),
    "other exponents": (
        lambda a: [a[0], replaced(a[1], STRICT, lambda payload: payload[:1] + b"\3" + payload[2:])],
        "frame 0 of video 1 is not the one that was written",
    ),
    "too few exponents": (
        lambda a: [a[0], replaced(a[1], STRICT, lambda payload: bytes([payload[0] - 1]) + payload[2:])],
        "a session of this network must have 4 exponents, got 3",
    ),
    "another base": (
        lambda a: [
            replaced(a[0], ARCHITECTURE, lambda payload: payload.replace(b"\0\0\xf4\x3f", b"\0\0\xf5\x3f")),
            a[1],
        ],
        "frame 0 of video 0 is not the one that was written",
    ),
    "other numbers": (
        lambda a: [a[0], replaced(a[1], VIDEO, lambda payload: payload[:-9] + bytes([payload[-9] ^ 1]) + payload[-8:])],
        "the numbers of session 1 are not those that were sealed",
    ),
    "a network too large for the file": (
        lambda a: [replaced(a[0], ARCHITECTURE, lambda payload: architecture_of(stem_width=250_000).to_bytes()), a[1]],
        "the network of so short a library must have at most",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_library_that_does_not_fit_together_is_refused_in_one_line(tmp_path, name):
    change, message = CHANGES[name]
    path = write_library(tmp_path / "a.vcl", change(session_appends(architecture_of(), TWO)))
    with pytest.raises(BitstreamError, match=message) as refusal:
        everything(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_a_strict_frame_that_is_not_the_one_that_was_written_is_not_given(tmp_path):
    change, message = CHANGES["another hash"]
    library = Library.open(write_library(tmp_path / "a.vcl", change(session_appends(architecture_of(), TWO))))
    assert sum(len(batch) for batch in library.strict_frames(1, range(4))) == 4
    with pytest.raises(BitstreamError, match=message):
        next(library.strict_frames(1, range(4, 5)))


def test_progress_of_a_check_is_reported_by_video_and_frame(library_path, tmp_path):
    reports = []
    Library.open(library_path).verify(frames=True, progress=lambda *state: reports.append(state))
    assert reports[0] == ("video 0", 3, 3)
    assert reports[-3:] == [("video 1", 4, 5), ("video 1", 5, 5), ("video 1", 5, 5)]
    reports.clear()
    Library.open(library_path).verify(progress=lambda *state: reports.append(state))
    assert reports == [("video 0", 3, 3), ("video 1", 5, 5)]


def everything(path):
    library = Library.open(path)
    library.verify(frames=True)
    assert library.notes


def test_the_last_network_of_one_that_is_overwritten_must_be_there(tmp_path):
    appends = session_appends(architecture_of("shared_latest"), TWO, strict=False)
    path = write_library(tmp_path / "a.vcl", [appends[0], without(appends[1], WEIGHTS)])
    with pytest.raises(BitstreamError, match=r"a\.vcl: session 1 lacks its record of kind 0x12"):
        next(Library.open(path).frames(0))


def test_records_that_a_reader_may_ignore_are_ignored(tmp_path):
    appends = session_appends(architecture_of(), TWO)
    appends[1] += [Record(0x8099, 1, b"?"), Record(META, 1, b"of the future", version=2)]
    library = Library.open(write_library(tmp_path / "a.vcl", appends))
    library.verify(frames=True)
    assert library.notes == NOTES


def test_strict_frames_are_written_as_a_count_exponents_and_hashes():
    strict = StrictFrames(Exponents((1, 2, 3)), (b"abcdefgh", b"ijklmnop"))
    assert strict.to_bytes() == b"\3\1\2\3abcdefghijklmnop"
    assert StrictFrames.from_bytes(strict.to_bytes(), 2) == strict


def test_a_backbone_that_is_not_installed_any_more_is_named(tmp_path):
    payload = architecture_of().to_bytes().replace(b"nerv", b"sirn")
    appends = session_appends(architecture_of(), TWO[:1])
    path = write_library(tmp_path / "a.vcl", [replaced(appends[0], ARCHITECTURE, lambda _: payload)])
    with pytest.raises(BitstreamError, match="of a kind that is not installed: 'sirn'"):
        Library.open(path)


def test_a_file_that_is_not_there_or_is_no_library_is_named(tmp_path):
    with pytest.raises(BitstreamError, match=r"a\.vcl cannot be read \(No such file or directory\)"):
        Library.open(tmp_path / "a.vcl")
    (tmp_path / "b.vcl").write_bytes(b"not a library")
    with pytest.raises(BitstreamError, match=r"b\.vcl is no vcl library"):
        Library.open(tmp_path / "b.vcl")


def test_a_run_is_not_exported_over_a_file_that_is_there(exported, tmp_path):
    folder, path = exported("single", {"bits": 4})
    (tmp_path / "a.vcl").write_bytes(b"precious")
    with pytest.raises(BitstreamError, match=r"a\.vcl exists, and is replaced only with --overwrite"):
        export(folder, tmp_path / "a.vcl")
    assert (tmp_path / "a.vcl").read_bytes() == b"precious"
    export(folder, tmp_path / "a.vcl", overwrite=True)
    assert (tmp_path / "a.vcl").read_bytes() == path.read_bytes()


@pytest.mark.cpu
def test_a_library_of_a_run_has_a_commit_for_each_session(exported):
    container = Container.open(exported("pfnr", {"bits": 6})[1])
    assert container.commits == 3
