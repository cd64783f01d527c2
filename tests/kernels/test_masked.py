import math

import pytest
import torch
from full_sort import first_of_the_largest
from never_waiting import never_waiting

from vcl import kernels
from vcl.layers.masking import masked_weight, top_mask

pytest.importorskip("triton")

from vcl.kernels import masked

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Two programs with blocks of 256: of 700 scores, the first has two whole blocks, and the second a part of one.
BLOCK, PROGRAMS = 256, 2


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(masked, "BLOCK", BLOCK)
    monkeypatch.setattr(masked, "PROGRAMS", PROGRAMS)


@pytest.fixture
def plain_pytorch(monkeypatch):
    monkeypatch.setattr(kernels, "runs_on", lambda *tensors: False)


def from_bits(bits):
    return bits.to(torch.int32).view(torch.float32).to(DEVICE)


def scores(kind, count):
    """Of some kind: float32, half of them negative unless they are all the same."""
    source = torch.Generator().manual_seed(count)
    if kind == "plain":
        return torch.rand(count, generator=source).sub_(0.5).to(DEVICE)
    if kind == "many ties":
        return torch.randint(-3, 4, (count,), generator=source).div(4).to(DEVICE)
    if kind == "any bits":
        return from_bits(torch.randint(-(2**31), 2**31, (count,), generator=source))
    if kind == "almost alike":
        sign = torch.randint(0, 2, (count,), generator=source) << 31
        return from_bits((0x3F7FFF80 + torch.randint(0, 256, (count,), generator=source)) - sign)
    special = torch.tensor([math.inf, -math.inf, 0.0, -0.0, math.nan, -math.nan, 1e-45, -1e-45, 1.0])
    return special[torch.randint(0, len(special), (count,), generator=source)].to(DEVICE)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", ["plain", "many ties", "any bits", "almost alike", "special"])
def test_the_mask_is_that_of_a_full_sort(kind, signed):
    score = scores(kind, 700)
    assert torch.equal(masked.mask(score, 210, signed), first_of_the_largest(score, 210, signed))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("count", "keep"), [(1, 1), (255, 1), (256, 256), (257, 86), (512, 511), (513, 342)])
def test_any_count_of_scores_can_be_ranked(count, keep):
    score = scores("many ties", count)
    assert torch.equal(masked.mask(score, keep, False), first_of_the_largest(score, keep, False))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("keep", [1, 256, 257, 512, 513, 699])
def test_equal_scores_are_kept_up_to_any_place(keep):
    score = torch.full((700,), 0.25, device=DEVICE)
    assert masked.mask(score, keep, False).tolist() == [place < keep for place in range(700)]


@pytest.mark.usefixtures("small_blocks")
def test_larger_scores_are_kept_behind_the_last_tie_too():
    score = torch.full((700,), 0.25, device=DEVICE)
    score[[3, 300, 699]] = torch.tensor([0.5, 0.125, -0.5], device=DEVICE)
    chosen = masked.mask(score, 302, False)
    assert chosen.nonzero().flatten().tolist() == [place for place in range(302) if place != 300] + [699]


@pytest.mark.usefixtures("small_blocks", "plain_pytorch")
@pytest.mark.parametrize(("kind", "signed"), [("plain", True), ("many ties", False), ("special", False)])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_weights_and_gradients_have_the_bits_that_pytorch_gives(kind, signed):
    source = torch.Generator().manual_seed(0)
    value, grad = (torch.rand(700, generator=source).sub_(0.5).to(DEVICE) for _ in range(2))
    value[:4], grad[2:6] = torch.tensor([0.0, -0.0, math.inf, -math.inf]), torch.tensor([0.0, -0.0, 0.0, -0.0])
    score = scores(kind, 700)
    leaves = value.clone().requires_grad_(), score.clone().requires_grad_()
    product = masked_weight(*leaves, 0.3, signed)
    expected = product.detach(), *torch.autograd.grad(product, leaves, grad)
    found, choice = masked.masked(value, score, 210, signed)
    for one, other in zip((found, *masked.masked_backward(grad, value, score, choice, signed)), expected, strict=True):
        assert torch.equal(one.isnan(), other.isnan())
        assert torch.equal(one.view(torch.int32)[~one.isnan()], other.view(torch.int32)[~other.isnan()])
        assert one.count_nonzero() > 0


@pytest.mark.usefixtures("small_blocks")
def test_masked_weights_take_the_kernels_where_they_run(monkeypatch):
    source = torch.Generator().manual_seed(0)
    # A transposed weight, as some layers have; its ties are broken in its own order.
    value = torch.rand(20, 30, generator=source).to(DEVICE).t().requires_grad_()
    score = torch.randint(-3, 4, (20, 30), generator=source).div(4).to(DEVICE).t().requires_grad_()
    grad = torch.rand(20, 30, generator=source).to(DEVICE).t()
    monkeypatch.setattr(kernels, "runs_on", lambda *tensors: False)
    expected = masked_weight(value, score, 0.3)
    expected = expected, *torch.autograd.grad(expected, (value, score), grad)
    monkeypatch.setattr(kernels, "runs_on", lambda *tensors: True)
    calls = []
    for name in ("mask", "masked", "masked_backward"):
        kernel = getattr(masked, name)
        monkeypatch.setattr(masked, name, lambda *args, name=name, kernel=kernel: calls.append(name) or kernel(*args))
    found = masked_weight(value, score, 0.3)
    found = found, *torch.autograd.grad(found, (value, score), grad)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert torch.equal(top_mask(score, 0.3), expected[0] != 0)
    assert calls == ["masked", "masked_backward", "mask"]


def test_other_types_shapes_and_sizes_are_left_to_pytorch():
    score = torch.empty(4, 3)
    assert masked.takes(score)
    assert masked.takes(score, score)
    assert not masked.takes(score, torch.empty(4, 1))
    assert not masked.takes(score.double(), score.double())
    assert not masked.takes(score, score.half())
    assert not masked.takes(torch.empty(0))
    assert masked.takes(torch.empty(2**30, device="meta"))
    assert not masked.takes(torch.empty(2**30 + 1, device="meta"))


@pytest.mark.gpu
@pytest.mark.usefixtures("plain_pytorch")
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", ["plain", "many ties", "any bits", "almost alike", "special"])
@pytest.mark.parametrize("count", [1, 4097, 9_461_760])
def test_on_a_gpu_any_scores_give_the_bits_of_pytorch(kind, signed, count):
    score = scores(kind, count)
    source = torch.Generator().manual_seed(count)
    value, grad = (torch.rand(count, generator=source).sub_(0.5).to(DEVICE) for _ in range(2))
    keep = max(1, round(0.3 * count))
    leaves = value.requires_grad_(), score.requires_grad_()
    product = masked_weight(*leaves, 0.3, signed)
    expected = product.detach(), *torch.autograd.grad(product, leaves, grad)
    with torch.no_grad():
        for _ in range(2):
            found, choice = masked.masked(value, score, keep, signed)
            gradients = masked.masked_backward(grad, value, score, choice, signed)
            for one, other in zip((found, *gradients), expected, strict=True):
                assert torch.equal(one.view(torch.int32), other.view(torch.int32))
        assert torch.equal(masked.mask(score, keep, signed), top_mask(score, 0.3, signed))
        assert torch.equal(masked.mask(score, keep, signed), first_of_the_largest(score, keep, signed))


@pytest.mark.gpu
def test_a_cuda_graph_replays_the_choice_for_new_scores():
    value, score = (torch.rand(1_000_000, device="cuda").sub_(0.5).requires_grad_() for _ in range(2))
    grad = torch.rand(1_000_000, device="cuda")

    def step():
        product = masked_weight(value, score, 0.3)
        return product, *torch.autograd.grad(product, (value, score), grad)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        step()  # Compiles.
        with never_waiting():
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        replayed = [tensor.detach() for tensor in step()]
    for levels in (2**24, 5):
        with torch.no_grad():
            score.copy_(torch.randint(-levels, levels, (1_000_000,), device="cuda") / levels)
        graph.replay()
        assert all(torch.equal(one, other) for one, other in zip(replayed, step(), strict=True))
        assert int((replayed[0] != 0).sum()) <= 300_000
