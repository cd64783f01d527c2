"""Any order of sealing, appending, tearing, exporting again and reopening, against what each session decoded to."""

import logging
import tempfile
from pathlib import Path

import pytest
from codec.random_sessions import NOTES, architecture_of, seal_random, video_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from vcl.codec.container_writer import append, create
from vcl.codec.encode import Draws
from vcl.codec.library import Library
from vcl.codec.library_records import first_records, session_records
from vcl.subnet.ledger import Ledger

SIZE = (4, 8)
SESSIONS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**20),
        "frames": st.integers(1, 3),
        "unit": st.lists(st.sampled_from(["weight", "kernel", "row", "dense"]), min_size=1, max_size=3),
        "share": st.sampled_from([0.05, 0.3, 0.9]),
        "bits": st.sampled_from([None, 2, 4, 8]),
    }
)


class LibraryMachine(RuleBasedStateMachine):
    """A library and, beside it, the hashes of the numbers that each of its sessions was sealed with."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "a.vcl"

    def teardown(self):
        self.folder.cleanup()

    @initialize(kind=st.sampled_from(["shared_masked", "differences", "per_session"]), session=SESSIONS)
    def start(self, kind, session):
        self.architecture = architecture_of(kind, SIZE, channels=2)
        self.ledger = Ledger(self.architecture.network().layout(), kind)
        self.hashes, self.frames = [], []
        create(self.path, [*first_records(self.architecture, NOTES), *self.sealed(session)])
        self.library = Library.open(self.path)

    def sealed(self, session):
        """Records of one more session, which joins the model."""
        before, number = Ledger(self.ledger.layout, self.ledger.state_kind), len(self.ledger)
        for record in self.ledger.records():
            before.append(record)
        seal_random(self.ledger, **session)
        self.hashes.append(self.ledger.subnetwork(number).sha256())
        self.frames.append(session["frames"])
        record = list(self.ledger.records())[-1]
        video = video_of(number, self.ledger, session["frames"], SIZE)
        return session_records(record, before, video, Draws(session["seed"], number, {"fc2.weight": 0.5}))

    @precondition(lambda self: len(self.hashes) < 6)
    @rule(session=SESSIONS)
    def append(self, session):
        before = self.path.read_bytes()
        whole = Library.open(self.path).footprint().total
        append(self.path, self.sealed(session))
        assert self.path.read_bytes()[:whole] == before[:whole]
        self.library = Library.open(self.path)

    @precondition(lambda self: len(self.hashes) < 6)
    @rule(session=SESSIONS, share=st.floats(0.01, 0.99))
    def append_while_the_power_is_cut(self, session, share):
        """And append the same again: what was torn off leaves no trace."""
        records, length = self.sealed(session), self.path.stat().st_size
        append(self.path, records)
        whole = self.path.read_bytes()
        if len(whole) > length:
            self.path.write_bytes(whole[: length + int(share * (len(whole) - length))])
            assert len(Library.open(self.path).videos) == len(self.hashes) - 1
            append(self.path, records)
            assert self.path.read_bytes() == whole
        self.library = Library.open(self.path)

    @rule(garbage=st.binary(min_size=1, max_size=100))
    def tear(self, garbage):
        with self.path.open("ab") as file:
            file.write(garbage)
        self.library = Library.open(self.path)
        assert self.library.recovered

    @rule()
    def export_what_was_decoded_again(self):
        """Every record that is read gives the payloads that it was read from."""
        again = Ledger(self.library.layout, self.library.architecture.state_kind)
        for number, record in enumerate(self.library.ledger().records()):
            video = self.library.videos[number]
            added = session_records(record, again, video, Draws(7, number))
            again.append(record)
            if number:
                append(self.path, added)
            else:
                create(self.path, [*first_records(self.architecture, NOTES), *added], overwrite=True)
        self.library = Library.open(self.path)

    @rule()
    def reopen(self):
        self.library = Library.open(self.path)

    @rule(number=st.integers(0, 5), state=st.integers(0, 5))
    def read_sessions_in_any_order(self, number, state):
        count = len(self.hashes)
        assert len(self.library.ledger(state % count)) == state % count + 1
        assert self.library.subnetwork(number % count).sha256() == self.hashes[number % count]

    @rule(number=st.integers(0, 5))
    def decode(self, number):
        number %= len(self.hashes)
        assert sum(len(batch) for batch in self.library.frames(number)) == self.frames[number]

    @invariant()
    def the_library_holds_what_was_sealed(self):
        library = Library.open(self.path)
        assert [video.frames for video in library.videos] == self.frames
        assert [library.subnetwork(number).sha256() for number in range(len(self.hashes))] == self.hashes
        assert library.footprint().total <= self.path.stat().st_size
        if not library.recovered:
            library.verify()


@pytest.mark.parametrize("orders", [10, pytest.param(300, marks=pytest.mark.slow)])
def test_any_order_of_calls_leaves_every_session_with_the_numbers_that_it_was_sealed_with(caplog, orders):
    caplog.set_level(logging.ERROR, "vcl.codec")
    limits = settings(max_examples=orders, stateful_step_count=8, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(LibraryMachine, settings=limits)
