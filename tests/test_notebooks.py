"""What a reader of the notebooks sees, and that their cells run. As they are, `make slow` runs them in a kernel."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def code_cells(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_its_cells_gave_when_they_ran_in_turn(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert {"stream", "display_data"} <= kinds
    assert "error" not in kinds
    assert not [o for cell in cells for o in cell["outputs"] if o.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_holds_nothing_of_the_machine_that_ran_it(path):
    text = path.read_text()
    assert len(text) <= 256 * 1024
    assert not re.search(r"/(home|root|tmp|work|Users|private|var)/", text)
    assert not [cell for cell in code_cells(path) if cell["metadata"]]


@pytest.mark.process
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cells_of_a_notebook_run_in_turn(path, tmp_path, monkeypatch):
    """In this process, word for word, but for one epoch, coarse figures, and MACs, whose count takes seconds."""
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("vcl.report.figures.style.DPI", 40)
    monkeypatch.setattr("vcl.plan.network.macs_of", lambda config: 0)
    names = {"__name__": "__main__"}
    for cell in code_cells(path):
        exec(re.sub(r"epochs=\d+", "epochs=1", "".join(cell["source"])), names)
