"""The document that says of every published number whether runs verify it."""

import dataclasses
import json

import pytest
from published_numbers import DATA, SOURCE, VIDEOS, differing, numbers

from vcl import config as configs
from vcl.cli import main
from vcl.config import NervConfig, PfnrConfig, RunConfig
from vcl.errors import VclError
from vcl.report.costs import Cost, machine_text, read_costs
from vcl.report.findings import findings_of
from vcl.report.published import Published, read_published
from vcl.report.reproducibility import reproducibility
from vcl.report.results import read_results

ROOT = DATA.parents[1]


PAPER = {"betas": (0.5, 0.999), "score_rate": 1.0, "precision": "float32"}
AS_IN_THE_PAPER = NervConfig(initial="paper")


@pytest.fixture
def runs(published_runs):
    """Runs that reach 28, 31 and 35 dB under the conditions of ``published_numbers``, unless told otherwise."""

    def make(train=None, backbone=AS_IN_THE_PAPER, **changes):
        groups = published_runs(train={**PAPER, **(train or {})}, backbone=backbone, **changes)
        return [run for group in groups.values() for run in group]

    return make


def verdicts(summaries, published, tolerance=0.3):
    return [finding.verdict(tolerance) for finding in findings_of(summaries, published)]


def rows_of(document, heading):
    table = document.split(f"## {heading}\n\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def planned(name="plan", hours=(("training", 10.0), ("evaluation", 1.0)), machine="a box", videos=None, **sections):
    """A plan of WSN under the conditions of ``published_numbers``, unless told otherwise."""
    train = {"recipe": "paper", **sections.pop("train", {})}
    common = {"stream": {"benchmark": "uvg17", "size": [18, 32]}, "method": {"name": "wsn"}, "train": train}
    config = configs.from_dict({**common, **sections})
    return Cost(name, config, frozenset(videos or VIDEOS), dict(hours), machine)


def test_a_number_is_verified_within_the_tolerance_above_and_below(runs):
    near = numbers(psnr=(28.3, 30.7, 35.0))[:3]
    assert verdicts(runs(), near) == ["verified"] * 3
    assert verdicts(runs(), numbers(psnr=(28.31, 30.69, 36.0))[:3]) == ["differs"] * 3
    assert verdicts(runs(), near, tolerance=0.29) == ["differs", "differs", "verified"]


def test_a_higher_number_under_other_conditions_verifies_nothing(runs):
    epochs = numbers(dataclasses.replace(SOURCE, epochs=300), psnr=(28.0, 25.0, 35.0))[:3]
    assert verdicts(runs(), epochs) == ["differs"] * 3
    assert findings_of(runs(), epochs)[1].reasons == ("epochs 300, ours 150",)


def test_a_run_of_another_network_method_or_stream_is_no_run(runs):
    assert verdicts(runs(), differing(channels=58)) == ["not run"] * 4
    assert verdicts(runs(), differing(method="pfnr", operator_block=2)) == ["not run"] * 4
    assert verdicts(runs(), differing(stream="uvg8")) == ["not run"] * 4
    assert verdicts(runs(), differing(backbone="")) == ["not run"] * 4


def test_videos_that_a_run_does_not_have_are_not_run(runs):
    reported = numbers(psnr=(28.0, 31.0, 35.0, 33.0), videos=("bunny", "city", "beauty", "focus"))
    assert verdicts(runs(), reported) == ["differs", "differs", "differs", "not run", "not run"]


def test_the_run_that_differs_least_counts_and_not_the_one_that_comes_nearest(runs):
    other = runs(runs=("aaa",), train={"epochs": 25})
    like = [dataclasses.replace(run, last=(20.0, 20.0, 20.0)) for run in runs(runs=("bbb",))]
    (finding, *_) = findings_of([*other, *like], numbers())
    assert (finding.run, finding.ours, finding.reasons) == ("bbb", 20.0, ())


def test_seeds_count_as_their_mean(runs):
    (finding, *_) = findings_of(runs(runs=("seed0", "seed1")), numbers())
    assert finding.ours == 28.5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"backbone": NervConfig(initial="scaled")}, "first weights paper, ours scaled"),
        ({"train": {"betas": (0.9, 0.999)}}, "betas 0.5 and 0.999, ours 0.9 and 0.999"),
        ({"train": {"warmup": 0.0}}, "warm-up 0.2 from 0.1, ours 0.0 from 0.1"),
        ({"train": {"loss": "l2"}}, "loss l1_ssim, ours l2"),
        ({"train": {"score_rate": 0.3}}, "score rate 1.0, ours 0.3"),
        ({"train": {"precision": "bfloat16"}}, "precision float32, ours bfloat16"),
    ],
)
def test_what_the_papers_recipe_has_otherwise_is_a_reason(runs, changes, reason):
    assert findings_of(runs(**changes), differing(recipe="paper"))[0].reasons == (reason,)
    assert findings_of(runs(**changes), differing(recipe=""))[0].reasons == ()


def test_tensorfloat_32_is_what_the_papers_had_for_float32(runs):
    assert findings_of(runs(train={"precision": "tfloat32"}), differing(recipe="paper"))[0].reasons == ()


def test_how_the_operator_works_is_a_reason(runs):
    source = {"method": "pfnr", "operator_block": 2, "operator": "only packed signed"}
    ours = dataclasses.replace(AS_IN_THE_PAPER, operator_block=2)
    assert findings_of(runs(method=PfnrConfig(), backbone=ours), differing(**source))[0].reasons == (
        "operator only packed signed, ours sum centred magnitude",
    )
    theirs = dataclasses.replace(ours, operator_path="only", operator_spectrum="packed")
    as_theirs = runs(method=PfnrConfig(signed_operator_scores=True), backbone=theirs, runs=("theirs",))
    assert findings_of(as_theirs, differing(**source))[0].reasons == ()


def test_the_document_has_all_three_verdicts(runs):
    other = numbers(dataclasses.replace(SOURCE, network="another", epochs=300), psnr=(28.0, 31.0, 35.0))[:1]
    unknown = [
        Published(dataclasses.replace(SOURCE, network=n, backbone="hinerv"), "bunny", p, 4, (), "")
        for n, p in (("S", 30.0), ("L", 33.0))
    ]
    larger = [Published(dataclasses.replace(SOURCE, network="larger", channels=300), "bunny", 36.5, 4, (), "")]
    published = [*numbers(psnr=(28.1, 31.0, 35.0), mean=31.4), *other, *unknown, *larger]
    document = reproducibility(runs(), published)
    settings = "wsn, size 18x32, epochs 150, capacity 0.3, re-init yes"
    equal = "**verified** (`run`): equal conditions; not told: recipe"
    assert rows_of(document, "A paper: uvg17") == [
        [f"a network: {settings}", "bunny", equal, "28.10", "28.00", "-0.10"],
        [f"a network: {settings}", "city", equal, "31.00", "31.00", "+0.00"],
        [f"a network: {settings}", "beauty", equal, "35.00", "35.00", "+0.00"],
        [f"a network: {settings}", "mean", equal, "31.40", "31.33", "-0.07"],
        [
            f"another: {settings.replace('150', '300')}",
            "bunny",
            "**differs** (`run`): epochs 300, ours 150; not told: recipe",
            *("28.00", "28.00", "+0.00"),
        ],
        [f"larger: {settings}", "bunny", "not run; not planned", "36.50", "", ""],
        ["S, L: wsn", "bunny", "not run: vcl has no backbone hinerv", "30.00 to 33.00", "", ""],
    ]
    assert "| A paper | uvg17 | 8 | 4 | 1 | 3 |\n| all |  | 8 | 4 | 1 | 3 |" in document
    assert rows_of(document, "Runs") == [["run", "wsn on uvg17", "", "", "1", "31.33", "75"]]


def test_a_note_on_a_number_that_was_run_is_told(runs):
    noted = [dataclasses.replace(number, note="a copy error") for number in numbers()]
    assert reproducibility(runs(), noted).count("- a copy error\n") == 1
    assert "a copy error" not in reproducibility([], noted)


def test_what_a_run_would_cost_is_that_of_the_plan_nearest_to_the_paper():
    fast = planned("fast", train={"lr": 2e-3}, hours=(("training", 2.0),))
    costs = [
        fast,
        planned(),
        planned("wide", backbone={"channels": 200}),
        planned("large", stream={"benchmark": "uvg17", "size": [720, 1280]}),
    ]
    document = reproducibility([], numbers(), costs)
    ((_, video, verdict, published, *_),) = rows_of(document, "A paper: uvg17")
    assert (video, published) == ("3 videos and their mean", "29.00 to 35.50, mean 31.50")
    assert verdict == "not run; 11 h (`plan`) on a box"
    assert "| `plan` | a box | wsn on uvg17 | 150 | 11 h |" in document


def test_the_training_of_a_plan_is_brought_to_the_papers_epochs():
    document = reproducibility([], differing(epochs=300), [planned()])
    assert "not run; 21 h (`plan`) on a box" in document


def test_a_plan_of_some_videos_says_which_and_every_machine_has_its_own():
    costs = [
        planned("bunny_wsn", videos=["bunny"], hours=(("training", 0.5),)),
        planned("on_gpu", machine="a GPU", hours=(("training", 2.0),)),
    ]
    verdict = rows_of(reproducibility([], numbers(), costs), "A paper: uvg17")[0][2]
    assert verdict == "not run; bunny alone 30 min (`bunny_wsn`) on a box; 2.0 h (`on_gpu`) on a GPU"


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        ({"device": "NVIDIA H100", "cpu": "EPYC", "threads": 16}, "NVIDIA H100"),
        ({"device": "NVIDIA H100", "threads": 16, "ranks": 2}, "2 ranks of NVIDIA H100"),
        ({"device": "cpu", "cpu": "EPYC", "threads": 1}, "EPYC, 1 thread, no GPU"),
        ({"device": "cpu", "cpu": "EPYC", "threads": 1, "ranks": 4}, "4 ranks of EPYC, 1 thread, no GPU"),
        ({"device": "cpu", "cpu": "EPYC", "threads": 2}, "EPYC, 2 threads, no GPU"),
        ({}, ""),
    ],
)
def test_a_machine_is_named_in_a_few_words(machine, text):
    assert machine_text(machine) == text


def test_plans_stand_in_the_document_with_their_machine(tmp_path):
    config = configs.identity(planned().config)
    machine = {"device": "cpu", "cpu": "EPYC", "threads": 1}
    plan = {"config": config, "frames": {"bunny": 4}, "hours": {"training": 8.0}, "machine": machine}
    (tmp_path / "first.json").write_text(json.dumps(plan))
    costs = read_costs([tmp_path])
    assert [cost.hours_for(numbers()[0].source) for cost in costs] == [8.0]
    assert "| `first` | EPYC, 1 thread, no GPU | wsn on uvg17 | 150 | 8.0 h |" in reproducibility([], [], costs)


@pytest.mark.parametrize(("hours", "text"), [(0.02, "72 s"), (0.1, "6 min"), (1.04, "1.0 h"), (1234.5, "1,234 h")])
def test_hours_are_shown_in_a_unit_that_fits(hours, text):
    assert f"not run; {text} (`plan`)" in reproducibility([], numbers(), [planned(hours=(("training", hours),))])


def test_a_file_that_is_no_plan_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(VclError, match=r"plan.json is not a plan as vcl plan --save writes them: 'hours'"):
        read_costs([tmp_path])


def test_the_document_of_this_repository_is_what_the_command_makes_of_its_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    out = tmp_path / "REPRODUCIBILITY.md"
    assert main(["reproducibility", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: {len(read_published(DATA))} published numbers\n"
    assert out.read_text() == (ROOT / "REPRODUCIBILITY.md").read_text()
    assert main(["reproducibility"]) == 0
    assert capsys.readouterr().out == out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tolerance", "-1"], "--tolerance must be 0 dB or more, got -1.0"),
        (["--tolerance", "nan"], "--tolerance must be 0 dB or more, got nan"),
        (
            ["--out", "no/where.md"],
            "--out must be a file that can be written, got no/where.md (No such file or directory)",
        ),
        (["nowhere.json"], "nowhere.json cannot be read (No such file or directory)"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, message, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["reproducibility", *words]) == 2
    assert capsys.readouterr() == ("", f"vcl: {message}\n")


def test_results_of_this_repository_are_of_configs_that_can_be_run_again():
    results = read_results([ROOT / "experiments" / "results"])
    assert results
    assert all(isinstance(result.config, RunConfig) for result in results)
