import pytest
import torch

from vcl.layers.masking import _kth_largest_by_bits, masked_weight, top_mask

SCORES = torch.tensor([[0.1, -0.6, 0.3], [-0.2, 0.5, -0.4]])


def test_half_of_a_2x3_layer_is_its_three_largest_magnitudes():
    assert top_mask(SCORES, 0.5).tolist() == [[False, True, False], [False, True, True]]


def test_signed_scores_are_ranked_by_value():
    assert top_mask(SCORES, 0.5, signed=True).tolist() == [[True, False, True], [False, True, False]]


def test_effective_weights_are_the_chosen_values_and_zero_elsewhere():
    value = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert masked_weight(value, SCORES, 0.5).tolist() == [[0, 2, 0], [0, 5, 6]]


def test_gradient_reaches_chosen_values_and_every_score():
    value = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    score = SCORES.clone().requires_grad_()
    masked_weight(value, score, 0.5).backward(torch.full((2, 3), 2.0))
    assert value.grad.tolist() == [[0, 2, 0], [0, 2, 2]]
    # Twice the value, with the sign of the score: a larger magnitude is what brings a weight in.
    assert score.grad.tolist() == [[2, -4, 6], [-8, 10, -12]]


def test_gradient_of_signed_scores_has_no_sign():
    value = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    score = SCORES.clone().requires_grad_()
    masked_weight(value, score, 0.5, signed=True).sum().backward()
    assert score.grad.tolist() == value.tolist()


@pytest.mark.parametrize("capacity", [0.01, 0.1, 0.3, 0.5, 0.7, 0.999, 1.0])
@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_count_is_exact(capacity, count):
    score = torch.rand(count, generator=torch.Generator().manual_seed(count))
    assert int(top_mask(score, capacity).sum()) == max(1, round(capacity * count))


def test_ties_are_broken_by_position():
    assert top_mask(torch.tensor([0.5, 0.5, 0.9, 0.5]), 0.5).tolist() == [True, False, True, False]
    assert top_mask(torch.zeros(4), 0.75).tolist() == [True, True, True, False]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type_is_ranked(dtype):
    assert top_mask(SCORES.to(dtype), 0.5).tolist() == top_mask(SCORES, 0.5).tolist()


def test_mask_keeps_the_same_entries_as_a_full_sort():
    score = torch.rand(37, 53, generator=torch.Generator().manual_seed(3)) - 0.5
    order = score.abs().flatten().argsort(descending=True)
    expected = torch.zeros(37 * 53, dtype=torch.bool)
    expected[order[: round(0.3 * 37 * 53)]] = True
    assert torch.equal(top_mask(score, 0.3).flatten(), expected)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("keep", [1, 2, 300, 999, 1000])
def test_the_threshold_found_bit_by_bit_is_the_one_that_a_sort_finds(signed, keep):
    score = torch.rand(1000, generator=torch.Generator().manual_seed(keep)) - 0.5
    score[::7] = score[0]
    rank = score if signed else score.abs()
    assert _kth_largest_by_bits(rank, keep) == rank.sort(descending=True).values[keep - 1]


@pytest.mark.gpu
def test_ranking_on_a_gpu_gives_the_cpus_mask_and_never_waits_for_the_device():
    score = torch.rand(64, 1000, generator=torch.Generator().manual_seed(0)) - 0.5
    score[::3] = score[0]
    there = score.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = top_mask(there, 0.3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(found.cpu(), top_mask(score, 0.3))


def test_the_threshold_found_bit_by_bit_may_be_zero_of_either_sign():
    assert _kth_largest_by_bits(torch.tensor([-1.0, 0.0, -0.0]), 2) == 0
