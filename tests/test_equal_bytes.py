"""The scripts beside the experiments that compare methods at equal bytes, on small runs."""

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from vcl.export import export
from vcl.run import run_clips

FOLDER = Path(__file__).parents[1] / "experiments" / "equal_bytes"

pytestmark = pytest.mark.process


def script(name):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quality_at_a_rate_is_read_off_lines_over_its_logarithm():
    points = [(1.0, 20.0), (4.0, 24.0), (16.0, 30.0)]
    at_rate = script("table").at_rate
    assert [at_rate(points, rate) for rate in (2, 8, 64, 0.5)] == pytest.approx([22, 27, 36, 18])


def test_the_published_table_says_what_the_readme_says_of_it():
    with (FOLDER.parent / "results" / "equal_bytes_davis10_180.csv").open(newline="") as file:
        lines = script("table").beside_single(csv.DictReader(file)).splitlines()
    said = {line.split(":")[0]: float(line.split()[1]) for line in lines}
    assert (said["wsn_s"], said["wsn_l"], said["packnet_l"]) == (-0.73, -1.33, -5.09)


def test_a_table_has_the_bytes_of_the_library_that_a_run_exports_to(tiny_config, clips, tmp_path):
    for name, method in (("wsn_s", "wsn"), ("single_s", "single"), ("single_l", "single")):
        config = tiny_config(method, method={"bits": 5 if name != "single_l" else 8}, train={"epochs": 2})
        run_clips(config, clips[:2], tmp_path / "runs" / name)
    command = [sys.executable, str(FOLDER / "table.py"), str(tmp_path / "runs"), str(tmp_path / "table.csv")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("wsn_s: ")
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    library = tmp_path / "wsn.vcl"
    export(tmp_path / "runs" / "wsn_s", library, strict=False)
    assert int(rows["wsn_s"]["bytes"]) == library.stat().st_size
    assert sum(int(rows["wsn_s"][f"bytes_{session}"]) for session in range(2)) == library.stat().st_size
    assert rows["single_s"]["mask_bytes"] == "0"
    command = [sys.executable, str(FOLDER / "plain.py"), str(library)]
    plain, bits = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert plain.startswith("wsn: plain ")
    assert bits.startswith("  bits per weight: ")


def test_the_figure_is_drawn_from_the_tables(tmp_path):
    command = [sys.executable, str(FOLDER / "figure.py"), str(tmp_path / "figure.png")]
    subprocess.run(command, check=True)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
