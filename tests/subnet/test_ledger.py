import math
from dataclasses import replace

import pytest
import torch

from vcl.layers.masked import MaskedWeight, WeightRule
from vcl.subnet.gate import Gate
from vcl.subnet.ledger import Ledger, Share
from vcl.subnet.record import Layout, SessionRecord

SHAPES = {"layer": torch.Size((2, 3))}
HEAD = torch.tensor([[1.0, 2.0]])
OWN = {"head": HEAD}


def bits(*rows):
    return {"layer": torch.tensor(rows, dtype=torch.bool)}


def two_sessions():
    ledger = Ledger(SHAPES, "shared_masked")
    ledger.seal({"layer": torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, 6.0]])}, bits([1, 1, 0], [0, 0, 0]), OWN)
    # The second session reuses one weight, claims one, and would have moved others, had it been let.
    ledger.seal(
        {"layer": torch.tensor([[1.0, 9.0, 9.0], [-4.0, 9.0, 9.0]])}, bits([1, 0, 0], [1, 0, 0]), {"head": 2 * HEAD}
    )
    return ledger


def test_union_overlap_and_free_weights_of_two_sessions():
    ledger = two_sessions()
    assert ledger.sealed("layer").tolist() == [[True, True, False], [True, False, False]]
    assert ledger.shares() == [Share("layer", total=6, used=2, reused=1, new=1, free=3)]


def test_a_record_holds_only_what_its_session_added():
    ledger = Ledger(SHAPES, "shared_masked")
    ledger.seal({"layer": torch.arange(6.0).view(2, 3)}, bits([0, 1, 1], [0, 0, 0]), OWN)
    record = ledger.seal({"layer": torch.arange(6.0).view(2, 3)}, bits([0, 0, 1], [1, 0, 0]), OWN)
    assert record.values["layer"].tolist() == [3.0]
    assert record.masks["layer"].tolist() == [0b00110000]


def test_an_earlier_session_keeps_its_weights_to_the_bit():
    ledger = two_sessions()
    assert ledger.subnetwork(0).weights["layer"].tolist() == [[1, -2, 0], [0, 0, 0]]
    assert ledger.subnetwork(1).weights["layer"].tolist() == [[1, 0, 0], [-4, 0, 0]]
    assert ledger.subnetwork(1).session["head"].tolist() == [[2.0, 4.0]]


def test_the_hash_of_a_session_does_not_change_with_later_ones():
    alone = Ledger(SHAPES, "shared_masked")
    alone.seal({"layer": torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, 6.0]])}, bits([1, 1, 0], [0, 0, 0]), OWN)
    assert alone.subnetwork(0).sha256() == two_sessions().subnetwork(0).sha256()
    assert alone.subnetwork(0).sha256() != two_sessions().subnetwork(1).sha256()


def test_records_come_back_from_their_tensors():
    ledger = Ledger(SHAPES, "shared_masked")
    record = ledger.seal({"layer": torch.arange(6.0).view(2, 3)}, bits([1, 0, 1], [0, 1, 0]), OWN)
    again = Ledger(SHAPES, "shared_masked")
    layout = Layout(SHAPES, {"head": (1, 2)})
    again.append(SessionRecord.from_tensors(record.tensors(), layout, "shared_masked", session=0, frames=1))
    assert torch.equal(again.subnetwork(0).weights["layer"], ledger.subnetwork(0).weights["layer"])


def test_the_latest_dense_network_decodes_every_session_with_its_own_head():
    ledger = Ledger(SHAPES, "shared_latest")
    ledger.seal({"layer": torch.zeros(2, 3)}, {}, {"head": torch.stack([HEAD])})
    ledger.seal({"layer": torch.ones(2, 3)}, {}, {"head": torch.stack([3 * HEAD, 2 * HEAD])})
    assert ledger.subnetwork(0).weights["layer"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert torch.equal(ledger.subnetwork(0).session["head"], 3 * HEAD)
    assert torch.equal(ledger.subnetwork(1).session["head"], 2 * HEAD)
    assert ledger.shares() == []


def test_a_network_of_its_own_decodes_each_session():
    ledger = Ledger(SHAPES, "per_session")
    ledger.seal({"layer": torch.zeros(2, 3)}, {}, OWN)
    ledger.seal({"layer": torch.ones(2, 3)}, {}, OWN)
    assert ledger.subnetwork(0).weights["layer"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert ledger.subnetwork(1).weights["layer"].tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("state_kind", ["shared_masked", "shared_latest"])
def test_a_record_of_another_network_is_refused(state_kind):
    other = Ledger({"layer": torch.Size((4, 4))}, state_kind)
    record = other.seal({"layer": torch.ones(4, 4)}, {"layer": torch.ones(4, 4, dtype=torch.bool)}, OWN)
    with pytest.raises(ValueError, match=r"layer must hold (1|6) numbers, got (2|16)"):
        Ledger(SHAPES, state_kind).append(record)
    with pytest.raises(ValueError, match="numbers, got none"):
        Ledger({"missing": torch.Size((2,))}, state_kind).append(record)


def test_the_gate_restores_whatever_an_optimiser_left_and_leaves_free_weights_alone():
    weight = MaskedWeight(torch.nn.Parameter(torch.empty(2, 3)))
    with torch.no_grad():
        weight.value.copy_(torch.tensor([[-0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]))
    ledger = Ledger(SHAPES, "shared_masked")
    ledger.seal({"layer": weight.value}, bits([1, 0, 1], [0, 0, 0]), OWN)
    gate = Gate({"layer": weight}, ledger)
    with torch.no_grad():
        weight.value.copy_(torch.tensor([[7.0, -0.0, math.nan], [math.inf, 8.0, 9.0]]))
    gate.restore()
    assert str(weight.value.detach().tolist()) == "[[-0.0, -0.0, 2.0], [inf, 8.0, 9.0]]"


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.Adam(p, lr=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.5),
    ],
)
def test_no_optimiser_moves_a_sealed_weight(make):
    weight = MaskedWeight(torch.nn.Parameter(torch.empty(2, 3)))
    torch.nn.init.ones_(weight.value)
    ledger = Ledger(SHAPES, "shared_masked")
    ledger.seal({"layer": weight.value}, bits([1, 0, 1], [0, 0, 0]), OWN)
    optimiser = make([weight.value])
    (weight.value * 2).sum().backward()
    optimiser.step()  # Leaves a momentum behind, as an optimiser that is not reset would.
    with torch.no_grad():
        weight.value.fill_(1)
    gate = Gate({"layer": weight}, ledger)
    for _ in range(3):
        optimiser.zero_grad()
        (weight.value * 2).sum().backward()
        optimiser.step()
        gate.restore()
    assert weight.value.detach()[bits([1, 0, 1], [0, 0, 0])["layer"]].tolist() == [1, 1]
    assert float(weight.value.detach()[0, 1]) < 1


def test_steps_are_stored_with_what_they_are_of_and_read_back():
    layout = Layout(SHAPES, {"head": (1, 2)}, {"code": (1,)}, {"layer": 1})
    steps = {"weight/layer": torch.tensor([0.5, 0.25, 1.0]), "session/head": torch.tensor([0.5])}
    ledger = Ledger(layout, "per_session")
    record = ledger.seal({"layer": torch.ones(2, 3)}, {}, OWN, {"code": torch.ones(2, 1)}, steps)
    assert {name for name in record.tensors() if name.startswith("step/")} == {"step/weight/layer", "step/session/head"}
    again = SessionRecord.from_tensors(record.tensors(), layout, "per_session", session=0, frames=2)
    assert again.steps["weight/layer"].tolist() == [0.5, 0.25, 1.0]


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ({"weight/layer": torch.ones(2)}, r"step/weight/layer must be \(3,\), got \(2,\)"),
        ({"weight/other": torch.ones(3)}, "step/weight/other is of nothing that has steps"),
        ({"session/head": torch.zeros(1)}, "step/session/head must be greater than 0, got 0.0"),
        ({"frame/code": torch.tensor([torch.nan])}, "step/frame/code must be greater than 0, got nan"),
    ],
)
def test_steps_that_fit_nothing_are_refused(steps, rule):
    layout = Layout(SHAPES, {"head": (1, 2)}, {"code": (1,)}, {"layer": 1})
    record = Ledger(layout, "per_session").seal({"layer": torch.ones(2, 3)}, {}, OWN, {"code": torch.ones(2, 1)}, steps)
    with pytest.raises(ValueError, match=rule):
        SessionRecord.from_tensors(record.tensors(), layout, "per_session", session=0, frames=2)


def test_a_residual_record_is_added_to_the_network_of_the_session_before():
    ledger = Ledger(SHAPES, "differences")
    ledger.seal({"layer": torch.full((2, 3), 2.0)}, {}, OWN)
    ledger.seal({"layer": torch.tensor([[0.5, 0, 0], [0, 0, -0.5]])}, {}, OWN)
    assert ledger.subnetwork(0).weights["layer"].tolist() == [[2, 2, 2], [2, 2, 2]]
    assert ledger.subnetwork(1).weights["layer"].tolist() == [[2.5, 2, 2], [2, 2, 1.5]]


def test_the_records_of_a_ledger_are_those_that_made_it():
    ledger = Ledger(SHAPES, "shared_masked")
    values = {"layer": torch.tensor([[1.0, 2, 3], [4, 5, 6]])}
    sealed = [
        ledger.seal(values, bits([1, 1, 0], [0, 0, 0]), OWN),
        ledger.seal(values, bits([0, 1, 1], [0, 0, 1]), OWN),
    ]
    for record, again in zip(sealed, ledger.records(), strict=True):
        assert again.values["layer"].tolist() == record.values["layer"].tolist()
        assert torch.equal(again.masks["layer"], record.masks["layer"])


@pytest.mark.parametrize(
    ("unit", "mask", "decoded"),
    [
        ("kernel", [[True, False], [False, True]], [[1, 1, 0, 0], [0, 0, 1, 1]]),
        ("row", [True, False], [[1, 1, 1, 1], [0, 0, 0, 0]]),
        ("dense", [True], [[1, 1, 1, 1], [1, 1, 1, 1]]),
    ],
)
def test_one_bit_of_a_mask_may_stand_for_a_kernel_a_row_or_the_whole(unit, mask, decoded):
    shapes = {"conv": torch.Size((2, 2, 1, 2))}
    mask_shape = WeightRule(unit=unit).mask_shape(shapes["conv"])
    ledger = Ledger(shapes, "shared_masked")
    record = ledger.seal({"conv": torch.ones(2, 2, 1, 2)}, {"conv": torch.tensor(mask).view(mask_shape)}, OWN)
    assert record.mask_shapes == {"conv": mask_shape}
    assert record.masks["conv"].numel() == 1
    assert ledger.subnetwork(0).weights["conv"].flatten(1).tolist() == decoded
    used = sum(sum(row) for row in decoded)
    assert ledger.shares() == [Share("conv", total=8, used=used, reused=0, new=used, free=8 - used)]
    again = Ledger(shapes, "shared_masked")
    layout = Layout(shapes, {"head": (1, 2)})
    again.append(SessionRecord.from_tensors(record.tensors(), layout, "shared_masked", 0, 1, record.mask_shapes))
    assert again.subnetwork(0).sha256() == ledger.subnetwork(0).sha256()


def test_a_mask_of_no_known_unit_is_refused():
    with pytest.raises(ValueError, match=r"the mask of layer must have the shape of its scores, got \(3,\)"):
        Ledger(SHAPES, "shared_masked").seal({"layer": torch.ones(2, 3)}, {"layer": torch.ones(3).bool()}, OWN)


def test_a_record_that_does_not_fit_leaves_the_ledger_as_it_was():
    shapes = {"first": torch.Size((2,)), "second": torch.Size((2,))}
    ones = {name: torch.ones(2, dtype=torch.bool) for name in shapes}
    record = Ledger(shapes, "shared_masked").seal({name: torch.ones(2) for name in shapes}, ones, OWN)
    ledger = Ledger(shapes, "shared_masked")
    with pytest.raises(ValueError, match="second must hold 2 numbers, got 1"):
        ledger.append(replace(record, values={**record.values, "second": torch.ones(1)}))
    assert not ledger.sealed("first").any()
