"""Damaged libraries whose checksums hold, so that what lies behind them is tested.

A library is put together here by code that shares nothing with the container. Each of its fields passes through a
function that may change it before the checksums over it are computed.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass, field
from random import Random
from uuid import UUID, uuid5

NAMESPACE = UUID("3f0b6c1e-52a5-4c57-9d0e-8a3c1f6b7e24")
HARMLESS = {"minor", "compatible", "payload"}
"""Fields that may have any value; the UUID, the lengths and digests here follow the payload."""


def assemble(appends, period=16, change=lambda name, value: value):
    """Bytes of a library.

    Args:
        appends: the records of each commit.
        period: every so many commits one has a full table.
        change: gives what is written for a field from its name and its right value: an integer, bytes, or a list.
    """
    places, data, previous, table = [], b"", bytes(56), []
    for number, records in enumerate(appends):
        added = []
        for record in records:
            payload = change("payload", record.payload)
            added.append(_place(record.kind, record.version, record.session, 40 + len(data) + 24, payload))
            data += _record(added[-1], payload, change)
        table += added
        listed = change("entries", list(table if number % period == 0 else added))
        entries = [_entry(place, "entry", change) for place in listed]
        if number == 0:
            uuid = uuid5(NAMESPACE, hashlib.sha256(b"".join(entries)).hexdigest())
        numbers = change("commit.number", number), change("commit.count", len(entries))
        link = _entry(previous, "previous", change) if number else change("no previous", previous)
        payload = change("commit", _pack("<II", *numbers) + link + b"".join(entries))
        previous = _place(0xC0, 1, 0, 40 + len(data) + 24, payload)
        data += _record(previous, payload, change)
        trailer = _entry(previous, "trailer", change)
        data += trailer + struct.pack("<I", zlib.crc32(trailer)) + change("trailer.magic", b"VCLT")
        places.append(previous)
    versions = change("major", 1), change("minor", 0), change("incompatible", 0), change("compatible", 0)
    header = change("magic", b"\x89VCL\r\n\x1a\n") + _pack("<HHII", *versions) + change("uuid", uuid.bytes)
    return header + struct.pack("<I", zlib.crc32(header)) + data


@dataclass
class Mutation:
    """Changes some of the fields that pass through it.

    Args:
        random: where the values come from.
        turns: which fields are changed, counted in the order in which they pass.
    """

    random: Random
    turns: tuple[int, ...] = ()
    count: int = 0
    changed: list[str] = field(default_factory=list)

    def __call__(self, name, value):
        self.count += 1
        if self.count - 1 not in self.turns:
            return value
        mutated = _other(value, self.random)
        if mutated != value:
            self.changed.append(name)
        return mutated


def mutated_library(appends, seed, period=16):
    """A library with one to three changed fields.

    Returns:
        Its bytes, and the names of the fields that differ.
    """
    random = Random(seed)
    counting = Mutation(random)
    assemble(appends, period, counting)
    mutation = Mutation(random, tuple(random.sample(range(counting.count), random.choice((1, 1, 1, 2, 3)))))
    return assemble(appends, period, mutation), mutation.changed


def _other(value, random):
    if isinstance(value, int):
        near = [value + step for step in (-64, -8, -1, 1, 8, 56, 64)]
        return max(
            0, random.choice([*near, 0, 0xC0, 2**15, 2**28 + 1, 2**40, 2**63, 2**64 - 1, random.getrandbits(64)])
        )
    if isinstance(value, list):
        first, second = random.choices(range(len(value) + 1), k=2)
        return random.choice([value[first:], value[:first], value[::-1], value + value[first:], value[first:second]])
    at = random.randrange(len(value) + 1)
    garbage = random.randbytes(random.choice((1, 8, 56)))
    return random.choice([value[:at], value[at:], value + garbage, value[:at] + garbage + value[at + len(garbage) :]])


def _place(kind, version, session, offset, payload):
    return kind, version, session, offset, len(payload), hashlib.sha256(payload).digest()


def _record(place, payload, change):
    names = "kind", "version", "session"
    numbers = [change(f"record.{name}", value) for name, value in zip(names, place, strict=False)]
    header = change("record.magic", b"VREC") + _pack("<HHIQ", *numbers, change("record.length", len(payload)))
    padding = change("padding", bytes(-len(payload) % 8))
    return header + struct.pack("<I", zlib.crc32(header)) + payload + padding


def _entry(place, name, change):
    parts = "kind", "version", "session", "offset", "length", "sha256"
    return _pack("<HHIQQ32s", *(change(f"{name}.{part}", value) for part, value in zip(parts, place, strict=True)))


def _pack(layout, *values):
    """Pack numbers, of which only the bits that fit are written."""
    sizes = {"H": 16, "I": 32, "Q": 64}
    codes = layout[1:].replace("32s", "s")
    return struct.pack(
        layout,
        *(value % 2 ** sizes[code] if code in sizes else value for code, value in zip(codes, values, strict=True)),
    )
