"""A session's record to payloads and back, for everything that a method may leave behind."""

import struct

import pytest
import torch
from codec.random_sessions import seal_random

from vcl.codec.decode import decode_session
from vcl.codec.encode import MASK_BEFORE, SCORES, SEALED, SIGNED_SCORES, Draws, encode_session
from vcl.errors import BitstreamError
from vcl.layers import init
from vcl.layers.masking import top_mask
from vcl.subnet.ledger import Ledger
from vcl.subnet.record import Layout

LAYOUT = Layout(
    weights={"a": (4, 6), "b": (3, 2, 3, 3), "c": (2, 3, 4, 5)},
    session={"bias": (5,), "head": (3, 4)},
    frame={"code": (2,)},
    rows={"a": 0, "b": 0, "c": 3},
)
KINDS = ["shared_masked", "per_session", "differences", "shared_latest"]
SEED, SESSIONS = 5, 3


def round_trip(records, kind, bounds=None):
    """A ledger of decoded records, its payloads, and bits by layer."""
    before, payloads, spent = Ledger(LAYOUT, kind), [], []
    for number, record in enumerate(records):
        payloads.append(encode_session(record, before, Draws(SEED, number, bounds or {})))
        decoded, bits = decode_session(*payloads[-1], before, 3)
        before.append(decoded)
        spent.append(bits)
    return before, payloads, spent


def sealed(kind, **knobs):
    """A ledger of three drawn sessions."""
    ledger = Ledger(LAYOUT, kind)
    for seed in range(SESSIONS):
        seal_random(ledger, seed, **knobs)
    return ledger


@pytest.mark.parametrize("bits", [None, 3, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_every_session_of_every_kind_comes_back_with_the_same_hash(kind, bits):
    ledger = sealed(kind, bits=bits)
    decoded, payloads, _ = round_trip(list(ledger.records()), kind)
    for session in range(SESSIONS):
        if kind != "shared_latest" or session == SESSIONS - 1:
            assert decoded.subnetwork(session).sha256() == ledger.subnetwork(session).sha256()
        assert torch.equal(decoded.frames()[session]["code"], ledger.frames()[session]["code"])
    assert [bool(masks) for masks, _, _ in payloads] == [kind == "shared_masked"] * SESSIONS
    latest = [kind != "shared_latest"] * (SESSIONS - 1) + [True]
    assert [bool(weights) for _, weights, _ in payloads] == latest


@pytest.mark.parametrize("bits", [None, 5])
def test_session_tensors_of_all_sessions_stand_in_the_latest_record_of_one_network(bits):
    ledger = sealed("shared_latest", bits=bits)
    decoded, _, _ = round_trip(list(ledger.records()), "shared_latest")
    for session in range(SESSIONS):
        for name, tensor in ledger.session_tensors(session).items():
            assert torch.equal(decoded.session_tensors(session)[name], tensor)


@pytest.mark.parametrize("unit", ["weight", "kernel", "row", "dense", ["weight", "row", "kernel"]])
def test_masks_of_every_unit_come_back_in_their_own_shape(unit):
    ledger = sealed("shared_masked", unit=unit)
    decoded, _, spent = round_trip(list(ledger.records()), "shared_masked")
    for session, (record, again) in enumerate(zip(ledger.records(), decoded.records(), strict=True)):
        for name, shape in ledger.shapes.items():
            assert torch.equal(decoded.mask(session, name), ledger.mask(session, name))
            assert again.mask(name, shape).shape == record.mask(name, shape).shape
            assert torch.equal(again.values[name], record.values[name])
        assert spent[session].masks.keys() == spent[session].weights.keys() == ledger.shapes.keys()


@pytest.mark.parametrize("kind", ["shared_masked", "per_session"])
def test_steps_of_rows_with_numbers_come_back(kind):
    ledger = sealed(kind)
    decoded, _, _ = round_trip(list(ledger.records()), kind)
    before = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in ledger.shapes.items()}
    for session, (record, again) in enumerate(zip(ledger.records(), decoded.records(), strict=True)):
        assert again.steps.keys() == record.steps.keys()
        for name in ledger.shapes:
            new = ledger.mask(session, name) & ~before[name]
            before[name] |= new if kind == "shared_masked" else False
            rows = new.movedim(LAYOUT.rows[name], 0).flatten(1).any(1)
            step, expected = again.steps[f"weight/{name}"], record.steps[f"weight/{name}"]
            assert torch.equal(step, torch.where(rows, expected, 1.0))
        for name in ("session/bias", "session/head", "frame/code"):
            assert torch.equal(again.steps[name], record.steps[name])


@pytest.mark.parametrize("kind", [SEALED, SCORES, SIGNED_SCORES, MASK_BEFORE])
def test_masks_come_back_whatever_they_are_coded_given(kind):
    """The mask of the third session is one that the context of this kind tells the most of."""
    shape, session = (60, 50), 2
    ledger, before = Ledger(Layout({"w": shape}), "shared_masked"), Ledger(Layout({"w": shape}), "shared_masked")
    for seed in range(session):
        seal_random(ledger, seed, share=0.3)
    scores = torch.from_numpy(init.drawn_integers(3000, SEED, "score", "w", session)).view(shape).float()
    masks = {
        SEALED: ~ledger.sealed("w"),
        SCORES: top_mask(scores, 0.3, False),
        SIGNED_SCORES: top_mask(scores, 0.3, True),
        MASK_BEFORE: ledger.mask(session - 1, "w"),
    }
    ledger.seal({"w": torch.ones(shape)}, {"w": masks[kind]}, {})
    for number, record in enumerate(ledger.records()):
        payloads = encode_session(record, before, Draws(SEED, number))
        before.append(decode_session(*payloads, before, 3)[0])
    seed_and_session = 8
    assert payloads[0][seed_and_session:][:2] == bytes([0b11, kind])
    assert torch.equal(before.mask(session, "w"), masks[kind])


def test_weights_that_have_hardly_moved_from_their_first_values_cost_less_given_those():
    layout, bound = Layout(weights={"w": (40, 50)}), 0.5
    sizes = {}
    for purpose in (("value", "w"), ("value", "w", 1)):
        first = torch.from_numpy(init.drawn_values(2000, bound, SEED, *purpose)).view(40, 50)
        ledger = Ledger(layout, "per_session")
        step = torch.full((40,), 2.0**-5)
        value = (first / step[:, None]).round() * step[:, None] + 2.0**-5 * (torch.arange(2000).view(40, 50) % 7 == 0)
        record = ledger.seal({"w": value}, {}, {}, steps={"weight/w": step})
        for bounds in ({}, {"w": bound}):
            payloads = encode_session(record, Ledger(layout, "per_session"), Draws(SEED, 1, bounds))
            decoded, _ = decode_session(*payloads, Ledger(layout, "per_session"), 1)
            assert torch.equal(decoded.values["w"], record.values["w"])
            sizes[purpose, bool(bounds)] = len(payloads[1])
        assert sizes[purpose, True] < 0.4 * sizes[purpose, False]


def test_bits_by_layer_add_up_to_the_payloads_but_for_what_they_share():
    ledger = Ledger(Layout(weights={"a": (80, 60), "b": (50, 70)}), "shared_masked")
    record = seal_random(ledger, 1)
    masks, weights, own = encode_session(record, Ledger(ledger.layout, "shared_masked"), Draws(SEED, 0))
    _, spent = decode_session(masks, weights, own, Ledger(ledger.layout, "shared_masked"), 3)
    for payload, bits in ((masks, spent.masks), (weights, spent.weights)):
        assert 0.97 * len(payload) - 20 < sum(bits.values()) / 8 < len(payload)


def test_records_with_numbers_that_are_no_integers_times_their_step_are_refused():
    ledger = Ledger(LAYOUT, "per_session")
    record = seal_random(ledger, 1)
    record.values["a"][3] += record.steps["weight/a"][0] / 2
    with pytest.raises(BitstreamError, match="a number with a step must be an integer times that step"):
        encode_session(record, Ledger(LAYOUT, "per_session"), Draws(SEED, 0))


def test_a_payload_that_is_cut_anywhere_is_refused():
    ledger = Ledger(LAYOUT, "shared_masked")
    payloads = encode_session(seal_random(ledger, 1), Ledger(LAYOUT, "shared_masked"), Draws(SEED, 0))
    for place, payload in enumerate(payloads):
        for length in range(len(payload)):
            cut = [*payloads[:place], payload[:length], *payloads[place + 1 :]]
            again = Ledger(LAYOUT, "shared_masked")
            # No weights at all are a payload of a network that was overwritten; the library knows where there are some.
            with pytest.raises((BitstreamError, ValueError) if place == 1 and not length else BitstreamError):
                again.append(decode_session(*cut, again, 3)[0])


def test_own_numbers_for_which_a_payload_is_too_short_are_refused_before_they_take_memory():
    layout = Layout(weights={"a": (2, 2)}, frame={"code": (2**10,)})
    constant = struct.pack("<BHiHHiH", 1, 6, 0, 15 << 12, 6, 0, 15 << 12)
    empty = Ledger(layout, "per_session")
    weights = encode_session(seal_random(Ledger(layout, "per_session"), 1), empty, Draws(0, 0))[1]
    record, _ = decode_session(b"", weights, constant, empty, 64)
    assert not record.frame["code"].any()
    with pytest.raises(BitstreamError, match=r"must have at most 82944 numbers of its own, got 16777216"):
        decode_session(b"", weights, constant, empty, 2**14)
