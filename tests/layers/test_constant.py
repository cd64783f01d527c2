import subprocess
import sys
from pathlib import Path

import pytest

MEASURED = """
import sys
import torch
from small_backbones import SMALL
from vcl.backbones import build
from vcl.config import from_dict

for name, knobs in SMALL.items():
    with torch.device("meta"):
        build(from_dict({"backbone": {"name": name, **knobs}}).backbone, (32, 48), 1)
    assert "torch._dynamo" not in sys.modules, name
"""


@pytest.mark.process
def test_no_network_needs_the_compiler_of_torch_to_be_measured():
    tests = Path(__file__).parent.parent
    script = [sys.executable, "-c", MEASURED]
    measured = subprocess.run(script, cwd=tests, capture_output=True, text=True, check=False)
    assert measured.returncode == 0, measured.stderr
