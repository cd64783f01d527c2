import shutil

import pytest
import yaml

from vcl.rundir import RunFolder


@pytest.fixture
def finished(tmp_path, finished_run):
    """Call with a method's name and changes to the tiny config; gives the config and a copy of the finished folder.

    The copy is without what reports keep in a folder: whether another test has made one of the shared run is chance.
    """
    kept = shutil.ignore_patterns("footprint.json", "statistics.json")

    def make(name="pfnr", **sections):
        config, folder = finished_run(name, **sections)
        copy = tmp_path / f"run-{len(list(tmp_path.glob('run-*')))}"
        return config, RunFolder.existing(shutil.copytree(folder.path, copy, ignore=kept))

    return make


@pytest.fixture
def manifest(tmp_path):
    """A benchmark whose videos are not here."""
    path = tmp_path / "own.yaml"
    videos = [{"name": "known", "frames": 100}, {"name": "unknown"}]
    path.write_text(yaml.safe_dump({"videos": videos}))
    return str(path)
