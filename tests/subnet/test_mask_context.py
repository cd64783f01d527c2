"""What a mask is coded given: contexts worked by hand from drawn integers that are set."""

import math

import numpy as np
import pytest
import torch

from vcl.layers import init
from vcl.subnet.mask_context import BINS, CONTEXTS, code_lengths, mask_context, score_purpose, sealed_units


@pytest.fixture
def drawn(monkeypatch):
    """Call with the integers that are drawn from then on, however many are asked for."""

    def draw(*integers):
        monkeypatch.setattr(init, "drawn_integers", lambda count, *purpose: np.array(integers[:count], np.int32))

    return draw


def test_contexts_are_twice_the_bin_of_the_magnitude_and_one_more_where_sealed(drawn):
    width = 2**24 // 32
    drawn(1, -width + 1, width + 1, -width - 1, 2**24 - 1, -(2**24) + 1)
    sealed = torch.tensor([[False, True, False], [True, False, True]])
    assert mask_context(sealed, (2, 3), False, 0).tolist() == [0, 1, 2, 3, 62, 63]


def test_signed_contexts_are_the_bins_of_the_value_from_the_smallest_up(drawn):
    width = 2**24 // 16
    drawn(-(2**24) + 1, -(2**24) + width - 1, -(2**24) + width + 1, -1, 1, 2**24 - 1)
    sealed = torch.tensor([False, False, False, True, False, True])
    assert mask_context(sealed, (6,), True, 0).tolist() == [0, 0, 2, 31, 32, 63]


def test_contexts_are_those_of_the_purpose_and_within_their_number():
    sealed = torch.zeros(4000, dtype=torch.bool)
    context = mask_context(sealed, (4000,), False, 7, "score", "fc1.weight")
    integers = init.drawn_integers(4000, 7, "score", "fc1.weight")
    assert context.tolist() == [2 * (abs(integer) * BINS >> 24) for integer in integers.tolist()]
    assert CONTEXTS == 64
    assert (context.dtype, set(context.tolist())) == (np.uint8, set(range(0, CONTEXTS, 2)))


def test_a_unit_counts_as_sealed_where_any_of_its_weights_is():
    sealed = torch.zeros(2, 2, 1, 3, dtype=torch.bool)
    sealed[0, 1, 0, 2] = True
    assert torch.equal(sealed_units(sealed, (2, 2, 1, 3)), sealed)
    assert sealed_units(sealed, (2, 2, 1, 1)).flatten().tolist() == [False, True, False, False]
    assert sealed_units(sealed, (2, 1, 1, 1)).flatten().tolist() == [True, False]
    assert sealed_units(sealed, (1, 1, 1, 1)).flatten().tolist() == [True]
    assert sealed_units(torch.zeros(2, 2, dtype=torch.bool), (1, 1)).flatten().tolist() == [False]


def test_a_mask_of_rows_has_a_context_a_row(drawn):
    drawn(1, 1)
    sealed = torch.tensor([[False, True], [False, False]])
    assert mask_context(sealed, (2, 1), False, 0).tolist() == [1, 0]


def test_the_first_session_draws_its_scores_by_the_name_alone():
    assert score_purpose(3, "fc1.weight", 0) == (3, "score", "fc1.weight")
    assert score_purpose(3, "fc1.weight", 2) == (3, "score", "fc1.weight", 2)


def test_code_lengths_are_the_bits_that_a_unit_of_the_mask_costs_more_than_another():
    mask = torch.tensor([[True, False, False, False], [True, True, True, True]])
    context = torch.tensor([0, 0, 0, 0, 5, 5, 5, 5])
    lengths = code_lengths(mask, context)
    assert lengths.shape == (CONTEXTS,)
    assert lengths[0].item() == pytest.approx(math.log2(3.5 / 1.5))
    assert lengths[5].item() == pytest.approx(math.log2(0.5 / 4.5))
    assert lengths[1].item() == 0.0
