import logging
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from vcl import kernels

ON_CUDA = SimpleNamespace(is_cuda=True)


@pytest.fixture
def triton_driver(monkeypatch):
    """Call with an error; Triton then ends its start with it, or starts where it is None."""

    def driver(error):
        def start():
            if error is not None:
                raise error

        runtime = SimpleNamespace(driver=SimpleNamespace(active=SimpleNamespace(get_current_device=start)))
        monkeypatch.setitem(sys.modules, "triton", SimpleNamespace(runtime=runtime))
        monkeypatch.setitem(sys.modules, "triton.runtime", runtime)

    kernels._triton_works.cache_clear()
    yield driver
    kernels._triton_works.cache_clear()


def test_kernels_run_on_cuda_alone(triton_driver):
    triton_driver(None)
    assert kernels.runs_on(ON_CUDA, ON_CUDA)
    assert not kernels.runs_on(torch.ones(2))
    assert not kernels.runs_on(ON_CUDA, torch.ones(2))


@pytest.mark.parametrize(
    "error",
    [RuntimeError("Failed to find C compiler."), subprocess.CalledProcessError(1, "gcc"), ImportError("no module")],
)
def test_where_triton_cannot_start_pytorch_works_and_one_warning_says_so(triton_driver, error, caplog):
    triton_driver(error)
    with caplog.at_level(logging.WARNING):
        assert not kernels.runs_on(ON_CUDA)
        assert not kernels.runs_on(ON_CUDA)
    assert [record.getMessage() for record in caplog.records] == [
        f"Triton does not work here, so PyTorch does its work, more slowly: {error}"
    ]


@pytest.mark.process
def test_masked_layers_do_not_import_triton_before_they_need_it():
    code = "import sys, torch, vcl.layers.masked as m; w = m.MaskedWeight(torch.nn.Parameter(torch.ones(2, 3)),"
    code += " m.WeightRule(0.5)); w.score.data.fill_(1); w().sum().backward(); assert 'triton' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
