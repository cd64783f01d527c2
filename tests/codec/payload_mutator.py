"""Libraries with changed payloads whose checksums hold, so that what reads the payloads is tested.

Payloads are cut into their fields here by code that shares nothing with the codec. Changes are made to fields, to
records, and to nothing that the container checks.
"""

import math
import struct
from dataclasses import dataclass, replace

ARCHITECTURE, VIDEO, MASK, WEIGHTS, OWN, STRICT, META = 0x01, 0x10, 0x11, 0x12, 0x13, 0x14, 0x8020

WORDS = [b"nerv", b"open", b"fraction", b"sum", b"only", b"centred", b"packed", b"paper", b"scaled", b"levels", b"12"]
SIZES = {"B": 8, "H": 16, "I": 32, "q": 64, "i": 32}


@dataclass(frozen=True)
class Field:
    """A part of a payload.

    Args:
        name: what it says.
        form: of ``struct``; ``text`` has its length before it, 16 bits; ``raw`` is bytes.
        value: a number or bytes.
    """

    name: str
    form: str
    value: float | bytes

    def to_bytes(self):
        if self.form == "raw":
            return self.value
        if self.form == "text":
            return struct.pack("<H", len(self.value) % 2**16) + self.value
        return struct.pack(f"<{self.form}", self.value)


class Cutter:
    """Cuts fields off the front of a payload."""

    def __init__(self, payload):
        self.rest, self.fields = payload, []

    def take(self, name, form):
        if form == "text":
            size = 2 + struct.unpack_from("<H", self.rest)[0]
            value = self.rest[2:size]
        elif form.isdecimal():
            size, form = int(form), "raw"
            value = self.rest[:size]
        else:
            size = struct.calcsize(f"<{form}")
            (value,) = struct.unpack_from(f"<{form}", self.rest)
        self.rest = self.rest[size:]
        self.fields.append(Field(name, form, value))
        return value


def fields_of(kind, payload, layers, own):
    """The fields of a payload.

    Args:
        kind: of its record.
        payload: a right one.
        layers: weights of the network.
        own: tensors of a session and its frames.
    """
    cutter = Cutter(payload)
    if kind == ARCHITECTURE:
        _cut_architecture(cutter)
    elif kind == VIDEO:
        forms = ("text", *"IHHII", "32", "32", "d")
        names = ("name", "frames", "height", "width", "numerator", "denominator", "source", "state", "psnr")
        for name, form in zip(names, forms, strict=True):
            cutter.take(name, form)
    elif kind == MASK:
        for name in ("seed", "drawn by", *["unit", "context"] * layers):
            cutter.take(name, "I" if name in ("seed", "drawn by") else "B")
        cutter.take("probabilities", str(min(40, len(cutter.rest) // 2)))
    elif kind in (WEIGHTS, OWN):
        if kind == WEIGHTS:
            cutter.take("seed", "I")
            cutter.take("drawn by", "I")
        _cut_numbers(cutter, layers if kind == WEIGHTS else own)
    elif kind == STRICT:
        for _ in range(cutter.take("exponents", "B")):
            cutter.take("exponent", "B")
    elif kind == META:
        for _ in range(cutter.take("notes", "H")):
            cutter.take("note", "text")
            cutter.take("text", str(cutter.take("length", "I")))
    if cutter.rest:
        cutter.take("rest", str(len(cutter.rest)))
    return cutter.fields


def _cut_architecture(cutter):
    for name, form in (("state kind", "B"), ("height", "H"), ("width", "H"), ("sessions", "I")):
        cutter.take(name, form)
    for _ in range(cutter.take("settings", "H")):
        name = cutter.take("setting", "text").decode()
        tag = cutter.take("type", "B")
        if tag in (5, 6):
            for _ in range(cutter.take("length", "B")):
                cutter.take(name, "q" if tag == 5 else "d")
        elif tag:
            cutter.take(name, {1: "B", 2: "q", 3: "d", 4: "text"}[tag])


def _cut_numbers(cutter, tensors):
    coders = []
    for _ in range(tensors):
        coders.append(cutter.take("coder", "B"))
        if coders[-1] > 1:
            cutter.take("bound", "d")
    for _ in range(2 * sum(coder > 0 for coder in coders)):
        if len(cutter.rest) < 8:
            break  # A tensor without numbers has no table.
        length = cutter.take("table length", "H")
        cutter.take("lowest", "i")
        cutter.take("symbols", "H")
        cutter.take("codes", str(length - 6))
    if cutter.rest:
        for _ in range(2 ** min(cutter.take("lanes", "B"), 12)):
            if len(cutter.rest) >= 4:
                cutter.take("state", "I")


def mutated(appends, random, layers, own):
    """Appends with one to three changes, and the names of what was changed.

    Args:
        appends: for each session, its records.
        random: where the changes come from.
        layers: as in ``fields_of``.
        own: as there.
    """
    appends, changed = [list(records) for records in appends], []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if random.random() < 0.1:
            changed.append(_change_records(appends, random))
            continue
        records = random.choice([records for records in appends if records])
        at = random.randrange(len(records))
        record = records[at]
        try:
            fields = fields_of(record.kind, record.payload, layers, own)
        except (struct.error, KeyError, UnicodeDecodeError, ValueError):
            fields = [Field("all", "raw", record.payload)]  # Of a payload that was changed before.
        fields, name = _change_fields(fields, random)
        records[at] = replace(record, payload=b"".join(field.to_bytes() for field in fields))
        changed.append((record.kind, name))
    return appends, changed


def _change_records(appends, random):
    records = random.choice([records for records in appends if records])
    at = random.randrange(len(records))
    others = [record for of_append in appends for record in of_append]
    what = random.choice(("drop", "twice", "payload", "kind", "session", "version", "order"))
    if what == "drop":
        del records[at]
    elif what == "twice":
        records.insert(random.randrange(len(records) + 1), records[at])
    elif what == "order":
        random.shuffle(records)
    else:
        value = {
            "payload": lambda: random.choice(others).payload,
            "kind": lambda: random.choice((1, 2, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x8020, 0x8021)),
            "session": lambda: random.choice((0, 1, 2, 3, 2**32 - 1)),
            "version": lambda: random.choice((0, 2, 2**16 - 1)),
        }[what]()
        records[at] = replace(records[at], **{what: value})
    return what, "record"


def _change_fields(fields, random):
    if not fields:
        return [Field("bytes", "raw", random.randbytes(random.choice((1, 4, 20))))], "bytes"
    at, what = random.randrange(len(fields)), random.random()
    field = fields[at]
    if what < 0.04:
        return fields[:at] + fields[at + 1 :], "drop"
    if what < 0.08:
        return [*fields[:at], field, *fields[at:]], "twice"
    if what < 0.12:
        other = random.randrange(len(fields))
        fields[at], fields[other] = fields[other], field
        return fields, "swap"
    return [*fields[:at], replace(field, **_other(field, random)), *fields[at + 1 :]], field.name


def _other(field, random):
    """Another value of a field; of a text also another length, which makes it raw."""
    if field.form == "d":
        near = [field.value * factor for factor in (-1, 0.5, 1.01, 2)]
        return {"value": random.choice([*near, 0.0, 1.0, -1.0, 1e-300, 1e300, math.nan, math.inf, -math.inf])}
    if field.form in SIZES:
        bits = SIZES[field.form]
        near = [field.value + step for step in (-16, -2, -1, 1, 2, 16)]
        value = random.choice(
            [*near, 0, 1, 2**bits - 1, 2 ** (bits - 1), random.getrandbits(bits), random.getrandbits(5)]
        )
        signed = field.form in ("q", "i")
        return {"value": (value + 2 ** (bits - 1) * signed) % 2**bits - 2 ** (bits - 1) * signed}
    if field.form == "text":
        if random.random() < 0.3:
            length = random.choice((0, len(field.value) + 1, len(field.value) - 1, 1025, 2**16 - 1)) % 2**16
            return {"form": "raw", "value": struct.pack("<H", length) + field.value}
        return {"value": random.choice([*WORDS, _other_bytes(field.value, random)])}
    return {"value": _other_bytes(field.value, random)}


def _other_bytes(value, random):
    at = random.randrange(len(value) + 1)
    garbage = random.randbytes(random.choice((1, 2, 4)))
    flipped = bytearray(value or b"\0")
    flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
    changed = value[:at] + garbage + value[at + len(garbage) :]
    return random.choice([bytes(flipped), bytes(flipped), changed, value[:at], value[at:], value + garbage, b""])
