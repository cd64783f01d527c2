"""Most of these run in a process of their own: this one may have imported Avalanche as a whole long before."""

import importlib
import subprocess
import sys

import pytest

from vcl.sessions import avalanche_import

FAKE = {
    "fakelib/__init__.py": "from fakelib import heavy, light\nRAN = True\n",
    "fakelib/light.py": "from fakelib.parts import Thing\nimport fakelib.heavy_alone\n",
    "fakelib/heavy_alone.py": "import fakelib_extra\ndef use():\n    return fakelib_extra.VALUE\n",
    "fakelib/heavy.py": "from fakelib.parts.other import Other\n",
    "fakelib/parts/__init__.py": "from fakelib.parts.thing import Thing\nfrom fakelib.parts.other import Other\n",
    "fakelib/parts/thing.py": "class Thing: pass\n",
    "fakelib/parts/other.py": "class Other: pass\n",
    "fakelib_extra/__init__.py": "VALUE = 7\n",
}


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A library that imports all of itself, in the place of Avalanche."""
    for name, text in FAKE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(avalanche_import, "PACKAGE", "fakelib")
    monkeypatch.setattr(avalanche_import, "NEEDED", ("fakelib.light",))
    deferred = {"fakelib": {}, "fakelib.parts": {"Thing": "fakelib.parts.thing"}, "fakelib_extra": {}}
    monkeypatch.setattr(avalanche_import, "DEFERRED", deferred)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("fakelib")]:
        del sys.modules[name]


def loaded():
    return sorted(name for name in sys.modules if name.startswith("fakelib"))


def test_what_is_not_needed_does_not_run(fake):
    avalanche_import.import_avalanche()
    assert loaded() == ["fakelib.heavy_alone", "fakelib.light", "fakelib.parts.thing"]


def test_a_package_that_was_put_off_runs_at_its_next_import_and_shares_every_class(fake):
    avalanche_import.import_avalanche()
    thing = sys.modules["fakelib.light"].Thing
    library = importlib.import_module("fakelib")
    assert library.RAN
    assert library.light is sys.modules["fakelib.light"]
    assert library.heavy.Other is importlib.import_module("fakelib.parts").Other
    assert sys.modules["fakelib.parts"].Thing is thing
    assert type(library) is type(sys)
    assert library.__spec__.loader is library.__loader__
    assert type(library.__loader__).__name__ == "SourceFileLoader"


def test_a_module_that_holds_a_package_that_was_put_off_can_use_it(fake):
    avalanche_import.import_avalanche()
    assert "fakelib_extra" not in sys.modules
    assert sys.modules["fakelib.heavy_alone"].use() == 7
    assert sys.modules["fakelib_extra"].VALUE == 7


def test_looking_for_a_package_that_was_put_off_finds_it_and_does_not_run_it(fake):
    avalanche_import.import_avalanche()
    assert importlib.util.find_spec("fakelib_extra") is not None
    assert "fakelib_extra" not in sys.modules
    assert importlib.import_module("fakelib_extra").VALUE == 7


def test_a_library_that_does_not_come_in_parts_is_imported_as_a_whole(fake, monkeypatch):
    monkeypatch.setattr(avalanche_import, "NEEDED", ("fakelib.light", "fakelib.gone"))
    avalanche_import.import_avalanche()
    assert loaded() == []
    assert importlib.import_module("fakelib.light").Thing is importlib.import_module("fakelib.parts").Thing
    assert sys.modules["fakelib"].RAN


def test_a_library_that_is_imported_already_is_left_alone(fake):
    importlib.import_module("fakelib")
    before = list(sys.meta_path)
    avalanche_import.import_avalanche()
    assert sys.meta_path == before


STOCK = """
import importlib, sys
import vcl.sessions.trainer
from vcl.sessions.avalanche_import import DEFERRED

heavy = {"avalanche", "matplotlib.pyplot", "qpsolvers", "scipy", "sklearn", "torch._dynamo", "torchvision", "wandb"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)

import torchvision, torch
from avalanche.training.plugins import EWCPlugin, GEMPlugin
from avalanche.logging import WandBLogger
from avalanche.benchmarks.classic import SplitMNIST
from avalanche.training import Naive
import avalanche, qpsolvers
from vcl.sessions.methods.gem import GemPlugin

torch.ops.torchvision.nms  # Which the import of torchvision registers.
assert torchvision.transforms.Compose and torchvision.datasets.MNIST and qpsolvers.solve_qp
assert issubclass(GemPlugin, GEMPlugin) and avalanche.training.plugins.EWCPlugin is EWCPlugin
for package, homes in DEFERRED.items():
    for name, home in homes.items():
        assert getattr(importlib.import_module(package), name) is getattr(importlib.import_module(home), name), name
"""


@pytest.mark.process
def test_stock_avalanche_is_whole_after_ours_was_imported():
    asked = subprocess.run([sys.executable, "-c", STOCK], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
