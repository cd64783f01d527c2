import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from codec import strict_frames
from codec.strict_frames import LENGTH, SESSION, SESSIONS, SIZE, hashes, network_of, strict_of
from codec.strict_reference import reference_frame
from every_role import EverythingConfig

from vcl.backbones import build
from vcl.codec.fixed import FixedMatrix, MeasuredScale, Scale, Sums, check_exact, step
from vcl.codec.spectral import FixedOperator
from vcl.codec.strict import Exponents, StrictNetwork, calibrate
from vcl.errors import BitstreamError, ConfigError
from vcl.layers.fourier import FourierOperator
from vcl.render import Renderer
from vcl.subnet.ledger import Subnetwork
from vcl.video.pixels import to_uint8

CPU = torch.device("cpu")
VARIANTS = [
    {},
    {"operator_block": 1},
    {"operator_block": 2, "operator_spectrum": "packed"},
    {"operator_block": 1, "operator_path": "only", "session_embedding": "fraction"},
    {"operator_block": 2, "operator_path": "only"},
    {"strides": (1, 4), "operator_block": 1, "base": 1.3, "session_embedding": "fraction"},
]
GOLDEN = [
    "80adcb25df9246df",
    "02082d83d7994c15",
    "00e2e8c5bcd3c9ca",
    "fee6384eaea74061",
    "994b5662141cb32f",
    "f063063000d78d6f",
]
GOLDEN_OPERATOR = [
    "5898db2118277f0e",
    "364c56c879300054",
    "fab1d156c1f19922",
    "f0c832b4c8a1a09d",
    "ea2a25c642af63d5",
    "aefac63449f1220a",
]


def frames_of(network, **options):
    return torch.cat(list(network.frames(SESSION, LENGTH, **options)))


@pytest.mark.parametrize("knobs", VARIANTS, ids=str)
@pytest.mark.parametrize("finer", [0, 2], ids=["calibrated", "saturating"])
def test_frames_are_those_of_a_reference_in_integers(knobs, finer):
    config, subnetwork = network_of(**knobs)
    exponents = calibrate(config, SIZE, SESSIONS, subnetwork, SESSION, LENGTH)
    exponents = Exponents(tuple(exponent + finer for exponent in exponents.values))
    frame, peaks = reference_frame(config, SIZE, SESSIONS, subnetwork, exponents, SESSION, 4, LENGTH)
    assert (max(peaks) >= 2**15) == (finer > 0)
    decoded = frames_of(strict_of(config, subnetwork, exponents=exponents), only=range(4, 5))[0]
    assert frame.std() > 1
    assert torch.equal(decoded, torch.from_numpy(frame))


@pytest.mark.parametrize("knobs", VARIANTS, ids=str)
def test_frames_are_the_float_ones_but_for_one_level_in_a_few_samples(knobs):
    config, subnetwork = network_of(**knobs)
    strict = frames_of(strict_of(config, subnetwork))
    renderer = Renderer(build(config, SIZE, SESSIONS))
    renderer.load(subnetwork)
    floats = to_uint8(torch.cat(list(renderer.frames(SESSION, LENGTH))))
    assert strict.shape == (LENGTH, 3, *SIZE)
    difference = (strict.int() - floats.int()).abs()
    assert int(difference.max()) <= 1
    assert float((difference > 0).float().mean()) < 0.03


def test_frames_have_their_golden_hashes():
    assert hashes() == GOLDEN
    assert hashes(operator_block=1) == GOLDEN_OPERATOR


@pytest.mark.gpu
def test_a_gpu_makes_the_same_frames():
    assert hashes(device="cuda") == GOLDEN
    assert hashes(device="cuda", operator_block=1) == GOLDEN_OPERATOR


def test_a_hash_is_of_a_frames_levels_in_the_order_in_which_a_run_hashes_them():
    config, subnetwork = network_of()
    network = strict_of(config, subnetwork)
    frames = frames_of(network).numpy()
    assert network.frame_hashes(SESSION, LENGTH) == [hashlib.sha256(frame.data).digest()[:8] for frame in frames]
    assert network.frame_hashes(SESSION, LENGTH, range(2, 4)) == network.frame_hashes(SESSION, LENGTH)[2:4]


@pytest.mark.filterwarnings("ignore:TF32 acceleration:UserWarning")  # Of the switch of oneDNN.
def test_threads_batches_stripes_and_memory_formats_change_nothing(monkeypatch):
    config, subnetwork = network_of(operator_block=1)
    network = strict_of(config, subnetwork)
    frames = frames_of(network)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(frames_of(network), frames)
    finally:
        torch.set_num_threads(threads)
    for batch in (1, 3, 6):
        assert torch.equal(frames_of(network, batch=batch), frames)
    with torch.backends.mkldnn.flags(enabled=False):
        assert torch.equal(frames_of(network), frames)
    monkeypatch.setattr("vcl.codec.strict._STRIPE", 1)
    assert torch.equal(frames_of(network), frames)
    other_order = {
        name: weight.contiguous(memory_format=torch.channels_last) if weight.dim() == 4 else weight.T.contiguous().T
        for name, weight in subnetwork.weights.items()
    }
    assert not other_order["blocks.0.conv.weight"].is_contiguous()
    network = strict_of(config, Subnetwork(other_order, subnetwork.session, {}), exponents=network.exponents)
    assert torch.equal(frames_of(network), frames)


@pytest.mark.process
@pytest.mark.cpu
@pytest.mark.parametrize(
    "settings",
    [
        {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"},
        {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
        {"ONEDNN_MAX_CPU_ISA": "DEFAULT", "threads": "2"},
    ],
    ids=str,
)
def test_a_machine_with_other_instructions_makes_the_same_frames(settings):
    environment = {**os.environ, "PYTHONPATH": str(Path(strict_frames.__file__).parents[2]), **settings}
    command = [sys.executable, strict_frames.__file__, settings.get("threads", "1")]
    result = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert json.loads(result.stdout) == [GOLDEN, GOLDEN_OPERATOR]


def test_calibrated_steps_are_the_finest_that_leave_an_eighth_of_the_range():
    config, subnetwork = network_of()
    exponents = calibrate(config, SIZE, SESSIONS, subnetwork, SESSION, LENGTH)
    peaks = [
        reference_frame(config, SIZE, SESSIONS, subnetwork, exponents, SESSION, t, LENGTH)[1] for t in range(LENGTH)
    ]
    largest = [max(of_layer) / 2**15 for of_layer in zip(*peaks, strict=True)]
    assert all(7 / 16 < share <= 7 / 8 + 1e-3 for share in largest)


def test_rounding_is_half_upwards_and_then_saturates():
    sums = Sums(torch.tensor([-100.0, -6, -5, -2, 2, 3, 5, 6, 100], dtype=torch.float64), step(2))
    assert Scale(0, 8).round(sums).tolist() == [-8, -1, -1, 0, 1, 1, 1, 2, 7]
    assert Scale(1, 1000).round(sums, sums).tolist() == [-100, -6, -4, -2, 2, 4, 6, 6, 100]


def test_a_measured_scale_takes_the_coarsest_of_the_steps_that_were_needed():
    scale = MeasuredScale(40)
    for value, exponent in ((1.75, 14), (1.0, 14), (1.7501, 13), (1e9, 0)):
        scale.round(Sums(torch.tensor([value, -value / 2], dtype=torch.float64), step(0)))
        assert scale.exponent == exponent


def test_a_product_is_exact_where_float32_and_its_weights_are_at_their_largest():
    weight = torch.full((2, 100_000), 1 - 2**-15)
    weight[1] = -1
    product = FixedMatrix(weight, "fc1", CPU)(torch.full((100_000, 1), -(2.0**15), dtype=torch.float64), 3)
    assert product.steps.flatten().tolist() == [-(2**15 - 1) * 2**15 * 100_000, 2**14 * 2**15 * 100_000]
    assert product.unit.flatten().tolist() == [2.0**-18, 2.0**-17]


def test_rows_of_weights_have_steps_of_their_own_and_zeros_do_no_harm():
    weight = torch.tensor([[0.0, 0.0], [2.0**-140, -(2.0**-149)], [3e38, 1.0], [0.999999, -0.999999]])
    product = FixedMatrix(weight, "fc1", CPU)(torch.eye(2, dtype=torch.float64), 0)
    values = product.steps * product.unit
    assert values[0].tolist() == [0, 0]
    assert values[1].tolist() == [2.0**-140, -(2.0**-149)]
    assert values[2].tolist() == [pytest.approx(3e38, rel=2**-14), 0]
    assert values[3].tolist() == [1 - 2**-15, -1]


def test_sums_that_might_not_be_exact_are_refused():
    check_exact("fc2", 2**23 - 1, 2**15, 2**15)
    with pytest.raises(
        ConfigError, match=r"^the strict profile must add at most 8388607 products in fc2, got 8388608$"
    ):
        check_exact("fc2", 2**23, 2**15, 2**15)


def test_an_operator_too_large_for_exact_sums_is_refused():
    operator = FourierOperator(1, 1, (2048, 2))
    weights = {name: weight.detach() for name, weight in operator.named_parameters()}
    with pytest.raises(ConfigError, match=r"at most 4095 products in the rows of blocks\.0\.operator, got 4096$"):
        FixedOperator(operator, weights, "blocks.0.operator", (2048, 2), 1, Scale(0), CPU)


def test_exponents_survive_their_bytes():
    exponents = Exponents((0, 12, 40))
    assert exponents.to_bytes() == b"\x00\x0c\x28"
    assert Exponents.from_bytes(exponents.to_bytes()) == exponents


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes([3, 41]), r"an exponent must lie in 0\.\.40, got 41"),
        (bytes(65), "a session must have at most 64 exponents, got 65"),
    ],
)
def test_bytes_that_are_no_exponents_are_refused(data, message):
    with pytest.raises(BitstreamError, match=f"^{message}$"):
        Exponents.from_bytes(data)


@pytest.mark.parametrize("count", [0, 3, 5])
def test_exponents_of_another_network_are_refused(count):
    config, subnetwork = network_of()
    with pytest.raises(BitstreamError, match=f"^a session of this network must have 4 exponents, got {count}$"):
        strict_of(config, subnetwork, exponents=Exponents((12,) * count))


@pytest.mark.parametrize(("kind", "name"), [("weights", "fc2.weight"), ("session", "head")])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(kind, name, value):
    config, subnetwork = network_of()
    numbers = {key: tensor.clone() for key, tensor in getattr(subnetwork, kind).items()}
    numbers[name][1, 1] = value
    with pytest.raises(BitstreamError, match=f"^the weights of {name.split('.')[0]} must be finite, got {value}$"):
        strict_of(config, replace(subnetwork, **{kind: numbers}), exponents=Exponents((12,) * 4))


def test_an_operator_with_a_weight_that_is_not_finite_is_refused():
    config, subnetwork = network_of(operator_block=1)
    subnetwork.weights["blocks.0.operator.negative_imag"][2, 1, 0, 0] = float("nan")
    with pytest.raises(BitstreamError, match=r"^the weights of blocks\.0\.operator must be finite, got nan$"):
        strict_of(config, subnetwork, exponents=Exponents((12,) * 5))


def test_other_networks_are_refused_in_one_line():
    exponents, nothing = Exponents((12,) * 4), Subnetwork({}, {}, {})
    with pytest.raises(ConfigError, match=r"^the strict profile covers the backbone nerv alone, got everything$"):
        StrictNetwork(EverythingConfig(), SIZE, SESSIONS, nothing, exponents)
    config, subnetwork = network_of()
    with pytest.raises(ConfigError, match=r"covers at most 1024 backbone\.levels, got 1025$"):
        StrictNetwork(replace(config, levels=1025, base=1.01), SIZE, SESSIONS, subnetwork, exponents)
    with pytest.raises(ConfigError, match=r"covers nerv with backbone\.biases=False, got True$"):
        StrictNetwork(replace(config, biases=True), SIZE, SESSIONS, subnetwork, exponents)
    with pytest.raises(ConfigError, match=r"covers nerv with two layers in its stem, got backbone\.stem_width=0$"):
        StrictNetwork(replace(config, stem_width=0), SIZE, SESSIONS, subnetwork, exponents)
    with pytest.raises(ConfigError, match=r"covers at most 64 layers, got 65$"):
        calibrate(replace(config, strides=(1,) * 63), SIZE, SESSIONS, subnetwork, SESSION, LENGTH)
