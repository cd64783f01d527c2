"""The scripts beside the experiments that show networks side by side, on small runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from vcl.run import run_clips

FOLDER = Path(__file__).parents[1] / "experiments" / "backbones"

pytestmark = pytest.mark.process


@pytest.fixture
def runs(tiny_config, clips, tmp_path):
    for name in ("nerv", "hnerv"):
        config = tiny_config("single", backbone={"name": name}, train={"epochs": 1})
        run_clips(config, clips[:1], tmp_path / "runs" / name)
    return tmp_path / "runs"


def test_a_line_of_the_table_has_the_numbers_of_a_network_and_the_quality_of_its_run(runs):
    command = [sys.executable, str(FOLDER / "table.py"), str(runs)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = {cells[1]: cells for line in lines if (cells := [cell.strip() for cell in line.split("|")])[1:2]}
    assert rows["nerv"][4] == "0"
    assert rows["hnerv"][4] == str(5 * 3 * 2 * 3)  # Five frames, each with a map of three channels.
    assert float(rows["nerv"][8]) == float(rows["nerv"][9]) > 5


def test_the_figure_has_a_panel_of_each_network(runs, tmp_path):
    subprocess.run([sys.executable, str(FOLDER / "figure.py"), str(runs), str(tmp_path / "figure.png")], check=True)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
