"""Any order of creating, appending, tearing and reopening, against a list in memory."""

import logging
import tempfile
from pathlib import Path

import pytest
from codec.container_files import contents
from codec.mutator import assemble
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from vcl.codec.container import Container
from vcl.codec.container_layout import COMMIT
from vcl.codec.container_writer import Record, append, create

RECORDS = st.lists(
    st.builds(
        Record,
        kind=st.integers(0, 2**16 - 1).filter(lambda kind: kind != COMMIT),
        session=st.integers(0, 2**32 - 1),
        payload=st.binary(max_size=40),
        version=st.integers(0, 2**16 - 1),
    ),
    max_size=4,
)


class LibraryMachine(RuleBasedStateMachine):
    """A library file and, beside it, the records of each of its commits."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()

    @initialize(records=RECORDS)
    def start(self, records):
        self.path = Path(self.folder.name) / "a.vcl"
        create(self.path, records)
        self.appends = [records]

    def teardown(self):
        self.folder.cleanup()

    @rule(records=RECORDS)
    def append(self, records):
        append(self.path, records)
        self.appends.append(records)

    @rule(records=RECORDS, count=st.integers(1, 18))
    def append_many(self, records, count):
        for _ in range(count):
            self.append(records)

    @rule(records=RECORDS)
    def replace(self, records):
        create(self.path, records, overwrite=True)
        self.appends = [records]

    @rule(garbage=st.binary(min_size=1, max_size=200))
    def tear_with_garbage(self, garbage):
        with self.path.open("ab") as file:
            file.write(garbage)

    @rule(records=RECORDS, share=st.floats(0, 1, exclude_max=True))
    def tear_an_append(self, records, share):
        start = Container.open(self.path).end
        append(self.path, records)
        with self.path.open("r+b") as file:
            file.truncate(start + int(share * (self.path.stat().st_size - start)))

    @invariant()
    def the_file_starts_with_what_an_independent_writer_gives(self):
        expected = assemble(self.appends)
        data = self.path.read_bytes()
        container = Container.open(self.path)
        assert data.startswith(expected)
        assert (container.end, container.commits) == (len(expected), len(self.appends))
        assert container.recovered == (len(data) > len(expected))

    @invariant()
    def all_payloads_are_those_of_the_list(self):
        assert contents(self.path) == tuple(record for records in self.appends for record in records)
        container = Container.open(self.path)
        if not container.recovered:
            container.verify()


@pytest.mark.parametrize("orders", [20, pytest.param(400, marks=pytest.mark.slow)])
def test_any_order_of_calls_gives_what_a_list_in_memory_holds(caplog, orders):
    caplog.set_level(logging.ERROR, "vcl.codec")
    limits = settings(max_examples=orders, stateful_step_count=15, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(LibraryMachine, settings=limits)
