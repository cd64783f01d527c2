import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

CODE = """
import sys

def loaded(*names):
    return [name for name in names if name in sys.modules]

import vcl.metrics.registry, vcl.report, vcl.rundir
print(loaded("torch", "matplotlib", "wandb", "rich"))
import vcl.report.figures.plot, vcl.report.comparison, vcl.listeners.progress, vcl.listeners.tracking
print(loaded("matplotlib.pyplot", "wandb", "tensorboard", "avalanche"))
"""


def test_reading_runs_loads_no_torch_and_drawing_them_neither_pyplot_nor_what_tracks_them():
    """One process for both, as importing torch takes seconds."""
    code = [sys.executable, "-c", CODE]
    output = subprocess.run(code, capture_output=True, text=True, check=True, env=os.environ).stdout
    assert output.splitlines() == ["[]", "[]"]
