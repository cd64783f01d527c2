"""The operator against a plain loop over frequencies in float64, and against waves that must stay what they are."""

import cmath
import math

import pytest
import torch

from vcl.layers import init
from vcl.layers.fourier import FourierOperator
from vcl.layers.masked import WeightRule, mask_weights, weights_of

SIZES = [
    ((4, 6), (8, 12)),
    ((5, 6), (10, 12)),
    ((4, 7), (8, 14)),
    ((9, 7), (18, 21)),
    ((6, 6), (6, 6)),
    ((3, 5), (15, 10)),
]


def operator(inputs, outputs, size, **options):
    made = FourierOperator(inputs, outputs, size, **options).double()
    for name in ("positive_real", "positive_imag", "negative_real", "negative_imag"):
        init.fill_uniform(getattr(made, name), made.fans[0], init.generator(1, name))
    return made


def loop(made, x, size):
    """Each output sample as a sum of waves, one frequency at a time; no transform from a library."""
    batch, _, height, width = x.shape
    rows, columns = made.modes
    y = torch.zeros(batch, made.positive_real.shape[-1], *size, dtype=torch.float64)
    for v in range(-rows, rows):
        half, place = ("negative", v + rows) if v < 0 else ("positive", v)
        for u in range(columns):
            real = getattr(made, f"{half}_real")[place, u]
            imag = getattr(made, f"{half}_imag")[place, u]
            waves = torch.tensor(
                [
                    [cmath.exp(-2j * math.pi * (v * a / height + u * b / width)) for b in range(width)]
                    for a in range(height)
                ],
                dtype=torch.complex128,
            )
            coefficient = (x * waves).sum((-2, -1)) / (height * width)
            mixed = coefficient @ torch.complex(real, imag)
            back = torch.tensor(
                [
                    [cmath.exp(2j * math.pi * (v * a / size[0] + u * b / size[1])) for b in range(size[1])]
                    for a in range(size[0])
                ],
                dtype=torch.complex128,
            )
            # A horizontal frequency above 0 stands for its mirror image too, as the output is real.
            y += (1 if u == 0 else 2) * (mixed[..., None, None] * back).real
    return y


@pytest.mark.parametrize(("size", "finer"), SIZES)
def test_operator_equals_a_loop_over_frequencies(size, finer):
    made = operator(2, 3, size)
    x = torch.rand(2, 2, *size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(made(x, finer), loop(made, x, finer), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 0), (0, 1), (2, 1), (-2, 1), (-3, 2), (3, 2), (-1, 0)])
@pytest.mark.parametrize("size", [(8, 10), (9, 11)])
def test_a_wave_of_every_sign_of_frequency_comes_out_as_the_same_wave_on_the_finer_grid(rows, columns, size):
    made = FourierOperator(1, 1, size)
    for name, weight in (("real", 1.0), ("imag", 0.0)):
        for half in ("positive", "negative"):
            torch.nn.init.constant_(getattr(made, f"{half}_{name}"), weight)

    def wave(height, width):
        a = torch.arange(height, dtype=torch.float64)[:, None] / height
        b = torch.arange(width, dtype=torch.float64)[None, :] / width
        return torch.cos(2 * math.pi * (rows * a + columns * b) + 0.4)[None, None].float()

    finer = (3 * size[0], 2 * size[1])
    with torch.no_grad():
        torch.testing.assert_close(made(wave(*size), finer), wave(*finer), rtol=0, atol=1e-5)


def test_packed_spectrum_turns_a_negative_frequency_into_a_positive_one():
    made = FourierOperator(1, 1, (8, 8), spectrum="packed")
    for half in ("positive", "negative"):
        torch.nn.init.constant_(getattr(made, f"{half}_real"), 1.0)
        torch.nn.init.constant_(getattr(made, f"{half}_imag"), 0.0)
    a, b = torch.meshgrid(torch.arange(8) / 8, torch.arange(8) / 8, indexing="ij")
    fine_a, fine_b = torch.meshgrid(torch.arange(16) / 16, torch.arange(16) / 16, indexing="ij")
    with torch.no_grad():
        found = made(torch.cos(2 * math.pi * (-a + b))[None, None], (16, 16))[0, 0]
    torch.testing.assert_close(found, torch.cos(2 * math.pi * (7 * fine_a + fine_b)), rtol=0, atol=1e-5)


def test_masked_operator_keeps_its_share_of_each_of_four_tensors():
    made = FourierOperator(4, 4, (6, 6))
    mask_weights(made, lambda name: WeightRule(0.25))
    for name in ("positive_real", "positive_imag", "negative_real", "negative_imag"):
        weight = weights_of(made)[name]
        weight.reset_scores(2, name)
        assert int(weight.mask().sum()) == weight.value.numel() // 4


def test_output_is_float32_under_autocast():
    made = operator(2, 2, (4, 4)).float()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert made(torch.rand(1, 2, 4, 4).bfloat16(), (8, 8)).dtype == torch.float32
