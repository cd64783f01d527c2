"""What all methods beside PFNR have to hold: equal work, exact resumption, forward transfer."""

from functools import cache

import pytest

from vcl.config import passes
from vcl.config.methods import METHODS as KNOBS
from vcl.errors import ConfigError
from vcl.plan.work import work_of
from vcl.report.summary import summarise
from vcl.run import run_clips
from vcl.sessions.methods import METHODS

pytestmark = pytest.mark.process

REMEMBERING = {
    "ewc": {"strength": 1e3, "importance": "gauss_newton"},
    "mas": {"strength": 10.0},
    "lwf": {},
    "replay": {"buffer": 4},
    "der": {"buffer": 4, "strength": 10.0},
    "icarl": {"buffer": 4},
    "esmer": {"buffer": 4, "decay": 0.9},
    "agem": {"buffer": 4},
    "gem": {"buffer": 4},
    "packnet": {},
    "cumulative": {},
}
"""Methods that must forget less than finetuning, and settings for videos of four frames."""

ALL = {name: REMEMBERING.get(name, {}) for name in METHODS}


def test_the_table_of_methods_is_that_of_their_knobs():
    assert set(METHODS) == set(KNOBS)


EPOCHS = 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_config, clips):
    """Call with a method's name; gives the finished folder of two sessions, which is not to be changed."""

    @cache
    def make(name):
        measured = {"transfer_epochs": 0 if name in ("joint", "cumulative") else 1}
        config = tiny_config(name, method=ALL[name], train={"epochs": EPOCHS, "batch": 1}, matrix=measured)
        return run_clips(config, clips[:2], tmp_path_factory.mktemp("whole") / name)

    return make


@pytest.mark.parametrize("name", ALL)
def test_every_method_does_the_same_work(whole, name):
    folder = whole(name)
    frames = sum(folder.matrix()["frames"])
    assert sum(event["trained_on"] for event in folder.events("session")) == EPOCHS * frames


def first_video(folder):
    """PSNR of the first of two videos when it had been learned and after the second, dB."""
    return tuple(row["psnr"][0] for row in folder.matrix()["rows"])


@pytest.mark.parametrize("name", REMEMBERING)
def test_every_method_that_remembers_loses_less_than_two_thirds_of_what_finetuning_loses(whole, name):
    before, after = first_video(whole("finetune"))
    assert before - after > 2
    own_before, own_after = first_video(whole(name))
    assert own_before - own_after < (before - after) * 2 / 3
    assert own_after > after


@pytest.mark.parametrize("name", [name for name in REMEMBERING if name not in ("esmer", "packnet")])
def test_a_first_session_without_anything_to_remember_is_finetuning_to_the_bit(whole, name):
    one, other = (whole(method).matrix()["rows"][0]["sha256"][0] for method in (name, "finetune"))
    assert one == other


@pytest.mark.parametrize("name", ALL)
def test_a_run_of_any_method_that_breaks_off_ends_as_if_it_had_not(whole, tmp_path, tiny_config, clips, name):
    whole = whole(name)
    config = tiny_config(name, method=ALL[name], train={"epochs": EPOCHS, "batch": 1, "checkpoint_seconds": 0})

    class BrokenOffError(Exception):
        pass

    def breaking_at(kind, session, number):
        def listen(event):
            if event["kind"] == kind and event.get("session") == session and event.get("epoch", number) == number:
                raise BrokenOffError

        return lambda _: [listen]

    points = [("epoch", 1, 0), ("epoch", 1, 1), ("session", 1, 0)]
    for point in points[name == "joint" :]:
        if any((e["kind"], e.get("session"), e.get("epoch", 0)) == point for e in whole.events()):
            with pytest.raises(BrokenOffError):
                run_clips(config, clips[:2], tmp_path / "broken", breaking_at(*point))
    broken = run_clips(config, clips[:2], tmp_path / "broken")
    for one, other in zip(
        sorted((whole.path / "sessions").iterdir()), sorted((broken.path / "sessions").iterdir()), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()
    assert [row["psnr"] for row in whole.matrix()["rows"]] == [row["psnr"] for row in broken.matrix()["rows"]]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("joint", "cumulative")])
def test_forward_transfer_is_measured_wherever_a_pass_is_over_one_video(whole, name):
    folder = whole(name)
    assert [(event["session"], event["scratch"]) for event in folder.events("probe")] == [
        (0, False),
        (1, False),
        (1, True),
    ]
    assert summarise(folder).forward_transfer is not None


def test_forward_transfer_compares_networks_at_one_place_of_their_schedules(ran):
    measured = {"transfer_epochs": 1}
    rehearsing = ran("lwf", {"strength": 0.0}, "lwf", train={"epochs": 8, "batch": 1}, matrix=measured)
    plain = ran("finetune", {}, "plain", train={"epochs": 4, "batch": 1}, matrix=measured)
    (one,), (other,) = ([e["psnr"] for e in folder.events("probe") if e["scratch"]] for folder in (rehearsing, plain))
    assert one == other


@pytest.mark.parametrize(
    ("name", "epochs", "most"), [("replay", 5, "2, the passes of session 1"), ("gem", 8, "3, the passes of session 2")]
)
def test_forward_transfer_after_more_passes_than_a_session_has_is_refused(
    tiny_config, clips, tmp_path, name, epochs, most
):
    config = tiny_config(name, train={"epochs": epochs, "batch": 1}, matrix={"transfer_epochs": 4})
    with pytest.raises(ConfigError, match=f"matrix.transfer_epochs must be at most {most}, which rehearses, got 4"):
        run_clips(config, clips, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_forward_transfer_is_refused_where_a_pass_is_not_over_the_video(tiny_config):
    with pytest.raises(ConfigError, match=r"matrix.transfer_epochs must be 0 for cumulative"):
        tiny_config("cumulative", matrix={"transfer_epochs": 1})


def test_passes_by_hand():
    assert passes(12, 1, 10, 0) == 12
    assert passes(12, 1, 10, 1) == 6
    assert passes(12, 4, 10, 4) == 5  # 10 frames and 3 steps of 4 more make 22; 120 were asked for.
    assert passes(12, 8, 1, 8) == 1


@pytest.mark.parametrize("name", ["lwf", "replay"])
def test_a_pass_is_told_as_one_of_those_that_there_are(ran, name):
    folder = ran(name, {}, train={"epochs": 8, "batch": 1})
    assert [e["epoch"] + 1 for e in folder.events("epoch") if e["session"] == 1] == [1, 2, 3, 4]
    assert {e["epochs"] for e in folder.events("epoch") if e["session"] == 1} == {4}


@pytest.mark.parametrize(
    ("name", "method", "train"),
    [("lwf", {"rehearse": 9}, {}), ("ewc", {}, {}), ("mas", {}, {}), ("wsn", {}, {"score_rate": 0.3})],
)
def test_a_third_session_that_breaks_off_ends_as_if_it_had_not(tmp_path, tiny_config, clips, name, method, train):
    recipe = {"epochs": 12, "batch": 2, **train}
    whole = run_clips(tiny_config(name, method=method, train=recipe), clips, tmp_path / "whole")
    config = tiny_config(name, method=method, train={**recipe, "checkpoint_seconds": 0})

    class BrokenOffError(Exception):
        pass

    def listen(event):
        if event["kind"] == "epoch" and (event["session"], event["epoch"]) == (2, 0):
            raise BrokenOffError

    with pytest.raises(BrokenOffError):
        run_clips(config, clips, tmp_path / "broken", lambda _: [listen])
    broken = run_clips(config, clips, tmp_path / "broken")
    last = [folder.path / "sessions" / "002.safetensors" for folder in (whole, broken)]
    assert last[0].read_bytes() == last[1].read_bytes()
    counted = [work.trained_on for work in work_of(config, [len(clip.frames) for clip in clips])]
    assert [event["trained_on"] for event in broken.events("session")] == counted


def test_an_empty_buffer_of_esmer_survives_a_stop(ran, tmp_path, tiny_config, clips):
    method, recipe = {"buffer": 4, "margin": 0.01}, {"epochs": 2, "batch": 1}
    ran("esmer", method, "one", train=recipe)
    config = tiny_config("esmer", method=method, train=recipe)

    def breaking(event):
        if event["kind"] == "epoch" and event["session"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_clips(config, clips[:2], tmp_path / "two", lambda _: [breaking])
    run_clips(config, clips[:2], tmp_path / "two")
    one, two = (tmp_path / name / "sessions" / "001.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_gem_needs_a_kept_frame_of_every_earlier_video(tiny_config, clips, tmp_path):
    with pytest.raises(ConfigError, match=r"method.buffer must be at least 2 for gem, got 1"):
        run_clips(tiny_config("gem", method={"buffer": 1}), clips, tmp_path / "run")
