"""The script that measures a GPU, at its small size on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_script_for_a_gpu_runs_every_part_on_a_small_scale(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALL", "1")
    monkeypatch.setenv("GPU_SECONDS", "3000")
    script = subprocess.run([ROOT / "benchmarks/gpu.sh", tmp_path], capture_output=True, text=True, check=False)
    assert script.returncode == 0, script.stdout + script.stderr
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert {name: part["status"] for name, part in result["parts"].items()} == dict.fromkeys(result["parts"], 0)
    assert result["tests"]["promise"]["failed"] == {}
    assert result["tests"]["promise"]["passed"] > 10
    assert result["bunny"]["epochs"] == 2
    assert result["bunny"]["row"]["psnr"][0] > 5
    assert result["shared"]["throughput"] > 0
    assert len(result["tables"]) == 7


@pytest.mark.process
def test_a_part_that_was_cut_off_leaves_what_it_has_in_the_result(tmp_path):
    (tmp_path / "parts.tsv").write_text("gpu_tests\t124\t60\nbunny\tskipped\t0\n")
    (tmp_path / "gpu_tests.xml").write_text(
        '<testsuites><testsuite><testcase classname="tests.a" name="one"/><testcase classname="tests.a" name="two">'
        '<failure message="assert 1 == 2&#10;more"/></testcase><testcase classname="tests.b" name="three"><skipped/>'
        "</testcase></testsuite></testsuites>"
    )
    command = [sys.executable, ROOT / "benchmarks/gpu_result.py", tmp_path, tmp_path / "gpu.json"]
    subprocess.run(command, check=True, cwd=ROOT)
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert result["parts"]["gpu_tests"] == {"status": 124, "seconds": 60}
    assert result["parts"]["bunny"]["status"] == "skipped"
    assert result["tests"]["gpu_tests"] == {
        "passed": 1,
        "skipped": 1,
        "failed": {"tests.a::two": ["assert 1 == 2"]},
    }
    assert result["tests"]["promise"] is None
    assert result["bunny"] is None
    assert result["shared"] is None
