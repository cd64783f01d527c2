"""Libraries whose payloads were changed behind right checksums: refused in one line, or read as what they were."""

import logging
import resource
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from codec.mutator import assemble
from codec.payload_mutator import ARCHITECTURE, VIDEO, mutated
from codec.random_sessions import NETWORK, architecture_of, session_appends, video_of, write_library

from vcl.backbones import build
from vcl.codec.encode import Draws
from vcl.codec.library import Library
from vcl.codec.library_records import first_records, session_records
from vcl.codec.strict import Exponents, StrictNetwork
from vcl.config import NervConfig
from vcl.errors import BitstreamError, ConfigError, VideoError
from vcl.subnet.ledger import Ledger, Subnetwork

BITS = {"shared_masked": 5, "differences": 5, "shared_latest": 5, "per_session": None}
"""Of the second session of a library of each kind."""

BOUND = 2**30
"""Bytes of address space that a case may take beyond what the process has."""


@contextmanager
def bounded_memory():
    """Let no allocation go beyond ``BOUND``: one that does ends in an error that is no ``BitstreamError``."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + BOUND, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


class Original:
    """A library, and what decodes from it."""

    def __init__(self, path, kind):
        architecture = architecture_of(kind, (4, 8), channels=3)
        self.path = path
        first = {"seed": 1, "frames": 2}
        second = {"seed": 2, "frames": 2, "unit": ["weight", "row", "kernel"], "bits": BITS[kind]}
        self.appends = session_appends(architecture, [first, second], bounds={"fc1.weight": 0.2, "fc2.weight": 0.4})
        self.layers = len(architecture.network().shapes())
        path.write_bytes(assemble(self.appends))
        self.frames = decoded(path)

    def check(self, seed):
        """Change the library and read it; gives whether it was refused."""
        random = Random(seed)
        appends, changed = mutated(self.appends, random, self.layers, own=1)
        if appends == self.appends:
            return False
        mended = random.random() < 0.15
        self.path.write_bytes(assemble(appends))
        if mended:
            self.path.write_bytes(assemble(with_right_hashes(appends, self.path)))
        frames, refusal = [], ""
        try:
            frames = decoded(self.path)
        except BitstreamError as error:
            refusal = str(error)
        if refusal:
            assert refusal.startswith(str(self.path)), (seed, changed)
            assert "\n" not in refusal, (seed, changed)
            return True
        if len(changed) == 1 and not mended:
            self.check_frames(frames, seed, changed)
        return False

    def check_frames(self, frames, seed, changed):
        """Whoever has the right numbers and hashes has the right frames."""
        for expected, actual in zip(self.frames, frames, strict=False):
            for right, frame in zip(expected, actual, strict=True):
                if frame is not None and right is not None:
                    height, width = frame.shape[-2:]
                    difference = (right[..., :height, :width].int() - frame.int()).abs().max()
                    assert difference <= (1 if changed[0][0] == ARCHITECTURE else 0), (seed, changed)


def with_right_hashes(appends, path):
    """The same with the hashes of the numbers that decode now, where they do."""
    try:
        library = Library.open(path)
        last = len(library.videos) - 1
        hashes = [library.ledger(last).subnetwork(session).sha256() for session in range(last + 1)]
    except BitstreamError:
        return appends
    return [
        [
            replace(record, payload=record.payload[:-40] + bytes.fromhex(hashes[record.session]) + record.payload[-8:])
            if record.kind == VIDEO
            else record
            for record in records
        ]
        for records in appends
    ]


def decoded(path):
    """The first frame of each session, in floating point and strict, of a file that is found right."""
    library = Library.open(path)
    library.verify()
    frames = []
    for session in range(len(library.videos)):
        fast = next(library.frames(session, range(1)))
        try:
            strict = next(library.strict_frames(session, range(1)))
        except VideoError:
            strict = None
        frames.append((fast, strict))
    library.verify(frames=True)
    assert all(isinstance(text, str) for text in library.notes.values())
    library.footprint()
    return frames


def refusals(path, kind, seeds):
    original = Original(path, kind)
    with bounded_memory():
        return sum(original.check(seed) for seed in seeds)


@pytest.mark.parametrize(
    ("kind", "cases"),
    [
        ("shared_masked", 200),
        ("differences", 100),
        ("shared_latest", 100),
        ("per_session", 100),
        *(
            pytest.param(kind, 900, marks=pytest.mark.slow)
            for kind in ("shared_masked", "differences", "shared_latest", "per_session")
        ),
    ],
)
def test_changed_payloads_are_refused_or_decode_to_the_frames_that_were_written(tmp_path, kind, cases):
    assert refusals(tmp_path / "a.vcl", kind, range(cases)) > 0.7 * cases


def first_frame(path):
    """Of the last session that a file holds; None where the file is refused."""
    try:
        library = Library.open(path)
        session = len(library.videos) - 1
        return session, next(library.frames(session, range(1)))
    except BitstreamError:
        return None


@pytest.mark.parametrize("step", [41, pytest.param(1, marks=pytest.mark.slow)])
def test_a_file_that_is_cut_or_has_a_flipped_bit_never_gives_a_wrong_frame(tmp_path, caplog, step):
    caplog.set_level(logging.ERROR, "vcl.codec")
    original = Original(tmp_path / "a.vcl", "shared_masked")
    whole, outcomes = original.path.read_bytes(), Counter()
    first = assemble(original.appends[:1])
    assert whole.startswith(first)
    for position in sorted({*range(0, len(whole), step), len(first)}):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        for data in (whole[:position], bytes(flipped)):
            original.path.write_bytes(data)
            answer = first_frame(original.path)
            if answer is not None:
                session, frame = answer
                assert torch.equal(frame, original.frames[session][0])
            outcomes[answer and answer[0]] += 1
            # Cut off behind its first commit, it is the library that it was before the second.
            with nullcontext() if data == first else pytest.raises(BitstreamError):
                Library.open(original.path).verify()
    assert outcomes.keys() == {None, 0, 1}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BITS)
def test_twenty_five_thousand_changed_libraries_of_each_kind_are_refused_or_decode_to_their_frames(tmp_path, kind):
    assert refusals(tmp_path / "a.vcl", kind, range(1000, 26_000)) > 17_500


def constant_library(path, architecture, sessions):
    """A library all of whose numbers are zero, which takes next to nothing in a file."""
    ledger, appends = Ledger(architecture.network().layout(), architecture.state_kind), []
    layout = ledger.layout
    steps = {f"weight/{name}": torch.ones(shape[layout.rows[name]]) for name, shape in layout.weights.items()}
    steps |= {f"session/{name}": torch.ones(shape[0]) for name, shape in layout.session.items()}
    for number in range(sessions):
        before = Ledger(layout, ledger.state_kind)
        for record in ledger.records():
            before.append(record)
        own = {name: torch.zeros(shape) for name, shape in layout.session.items()}
        record = ledger.seal({name: torch.zeros(shape) for name, shape in ledger.shapes.items()}, {}, own, steps=steps)
        video = video_of(number, ledger, 1, architecture.size)
        appends.append(session_records(record, before, video, Draws(0, number)))
    write_library(path, [[*first_records(architecture, {}), *appends[0]], *appends[1:]])
    return ledger


@pytest.mark.parametrize("kind", ["per_session", "differences"])
def test_a_small_file_that_decodes_to_much_is_refused(tmp_path, kind):
    """Two sessions of 50 KB of numbers in a file of 3 KB are fine, and three of 6 MB are not."""
    usual, large = architecture_of(kind, stem_width=100), architecture_of(kind, stem_width=14_000)
    ledger = constant_library(tmp_path / "a.vcl", usual, 2)
    Library.open(tmp_path / "a.vcl").verify()
    assert Library.open(tmp_path / "a.vcl").subnetwork(1).sha256() == ledger.subnetwork(1).sha256()
    constant_library(tmp_path / "b.vcl", large, 3)
    with pytest.raises(BitstreamError, match=r"b\.vcl: sessions 0 to \d of so short a library must decode to at most"):
        Library.open(tmp_path / "b.vcl").verify()


@pytest.mark.parametrize(
    ("size", "knobs", "rule"),
    [
        ((2, 8192), {"strides": (1,), "channels": 1}, "operators of at most 4096 pixels a side, got 8192 in"),
        (
            (1, 8192),
            {"strides": (1,), "channels": 228, "stem_width": 1, "operator_block": 0},
            "rows of at most 16777216",
        ),
    ],
)
def test_networks_whose_strict_frames_would_take_gigabytes_have_none(size, knobs, rule):
    with torch.device("meta"):
        layout = build(NervConfig(**{**vars(NETWORK), **knobs}), size, 1).layout()
    weights = {name: torch.zeros(shape) for name, shape in layout.weights.items()}
    own = {name: torch.zeros(shape) for name, shape in layout.session.items()}
    exponents = Exponents((1,) * (4 if knobs.get("operator_block", 1) else 3))
    with pytest.raises(ConfigError, match=rule):
        StrictNetwork(NervConfig(**{**vars(NETWORK), **knobs}), size, 1, Subnetwork(weights, own, {}), exponents)
