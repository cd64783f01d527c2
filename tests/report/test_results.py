"""What runs came to, in files that outlive them."""

import json

import pytest

from vcl.cli import main
from vcl.config import ReplayConfig, StreamConfig
from vcl.errors import VclError
from vcl.report.results import read_results, save_results
from vcl.report.summary import summarise


def test_a_result_comes_back_as_it_was_saved(make_run, tmp_path):
    folder = make_run("wsn")
    folder.add_versions({"torch": "2.6", "cpu": "AVX2", "threads": 1, "device": "cpu", "system": "Linux-5"})
    (path,) = save_results(tmp_path / "results", [summarise(folder)])
    (result,) = read_results([path])
    assert result == summarise(folder)
    assert result.last == (28.0, 31.0, 35.0)
    assert result.machine == {"torch": "2.6", "cpu": "AVX2", "threads": 1, "device": "cpu"}


def test_a_result_names_no_folder_of_the_machine(make_run, tmp_path):
    stream = StreamConfig(root=str(tmp_path / "videos"), cache=str(tmp_path / "cache"))
    (path,) = save_results(tmp_path / "results", [summarise(make_run("wsn", stream=stream))])
    assert str(tmp_path) not in path.read_text()


def test_the_command_saves_a_file_a_run(make_run, tmp_path, capsys):
    make_run("runs/wsn")
    make_run("runs/replay", ReplayConfig())
    assert main(["compare", str(tmp_path / "runs"), "--save", str(tmp_path / "results")]) == 0
    assert "PSNR (dB)" in capsys.readouterr().out
    results = read_results([tmp_path / "results"])
    assert [(result.run, result.capacity) for result in results] == [("replay", None), ("wsn", 0.3)]


def test_a_folder_that_cannot_be_made_is_refused(make_run, tmp_path, capsys):
    make_run("wsn")
    (tmp_path / "file").write_text("")
    assert main(["compare", str(tmp_path / "wsn"), "--save", str(tmp_path / "file" / "in")]) == 2
    assert capsys.readouterr().err.startswith("vcl: --save must name a folder that can be written, got ")


def test_results_of_one_name_are_refused(make_run, tmp_path):
    for place in ("here", "there"):
        save_results(tmp_path / place, [summarise(make_run(f"{place}-runs/wsn"))])
    with pytest.raises(VclError, match="results must have names that differ, got wsn twice"):
        read_results([tmp_path / "here", tmp_path / "there"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("last"), "'last'"),
        (lambda values: values.update(more=1), "more"),
        (lambda values: values.update(last=["a", 1, 2]), "do not fit one another"),
        (lambda values: values.update(videos=["one"]), "do not fit one another"),
        (lambda values: values["config"]["train"].update(epochs=0), "train.epochs must be 1 or more, got 0"),
    ],
)
def test_a_file_that_is_no_result_is_refused_in_one_line(make_run, tmp_path, change, message):
    (path,) = save_results(tmp_path, [summarise(make_run("wsn"))])
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(VclError, match=f"wsn.json is not a result as vcl compare --save writes them: .*{message}"):
        read_results([path])


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not JSON"), ("[]", "must hold a JSON object"), (None, "cannot be read")]
)
def test_a_file_that_is_not_json_is_refused(tmp_path, text, message):
    path = tmp_path / "result.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(VclError, match=f"result.json {message}"):
        read_results([path])
