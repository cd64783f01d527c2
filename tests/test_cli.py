"""The command as a person meets it: real processes, real files."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
from warm_process import run_vcl

from vcl import config as configs
from vcl.cli import main
from vcl.cli.parser import complete_setting
from vcl.config.sections import SETTINGS, every_kind


@pytest.fixture(scope="module")
def pair(tmp_path_factory, tiny_config, stream):
    """A PFNR run and a finetune run, made by the command."""
    home = tmp_path_factory.mktemp("cli")
    for method in ("pfnr", "finetune"):
        config = tiny_config(method, stream=stream, train={"epochs": 10})
        (home / f"{method}.yaml").write_text(configs.to_yaml(config))
        made = run_vcl("run", home / f"{method}.yaml", "--out", home / method)
        assert made.returncode == 0, made.stderr
        (home / f"{method}.said").write_text(made.stdout)
        (home / f"{method}.logged").write_text(made.stderr)
    return home


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["compare", "--help"]])
def test_help_loads_neither_torch_nor_avalanche(words):
    script = "import sys, vcl.cli\ntry: vcl.cli.main(sys.argv[1:])\nexcept SystemExit: pass\n"
    script += "heavy = {'torch', 'avalanche', 'numpy', 'matplotlib'} & set(sys.modules)\n"
    script += "assert not heavy, heavy"
    asked = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "usage: vcl" in asked.stdout


def test_a_run_ends_with_its_matrix_and_the_proof(pair):
    said = (pair / "pfnr.said").read_text()
    assert "PFNR, c = 30 %" in said
    assert "backward transfer 0.00 dB, forgetting 0.00 dB" in said
    assert "nothing forgotten: 2 of 2 earlier videos decode bit for bit as sealed" in said
    assert "changed: clip0" in (pair / "finetune.said").read_text()


def test_a_run_that_is_done_is_shown_again_and_says_so(pair):
    said = (pair / "pfnr.said").read_text()
    again = run_vcl("run", pair / "pfnr.yaml", "--out", pair / "pfnr")
    assert again.stdout == said.replace("Run folder", "This run was finished before; nothing was trained.\nRun folder")


def test_progress_is_plain_where_there_is_no_terminal(pair):
    logged = (pair / "pfnr.logged").read_text()
    assert "\x1b" not in logged
    assert "\r" not in logged
    assert 3 * 2 <= logged.count("\n") <= 3 + 3 * 14


@pytest.mark.process
def test_a_run_says_at_its_end_how_to_send_it_and_how_to_look_at_it(pair, tmp_path, caplog):
    words = ["run", str(pair / "pfnr.yaml"), "train.epochs=1", "wandb.mode=offline", "track=[wandb,tensorboard]"]
    words += ["--out", str(tmp_path / "a b")]
    assert main(words) == 0
    lines = [record.message for record in caplog.records if record.message.startswith(("W&B: ", "TensorBoard: "))]
    sent, shown = (shlex.split(line)[-1] for line in lines)
    assert list(Path(sent).glob("*.wandb"))
    assert list(Path(shown).rglob("*tfevents*"))
    caplog.clear()
    assert main([*words, "--quiet"]) == 0
    assert "wandb sync" not in caplog.text
    assert "logdir" not in caplog.text


@pytest.mark.process
def test_a_backend_of_figures_that_is_not_there_is_no_matter(pair, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://gone_inline")
    command = [sys.executable, "-m", "vcl", "compare", pair / "pfnr", "--figures", pair / "compared"]
    drawn = subprocess.run(command, capture_output=True, text=True, check=False)
    assert drawn.returncode == 0, drawn.stderr
    assert list((pair / "compared").glob("*.png"))


@pytest.mark.process
def test_plot_draws_every_figure_of_every_run_in_a_folder_as_png_and_pdf(pair, tmp_path, capsys):
    for name in ("pfnr", "finetune"):
        shutil.copytree(pair / name, tmp_path / name)
    assert main(["plot", str(tmp_path)]) == 0
    names = {path.name for path in (tmp_path / "pfnr" / "figures").iterdir()}
    for figure in ("matrix_psnr", "matrix_ssim", "curves", "shares", "frames", "first_video"):
        assert {f"{figure}.png", f"{figure}.pdf"} <= names
    output = capsys.readouterr().out
    for name in ("pfnr", "finetune"):
        assert f"{tmp_path / name / 'figures'}: " in output
    assert output.count("matrix_psnr") == 2


@pytest.mark.parametrize("form", ["text", "markdown", "csv"])
def test_compare_puts_runs_side_by_side(pair, form):
    compared = run_vcl("compare", pair / "pfnr", pair / "finetune", "--format", form)
    assert compared.returncode == 0, compared.stderr
    assert "pfnr" in compared.stdout
    assert "finetune" in compared.stdout
    assert "stored" in compared.stdout


def test_compare_prints_the_matrices_when_asked(pair):
    assert run_vcl("compare", pair / "pfnr", "--matrices").stdout.count("nothing forgotten") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "nowhere.yaml"], "vcl: config nowhere.yaml cannot be read: No such file or directory\n"),
        (["plot", "nowhere"], "vcl: nowhere does not exist\n"),
        (["compare", "nowhere"], "vcl: nowhere does not exist\n"),
    ],
)
def test_an_error_is_one_line_and_exit_status_2(words, line, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err == line


def test_settings_may_stand_before_and_after_options(pair, tmp_path, caplog):
    path = str(pair / "pfnr.yaml")
    assert main(["run", path, "train.epochs=1", "--quiet", "--out", str(tmp_path / "run"), "train.batch=5"]) == 0
    config = configs.load(tmp_path / "run" / "config.yaml")
    assert (config.train.epochs, config.train.batch) == (1, 5)
    assert caplog.messages == [], "--quiet says nothing"


@pytest.mark.parametrize("words", [["run", "a.yaml", "--outt", "b"], ["plot", "a", "--x"]])
def test_an_unknown_option_is_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "unrecognized arguments" in capsys.readouterr().err


def test_a_wrong_setting_makes_no_folder(pair):
    refused = run_vcl("run", pair / "pfnr.yaml", "method.capacity=2", "--out", pair / "never")
    assert (refused.returncode, refused.stderr) == (2, "vcl: method.capacity must lie in (0, 1], got 2.0\n")
    assert not (pair / "never").exists()


def test_bench_prints_json_and_keeps_both_forms(pair, capsys, tmp_path):
    words = ["bench", "fourier", str(pair / "pfnr.yaml"), "--rounds", "1", "--json", "--save", str(tmp_path / "kept")]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["benchmark"] == "fourier"
    text, data = sorted((tmp_path / "kept").iterdir(), reverse=True)
    assert json.loads(data.read_text()) == found
    assert text.read_text().startswith("fourier: ")


def test_a_result_that_cannot_be_kept_is_told_of_before_it_is_measured(pair, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.cli.bench.run_benchmark", None)
    words = ["bench", "fourier", str(pair / "pfnr.yaml"), "--save", str(tmp_path / "kept")]
    assert main([*words, f"stream.root={'a' * 250}"]) == 2
    assert capsys.readouterr().err == (
        f"vcl: --save must name a folder that can be written, got {tmp_path / 'kept'} (File name too long)\n"
    )
    (tmp_path / "kept" / f"fourier_{pair.name}_pfnr.json").mkdir()
    assert main(words) == 2
    assert "_pfnr.json is a folder)" in capsys.readouterr().err


def test_bench_without_rounds_is_refused(pair, capsys):
    assert main(["bench", "loop", str(pair / "pfnr.yaml"), "--rounds", "0"]) == 2
    assert capsys.readouterr().err == "vcl: --rounds must be 1 or more, got 0\n"


WITHOUT_TORCH = [
    (["config"], 0),
    (["config", "pfnr"], 0),
    (["config", "{yaml}", "train.epochs=7"], 0),
    *((["list", table], 0) for table in ("methods", "backbones", "benchmarks", "losses", "recipes")),
    (["run", "{yaml}", "train.epochs=0"], 2),
    (["plan", "{yaml}", "train.epochs=0"], 2),
    (["bench", "loop", "{yaml}", "train.epochs=0"], 2),
    (["grid", "{yaml}"], 2),
    (["tune", "{yaml}"], 2),
]


def test_what_trains_nothing_loads_no_torch(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("train: {epochs: 3}\n")
    script = "import sys\nfrom vcl.cli import main\n"
    for words, status in WITHOUT_TORCH:
        words = [word.replace("{yaml}", str(path)) for word in words]
        script += f"assert main({words!r}) == {status}, {words!r}\n"
        script += f"assert not {{'torch', 'avalanche'}} & set(sys.modules), {words!r}\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_config_lists_every_setting_of_what_is_asked_for(capsys):
    assert main(["config", "wsn"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("method wsn: Winning subnetworks")
    assert "  method.capacity=0.3  (a number)\n      Share of each layer's weights" in said
    assert main(["config"]) == 0
    said = capsys.readouterr().out
    for section, _, kind in every_kind():
        for knob in fields(kind):
            assert f"  {section}.{knob.name}=" in said
    assert "\n  track=[wandb]  (names in brackets, each one of wandb, tensorboard)\n      What shows" in said
    assert main(["config", "track"]) == 0
    assert capsys.readouterr().out.count("\n") == 4


def test_config_says_what_the_recipes_choose_for_a_setting_and_why(capsys):
    assert main(["config", "train"]) == 0
    said = capsys.readouterr().out
    line = "paper: 1.0; fast: 0.3 (masks that change more slowly than weights)."
    assert f"Learning rate of the scores, relative to that of the weights.\n      {line}\n" in said


def test_config_shows_what_a_file_and_settings_come_to(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text("method: {name: wsn}\n")
    assert main(["config", str(path), "train.epochs=7"]) == 0
    path.write_text(capsys.readouterr().out)
    assert configs.load(path) == configs.load(None, ["method.name=wsn", "train.epochs=7"])


def test_list_shows_the_names_of_a_table_and_what_they_are(capsys):
    for table, line in (
        ("methods", "wsn             Winning subnetworks"),
        ("backbones", "nerv      NeRV"),
        ("benchmarks", "bunny    Big Buck Bunny"),
        ("losses", "l1          mean absolute error"),
        ("recipes", "paper  backbone.initial=paper train.epochs=150 train.lr=0.0005"),
    ):
        assert main(["list", table]) == 0
        assert line in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "a.yaml", "--train.epochs=3"], "settings are written without dashes, as train.epochs=3, got --train"),
        (["run", "a.yaml", "--train.epochs", "3"], "settings are written without dashes, as train.epochs=VALUE"),
        (["config", "wsm"], "did you mean wsn?"),
        (["config", "x" * 300], "WHAT must be a YAML file or one of stream, backbone, nerv, "),
        (["config", "wsn", "train.epochs=3"], "settings go with a YAML file, got wsn train.epochs=3"),
        (["config", "nowhere.yaml"], "config nowhere.yaml cannot be read: No such file or directory"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(words, line, capsys):
    assert main(words) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rnu", "a.yaml"], "there is no 'rnu'; did you mean run?"),
        (["data", "lst"], "there is no 'lst'; did you mean list?"),
        (["list", "methds"], "there is no 'methds'; did you mean methods?"),
        (["list", "xyz"], "there is no 'xyz'; choose from methods, backbones, benchmarks, losses, recipes"),
        (["run"], "the following arguments are required: config\n"),
        (["plan"], "the following arguments are required: config\n"),
        (["grid"], "the following arguments are required: grid\n"),
        (["tune"], "the following arguments are required: search\n"),
        (["bench", "loop"], "the following arguments are required: config\n"),
    ],
)
def test_a_wrong_command_line_says_what_is_missing_or_meant(words, line, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert line in capsys.readouterr().err


def test_help_of_run_says_where_the_settings_stand(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "'vcl config' lists every setting" in said
    named = re.search("used most: (.*?)\\. 'vcl", said)[1].split(", ")
    known = {f"{section}.{knob.name}" for section, _, kind in every_kind() for knob in fields(kind)}
    assert set(named) <= known | set(SETTINGS)


def test_a_shell_completes_commands_and_settings():
    assert complete_setting("train.e") == ["train.epochs="]
    assert complete_setting("method.cap") == ["method.capacity="]
    assert complete_setting("trac") == ["track="]


def test_a_shell_that_asks_for_completions_is_answered_by_argcomplete(monkeypatch):
    class AskedError(Exception):
        pass

    def autocomplete(parser):
        raise AskedError(parser.prog)

    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setitem(sys.modules, "argcomplete", SimpleNamespace(autocomplete=autocomplete))
    with pytest.raises(AskedError, match="vcl"):
        main(["run"])
