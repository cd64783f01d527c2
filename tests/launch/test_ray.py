"""Jobs as tasks of a real Ray: its own on two cores, and a cluster that loses a machine."""

import os
import signal
import sys

import pytest
from supervisors import worker_of
from warm_process import run_python

from vcl.errors import VclError
from vcl.launch.settings import LaunchSettings, launcher_of

pytest.importorskip(
    "ray", reason="Ray is not installed: it has no wheel for this Python, or the extra ray was left out"
)

pytestmark = pytest.mark.process

JOBS = """
import pathlib, sys, time
from vcl.launch import Job
from vcl.launch.settings import LaunchSettings, launcher_of

folder, python = pathlib.Path(sys.argv[1]), sys.argv[2]
scripts = {
    "says": "print('said')",
    "fails": "raise SystemExit(3)",
    "killed": "import os, pathlib; print('start', flush=True); os.kill(os.getpid(), 9)",
    "stopped": "import pathlib, time; pathlib.Path('up').touch(); time.sleep(60)",
    "waits": "print('never')",
}
launcher = launcher_of(LaunchSettings("ray", jobs=1, retries=1), folder)
jobs = [Job(name, (python, "-c", script), folder / f"{name}.log") for name, script in scripts.items()]
tasks = launcher.start(jobs)
while not (folder / "up").exists():
    [task.status() for task in tasks]
    time.sleep(0.05)
for task in tasks[3:]:
    task.stop()
while None in (statuses := [task.status() for task in tasks]):
    time.sleep(0.05)
launcher.close()
print(statuses)
"""


def test_jobs_of_a_ray_of_its_own_end_with_their_statuses(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    result = run_python(JOBS, tmp_path, sys.executable)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["[0, 3, -9, 130, 130]"]
    assert (tmp_path / "says.log").read_text() == "said\n"
    assert (tmp_path / "killed.log").read_text() == "start\nstart\n"
    assert not (tmp_path / "waits.log").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "here", "ray://127.0.0.1:10001"])
def test_an_address_without_a_cluster_is_one_line(tmp_path, address):
    with pytest.raises(VclError, match=rf"^launch\.address must be that of a Ray cluster, got {address} \(.+\)$"):
        launcher_of(LaunchSettings("ray", address=address), tmp_path)


@pytest.mark.slow
def test_a_grid_of_which_a_worker_is_killed_comes_to_the_same(four_cells):
    expected, start = four_cells
    launched = start("--launcher", "ray:2")
    os.kill(worker_of(launched.wait_for("wsn/0")), signal.SIGKILL)
    launched.check(expected)
    assert launched.starts("wsn/0") == 2


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return int(file.read().rpartition(")")[2].split()[1])


@pytest.fixture
def cluster():
    """Two machines of a core each, beside one that only leads."""
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    machines = [cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20) for _ in range(2)]
    cluster.wait_for_nodes()
    yield cluster, machines
    cluster.shutdown()


@pytest.mark.slow
def test_a_grid_of_which_a_machine_is_lost_comes_to_the_same(four_cells, cluster):
    expected, start = four_cells
    cluster, machines = cluster
    launched = start("--launcher", "ray", "--launch", f"address={cluster.address}")
    raylet = parent_of(worker_of(launched.wait_for("wsn/0")))
    (lost,) = [node for node in machines if node.all_processes["raylet"][0].process.pid == raylet]
    cluster.remove_node(lost, allow_graceful=False)
    launched.check(expected)
    assert launched.starts("wsn/0") == 2
