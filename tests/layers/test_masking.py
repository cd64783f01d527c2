import math

import pytest
import torch
from full_sort import first_of_the_largest
from never_waiting import never_waiting

from vcl import kernels
from vcl.layers.masking import masked_weight, top_mask

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
    assert torch.equal(top_mask(score, 0.3), first_of_the_largest(score, round(0.3 * 37 * 53), signed=False))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("nans", [0, 1, 400, 1000])
def test_a_mask_has_its_count_whatever_the_scores_hold(dtype, signed, nans):
    source = torch.Generator().manual_seed(nans)
    score = (torch.rand(1000, generator=source, dtype=torch.float64) - 0.5).to(dtype)
    score[::7], score[1::7], score[2::7], score[3::50], score[4::50] = score[0], 0.0, -0.0, math.inf, -math.inf
    at = torch.randperm(1000, generator=source)[:nans]
    score[at] = math.nan
    score[at[::2]] = -math.nan
    for capacity in (0.001, 0.04, 0.3, 0.7, 0.999, 1):
        keep = round(1000 * capacity)
        expected = first_of_the_largest(score.view(20, 50), keep, signed)
        assert torch.equal(top_mask(score.view(20, 50), capacity, signed), expected)
        assert int(expected.sum()) == keep


def test_a_score_that_is_not_a_number_is_the_largest():
    score = torch.tensor([math.inf, 1.0, math.nan, -math.nan, -math.inf])
    assert top_mask(score, 0.2).tolist() == [False, False, True, False, False]
    assert top_mask(score, 0.4).tolist() == [False, False, True, True, False]
    assert top_mask(score, 0.6).tolist() == [True, False, True, True, False]
    assert top_mask(score, 0.8).tolist() == [True, False, True, True, True]
    assert top_mask(score, 0.8, signed=True).tolist() == [True, True, True, True, False]


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("with_kernels", [True, False])
def test_ranking_on_a_gpu_gives_the_cpus_mask_and_never_waits_for_the_device(dtype, signed, with_kernels, monkeypatch):
    score = (torch.rand(64, 1000, generator=torch.Generator().manual_seed(0)) - 0.5).to(dtype)
    score[::3], score[1::9], score[2, :500] = score[0], score[0, 0], math.nan
    there = score.cuda()
    if not with_kernels:
        monkeypatch.setattr(kernels, "runs_on", lambda *tensors: False)
    for capacity in (0.001, 0.3, 0.5, 1):
        top_mask(there, capacity, signed)  # What is compiled or loaded first may wait.
        with never_waiting():
            found = top_mask(there, capacity, signed)
        assert torch.equal(found.cpu(), top_mask(score, capacity, signed))


@pytest.mark.gpu
@pytest.mark.parametrize("score_shape", [(64, 32, 3, 3), (64, 32, 1, 1), (64, 1, 1, 1)])
def test_masked_weights_on_a_gpu_are_the_cpus_and_never_wait_for_the_device(score_shape):
    source = torch.Generator().manual_seed(1)
    value, grad = (torch.rand(64, 32, 3, 3, generator=source) - 0.5 for _ in range(2))
    score = torch.rand(score_shape, generator=source) - 0.5

    def effective(device):
        leaves = [tensor.to(device).requires_grad_() for tensor in (value, score)]
        there = grad.to(device)
        product = masked_weight(*leaves, 0.3)
        return product, *torch.autograd.grad(product, leaves, there)

    here, there = effective("cpu"), effective("cuda")
    assert torch.equal(here[0].view(torch.int32), there[0].cpu().view(torch.int32))
    assert torch.equal(here[1].view(torch.int32), there[1].cpu().view(torch.int32))
    torch.testing.assert_close(here[2], there[2].cpu())
    leaves = [tensor.cuda().requires_grad_() for tensor in (value, score)]
    on_gpu = grad.cuda()
    with never_waiting():
        masked_weight(*leaves, 0.3).backward(on_gpu)
