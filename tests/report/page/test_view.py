import json

import pytest
from fake_run import PSNR, TOGETHER, epoch, probe
from published_numbers import VIDEOS
from report.page.page_runs import stream_of_run  # noqa: F401

from vcl.config import (
    FinetuneConfig,
    JointConfig,
    NervConfig,
    PfnrConfig,
    RunConfig,
    StreamConfig,
    TrainConfig,
    WsnConfig,
)
from vcl.config.backbones import SirenConfig
from vcl.report.page.render import embedded, render
from vcl.report.page.run_view import run_title
from vcl.report.page.view import report_of
from vcl.report.published import Published, Source
from vcl.rundir import RunFolder

HOSTILE = "</script><img src=x onerror=alert(1)>\udcff"

pytestmark = pytest.mark.usefixtures("stream_of_run")


def run_of(folder):
    return report_of([folder], frames=0)["runs"][0]


def with_rows(folder, *changes):
    """The folder with rows that have further entries."""
    matrix = folder.matrix()
    for row, change in zip(matrix["rows"], changes, strict=True):
        row.update(change)
    folder.write_matrix(matrix)
    return folder


def test_a_run_is_shown_with_the_numbers_of_its_matrix(masked):
    run = run_of(masked)
    assert (run["name"], run["title"], run["method"]) == ("run", "WSN, c = 30 %", "wsn")
    assert (run["planned"], run["measured"], run["finished"], run["forgets"]) == (3, 3, False, False)
    assert (run["videos"], run["frames"], run["size"]) == (["bear", "camel", "swan"], [4, 4, 4], [18, 32])
    numbers = run["numbers"]
    assert numbers["average"] == {"psnr": pytest.approx(94 / 3), "ssim": pytest.approx(94 / 120), "ms_ssim": None}
    assert (numbers["backward_transfer"], numbers["forgetting"], numbers["forward_transfer"]) == (-1.5, 1.5, None)
    assert numbers["stored"] == {"weight": 900, "mask": 39, "side": 608, "buffer": 0}
    assert (numbers["stored_bytes"], numbers["seconds"]) == (1547, 75.0)
    assert [row["psnr"] for row in run["matrix"]] == PSNR
    assert run["matrix"][0]["state_sha256"] == [None] * 3
    assert run["matrix"][0]["machine"] == ""


def test_everything_that_is_undefined_is_null(masked):
    report = report_of([masked], frames=0)
    assert report["comparison"] is None
    assert report["runs"][0]["clips"] == []
    assert report["runs"][0]["matrix"][0]["ms_ssim"] == [None] * 3
    assert json.loads(embedded(report)) == report


def test_the_use_of_weights_adds_up(masked):
    everything, stem, operator = run_of(masked)["capacity"]
    assert (everything["name"], stem["name"], operator["name"]) == ("all layers", "stem.0", "blocks.1.operator.low")
    assert (everything["total"], stem["total"]) == (2000, 1000)
    # c = 0.3; in session 1, 90 of the 300 weights are reused and 210 are new; the other 210 of session 0 are not used.
    assert stem["sessions"][0] == {"session": 0, "reused": 0, "new": 300, "other": 0, "free": 700}
    assert stem["sessions"][1] == {"session": 1, "reused": 90, "new": 210, "other": 210, "free": 490}
    assert everything["sessions"][1] == {"session": 1, "reused": 180, "new": 420, "other": 420, "free": 980}


def test_a_method_without_masks_has_no_capacity(dense):
    run = run_of(dense)
    assert (run["capacity"], run["subnetworks"], run["forgets"]) == (None, None, True)


def test_training_is_shown_by_session(masked):
    training = run_of(masked)["training"]
    assert training["session"] == [0, 0, 1, 1, 2, 2]
    assert training["step"] == [4, 8, 4, 8, 4, 8]
    assert training["seconds"] == [10.0, 20.0] * 3
    assert training["psnr"] == [20.0, 21.0, 21.0, 22.0, 22.0, 23.0]
    assert training["loss"][1] == 0.05
    assert {len(column) for column in training.values()} == {6}


def test_of_very_many_epochs_some_are_shown_and_the_last_of_each_session(masked, monkeypatch):
    monkeypatch.setattr("vcl.report.page.view._MOST_EPOCHS", 2)
    training = run_of(masked)["training"]
    # Six epochs at every third: the first and the fourth; and the second, fourth and sixth, which are the last ones.
    assert list(zip(training["session"], training["epoch"], strict=True)) == [(0, 0), (0, 1), (1, 1), (2, 1)]


def test_forward_transfer_is_shown_where_it_was_measured(masked):
    masked.record(probe(1, 22.0, False))
    masked.record(probe(1, 21.0, True))
    assert run_of(masked)["numbers"]["forward_transfer"] == 1.0


def test_a_run_that_goes_on_says_how_far_it_is(make_run):
    run = run_of(make_run(done=1))
    assert (run["planned"], run["measured"], run["finished"]) == (3, 1, False)
    assert run["proof"] == [{"video": 0, "session": 0, "sealed": "ab", "checks": []}]
    assert run["provenance"]["ended"] is None


def test_a_run_before_its_first_row_has_no_numbers(tmp_path):
    with RunFolder.opened(tmp_path / "run", RunConfig()) as folder:
        folder.record({"kind": "start", "time": 0.0, "videos": ["bear"], "sha256": ["bear"], "sessions": 1})
        folder.record(epoch(0, 0))
    report = report_of([folder])
    (run,) = report["runs"]
    assert (run["videos"], run["planned"], run["measured"]) == (["bear"], 1, 0)
    assert (run["numbers"], run["matrix"], run["proof"], run["clips"]) == (None, [], [], [])
    assert run["training"]["epoch"] == [0]


def test_a_folder_in_which_nothing_happened_yet_is_shown_too(tmp_path):
    with RunFolder.opened(tmp_path / "run", RunConfig()) as folder:
        assert run_of(folder)["videos"] == []


def test_a_run_has_ended_when_its_last_event_says_so(masked):
    masked.record({"kind": "end", "time": 86400.0})
    run = run_of(masked)
    assert run["finished"]
    assert run["provenance"]["started"] == "1970-01-01T00:00:00Z"
    assert run["provenance"]["ended"] == "1970-01-02T00:00:00Z"


def test_every_earlier_video_is_checked_in_every_later_row(masked):
    proof = run_of(masked)["proof"]
    assert [entry["video"] for entry in proof] == [0, 1, 2]
    check = {"kind": "frames", "equal": True, "machine": ""}
    assert proof[0]["checks"] == [{"session": 1, **check}, {"session": 2, **check}]
    assert proof[2]["checks"] == []


def test_frames_that_decode_otherwise_are_unequal(dense):
    with_rows(dense, {}, {"sha256": ["cd", "ab", None]}, {"sha256": ["ab", "ab", "ab"]})
    assert [check["equal"] for check in run_of(dense)["proof"][0]["checks"]] == [False, True]


def test_without_frames_a_sample_or_the_numbers_are_checked(masked):
    numbers = {"sha256": [None] * 3, "state_sha256": ["n", "m", None]}
    sample = {"sha256": [None] * 3, "sample_sha256": ["s", "s", "s"]}
    with_rows(masked, {"sample_sha256": ["s"] * 3, "state_sha256": ["n"] * 3}, numbers, sample)
    assert [check["kind"] for check in run_of(masked)["proof"][0]["checks"]] == ["numbers", "sample"]


def test_on_another_machine_the_numbers_are_checked_where_frames_differ(masked):
    one, other = ({"device": "cpu", "cpu": cpu, "threads": 2, "torch": "2.6"} for cpu in ("AVX2", "AVX512"))
    state = {"state_sha256": ["n"] * 3}
    with_rows(masked, {**state, "machine": one}, {**state, "sha256": ["cd"] * 3, "machine": other}, {"machine": other})
    first = run_of(masked)["proof"][0]["checks"][0]
    assert first == {"session": 1, "kind": "numbers", "equal": True, "machine": "cpu, AVX512, 2 threads, torch 2.6"}


def test_videos_that_are_learned_together_are_sealed_by_the_last_row(make_run):
    run = run_of(make_run(method=JointConfig(), psnr=TOGETHER, state_kind="shared_latest"))
    assert [(entry["video"], entry["session"], entry["checks"]) for entry in run["proof"]] == [
        *((0, 2, []), (1, 2, []), (2, 2, []))
    ]
    assert run["numbers"]["average"]["psnr"] == pytest.approx(94 / 3)


def test_the_operator_and_a_network_other_than_nerv_are_part_of_the_title():
    operator = RunConfig(method=PfnrConfig(capacity=0.3), backbone=NervConfig(operator_block=2))
    assert run_title(operator) == "PFNR, c = 30 %, operator in block 2"
    assert run_title(RunConfig(backbone=SirenConfig(), train=TrainConfig(loss="l2"))) == "Finetune, siren"


def test_names_can_neither_end_a_script_nor_be_anything_but_text(make_run):
    report = report_of([make_run(names=[HOSTILE, "camel", "swan"])], title=HOSTILE)
    page = render(report)
    page.encode()  # Lone surrogates would not encode.
    assert "<img src=x" not in page
    content = page.split('<script type="application/json" id="report">')[1].split("</script>")[0]
    assert json.loads(content) == report
    assert report["runs"][0]["videos"][0] == "</script><img src=x onerror=alert(1)>\\udcff"


def test_a_number_that_is_not_finite_never_reaches_a_page():
    with pytest.raises(ValueError, match="JSON compliant"):
        embedded({"psnr": float("nan")})


def test_settings_are_shown_next_to_their_defaults(make_run):
    provenance = run_of(make_run(train=TrainConfig(epochs=25, seed=7)))["provenance"]
    assert provenance["seed"] == 7
    assert ["train.epochs", "25", "36"] in provenance["differences"]
    assert ["stream.size", "[18, 32]", "[720, 1280]"] in provenance["differences"]
    assert ["method.capacity", "0.3"] in provenance["config"]


def test_the_last_start_says_command_commit_and_machine(masked):
    masked.add_versions({"torch": "2.5", "threads": 1})
    masked.add_versions({"torch": "2.6", "threads": 2, "cpu": "AVX2", "command": "vcl run a.yaml", "commit": "12ab"})
    provenance = run_of(masked)["provenance"]
    assert (provenance["command"], provenance["commit"]) == ("vcl run a.yaml", "12ab")
    assert provenance["machine"] == [["cpu", "AVX2"], ["threads", "2"]]
    assert provenance["versions"] == [["torch", "2.6"]]


def test_an_older_run_does_not_know_its_command(masked):
    provenance = run_of(masked)["provenance"]
    assert (provenance["command"], provenance["commit"], provenance["versions"]) == (None, None, [])


def test_damaged_statistics_are_left_out_with_a_line(masked, caplog):
    (masked.path / "statistics.json").write_text("{")
    assert run_of(masked)["statistics"] is None
    (line,) = caplog.messages
    assert "statistics.json is damaged" in line


def test_runs_that_differ_in_their_seed_are_one_row(make_run):
    lower = [[cell - 2 for cell in row] for row in PSNR]
    folders = [
        make_run(f"wsn/{seed}", psnr=psnr, train=TrainConfig(seed=seed)) for seed, psnr in ((0, PSNR), (1, lower))
    ]
    folders.insert(1, make_run("finetune/0", FinetuneConfig(), state_kind="shared_latest"))
    report = report_of(folders, frames=0)
    assert [run["name"] for run in report["runs"]] == ["wsn/0", "finetune/0", "wsn/1"]
    wsn, finetune = report["comparison"]["rows"]
    assert (wsn["name"], wsn["runs"], finetune["runs"]) == ("wsn", [0, 2], [1])
    # 31.33 and 29.33: the mean is 30.33, the standard deviation the square root of 2.
    assert wsn["cells"]["psnr"] == {
        "mean": pytest.approx(91 / 3),
        "std": pytest.approx(2**0.5),
        "text": "30.33 ± 1.41",
    }
    assert finetune["cells"]["capacity"] is None
    columns = {column["key"]: column for column in report["comparison"]["columns"]}
    assert columns["psnr"] == {"key": "psnr", "label": "PSNR (dB)", "digits": 2, "better": "high", "thousands": False}
    assert (columns["stored_bytes"]["better"], columns["stored_bytes"]["thousands"]) == ("low", True)
    assert "forward_transfer" not in columns
    first, second = report["comparison"]["by_session"]
    assert first == {"name": "wsn", "psnr": [27.0, 30.0, 34.0], "std": [pytest.approx(2**0.5)] * 3}
    assert second == {"name": "finetune/0", "psnr": [28.0, 31.0, 35.0], "std": None}
    assert report["comparison"]["videos"] == ["bear", "camel", "swan"]


def test_runs_of_other_videos_have_no_curve_by_session(make_run):
    report = report_of([make_run("a"), make_run("b", names=["x", "y", "z"])], frames=0)
    assert report["comparison"]["videos"] is None
    assert any(note.startswith("the runs differ in videos") for note in report["comparison"]["notes"])


def test_runs_that_differ_in_capacity_are_points_of_one_curve(make_run):
    runs = [make_run(f"wsn/c{share}", WsnConfig(capacity=share / 100)) for share in (30, 10)]
    runs.append(make_run("kept/c30", WsnConfig(capacity=0.3, reinit=False)))
    (curve,) = report_of(runs, frames=0)["comparison"]["by_capacity"]
    assert curve == {"name": "wsn", "capacity": [0.1, 0.3], "psnr": [pytest.approx(94 / 3)] * 2, "spread": [0.0, 0.0]}


def test_a_run_that_is_not_as_far_has_gaps(make_run):
    report = report_of([make_run("a"), make_run("b", done=2)], frames=0)
    assert report["comparison"]["by_session"][1]["psnr"] == [26.0, 32.0, None]


def test_a_run_that_is_given_twice_is_shown_once(masked):
    assert len(report_of([masked, masked], frames=0)["runs"]) == 1


def test_published_numbers_say_why_they_cannot_be_compared(make_run):
    source = Source(
        "Paper", "Table 1", "NeRV", "uvg17", "wsn", "nerv", None, 720, 1280, None, None, None, "", 0.3, None, 0
    )
    published = [Published(source, "mean", 30.0, None, VIDEOS, ""), Published(source, "bee", 29.0, 4, (), "typo?")]
    run = make_run(stream=StreamConfig("uvg17", size=(18, 32), frames=4), names=["bee", "camel", "swan"])
    report = report_of([run], frames=0, published=published)
    (row,) = report["comparison"]["published"]["rows"]
    assert (row["run"], row["paper"], row["what"]) == ("run", "Paper", "bee")
    assert (row["ours"], row["theirs"], row["difference"]) == (28.0, 29.0, -1.0)
    assert "size 720x1280, ours 18x32" in row["not_comparable"]
    assert row["note"] == "typo?"
