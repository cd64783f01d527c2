"""The device, and the precision that it computes in."""

import pytest
import torch
from on_device import DEVICE

from vcl.decode import Decoder
from vcl.device import at_precision, choose_device, precision_of, prepared, tensor_float32

CUDA = torch.device("cuda")


def allowed():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(("supported", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_bfloat16_where_a_gpu_computes_in_it(monkeypatch, supported, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda emulated: supported)
    assert precision_of("auto", CUDA) == precision
    assert precision_of("auto", torch.device("cpu")) == "float32"
    assert precision_of("tfloat32", CUDA) == "tfloat32"


@pytest.mark.parametrize(("name", "index"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_a_cuda_device_has_a_number(monkeypatch, name, index):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device(name) == torch.device("cuda", index)
    assert choose_device(name).index == index


def test_a_config_gets_the_precision_of_its_machine_once(tiny_config):
    config, device = prepared(tiny_config("finetune", train={"precision": "auto"}))
    assert config.train.precision == precision_of("auto", DEVICE)
    assert device == DEVICE


def test_float32_is_float32_and_tf32_is_allowed_only_where_it_is_the_precision(tiny_config):
    prepared(tiny_config("finetune"))
    assert allowed() == (False, False)
    with at_precision(torch.device("cpu"), "tfloat32"):
        assert allowed() == (True, True)
        with at_precision(torch.device("cpu"), "float32"):
            assert allowed() == (False, False)
        assert allowed() == (True, True)
    with pytest.raises(KeyError), tensor_float32(True):
        raise KeyError
    assert allowed() == (False, False)


@pytest.mark.process
def test_frames_are_decoded_in_the_precision_of_the_matrix_unless_another_is_given(finished_run):
    _, folder = finished_run("pfnr")
    _, coarse_folder = finished_run("pfnr", matrix={"precision": "bfloat16"})
    exact = torch.cat(list(Decoder.of_run(folder, device=DEVICE).frames(0)))
    coarse = torch.cat(list(Decoder.of_run(folder, device=DEVICE, precision="bfloat16").frames(0)))
    as_measured = torch.cat(list(Decoder.of_run(coarse_folder, device=DEVICE).frames(0)))
    assert exact.dtype == coarse.dtype == torch.float32
    assert torch.equal(coarse, as_measured)
    assert 0 < (exact - coarse).abs().max() < 0.02


@pytest.mark.process
def test_a_run_goes_on_in_the_precision_that_it_began_with(tmp_path, tiny_config, stream, monkeypatch):
    from vcl.run import run

    config = tiny_config("finetune", stream=stream, train={"precision": "auto", "epochs": 1})
    folder = run(config, tmp_path / "run")
    began = folder.resolved().train.precision
    assert began == precision_of("auto", DEVICE)
    monkeypatch.setattr("vcl.run.precision_of", lambda name, device: "bfloat16" if name == "auto" else name)
    (folder.path / "matrix.json").unlink()
    assert run(config, tmp_path / "run").resolved().train.precision == began


@pytest.mark.gpu
def test_tf32_is_another_precision_than_float32_on_a_gpu():
    torch.manual_seed(0)
    features, kernel = torch.rand(1, 64, 40, 40, device="cuda"), torch.rand(64, 64, 3, 3, device="cuda")
    exact = torch.nn.functional.conv2d(features.double(), kernel.double())
    errors = {}
    for precision in ("float32", "tfloat32"):
        with at_precision(CUDA, precision):
            made = torch.nn.functional.conv2d(features, kernel)
        errors[precision] = float((made - exact).norm() / exact.norm())
    assert errors["float32"] < 1e-6
    if torch.cuda.get_device_capability() >= (8, 0):
        assert 1e-6 < errors["tfloat32"] < 1e-3
