import pytest

from vcl.errors import ConfigError
from vcl.metrics.registry import METRICS
from vcl.tune.search_file import read_search
from vcl.tune.space import Choices, Range


def test_a_search_of_one_knob_has_defaults_for_the_rest(search_file):
    search = read_search(search_file("space: {train.lr: {low: 0.001, high: 0.1}}"))
    assert search.space == (Range("train.lr", 0.001, 0.1, None, log=False, whole=False),)
    assert (search.goal, search.limit, search.trials, search.seed) == (METRICS["psnr"], {}, 20, 0)
    assert search.prune_after == 5
    assert search.launch == {}


def test_a_search_says_what_it_is_for_and_how(search_file):
    text = "goal: ssim\nlimit: {stored_bytes: 2e6, seconds: 3600}\ntrials: 7\nseed: 3\npruner: off\nlaunch: {jobs: 2}\n"
    search = read_search(search_file(f"{text}space: {{method.capacity: [0.1]}}"), ["train.epochs=3"])
    assert search.goal is METRICS["ssim"]
    assert search.limit == {"stored_bytes": 2e6, "seconds": 3600}
    assert (search.trials, search.seed, search.prune_after, search.launch) == (7, 3, None, {"jobs": "2"})
    assert search.config(["method.capacity=0.1"]).train.epochs == 3


def test_the_type_of_a_knob_decides_between_whole_and_other_numbers(search_file):
    text = "space: {backbone.channels: {low: 8, high: 30, step: 8}, train.lr: {low: 1, high: 2}}"
    channels, lr = read_search(search_file(text)).space
    assert channels == Range("backbone.channels", 8, 24, 8, log=False, whole=True)
    assert isinstance(channels.high, int)
    assert lr == Range("train.lr", 1.0, 2.0, None, log=False, whole=False)


def test_a_step_ends_a_range_of_decimals_where_one_counts_by_hand(search_file):
    (knob,) = read_search(search_file("space: {method.capacity: {low: 0.1, high: 0.75, step: 0.1}}")).space
    assert knob.high == 0.7


def test_a_knob_that_may_be_null_has_ranges_and_choices(search_file):
    (frames,) = read_search(search_file("space: {stream.frames: {low: 4, high: 8}}")).space
    assert frames.whole
    (bits,) = read_search(search_file("space: {method.bits: [null, 6]}")).space
    assert bits.words == ("null", "6")


def test_choices_of_every_type_make_configs(search_file):
    text = "{train.betas: [[0.5, 0.999], [0.9, 0.999]], matrix.upper: [true, false], train.loss: [l1, 'l2']}"
    search = read_search(search_file(f"space: {text}"))
    assert [knob.words for knob in search.space] == [
        ("[0.5, 0.999]", "[0.9, 0.999]"),
        ("true", "false"),
        ("l1", "l2"),
    ]
    drawn = [f"{knob.key}={knob.words[0]}" for knob in search.space]
    config = search.config(drawn)
    assert (config.train.betas, config.matrix.upper, config.train.loss) == ((0.5, 0.999), True, "l1")


def test_names_are_drawn_before_the_knobs_that_depend_on_them(search_file):
    text = "space: {method.buffer: [10, 20], train.lr: [0.1], method.name: [wsn, replay]}"
    assert [knob.key for knob in read_search(search_file(text)).space] == ["method.name", "method.buffer", "train.lr"]


WRONG = [
    ("space: {train.lrr: [1]}", "space must hold settings of its config, got train.lrr; did you mean train.lr?"),
    ("space: {track: [wandb]}", "space must hold settings of its config, got track; vcl config lists them"),
    ("space: {method.buffer: [10]}", "space must hold settings of its config, got method.buffer"),
    ("space: {train.lr: 0.1}", "space.train.lr must be a list of values, or low and high of a range, got 0.1"),
    ("space: {train.lr: []}", "space.train.lr must be a list of values, or low and high of a range, got []"),
    ("space: {train.lr: [fast]}", "space.train.lr must be a number, got fast"),
    ("space: {train.lr: [0.1, 0.1]}", "space.train.lr must have no value twice, got 0.1"),
    ("space: {train.lr: {low: 1}}", "space.train.lr must hold low and high, and step or log if need be, got {low: 1}"),
    ("space: {train.lr: {low: 1, high: 2, by: 3}}", "and step or log if need be, got {low: 1, high: 2, by: 3}"),
    ("space: {train.lr: {low: 2, high: 2}}", "space.train.lr must have low below high, got {low: 2, high: 2}"),
    ("space: {train.lr: {low: 0, high: 1, log: true}}", "space.train.lr must have low above 0, as log is true"),
    ("space: {train.lr: {low: 1, high: 2, log: true, step: 1}}", "must have no step, as log is true"),
    ("space: {train.lr: {low: 1, high: 2, step: 3}}", "must have a step above 0, and at most high - low"),
    ("space: {train.lr: {low: 1, high: 2, log: maybe}}", "space.train.lr.log must be true or false, got maybe"),
    ("space: {train.epochs: {low: 1.5, high: 2}}", "space.train.epochs.low must be a whole number, got 1.5"),
    ("space: {matrix.verify: {low: 1, high: 2}}", "space.matrix.verify must be a list of values, as it is one of"),
    ("space: {method.name: [wns]}", "method.name must be one of"),
    ("space: {}", "space must hold one knob or more, got {}"),
    ("goal: psnr", "must hold config and space, got config, goal"),
    ("axes: {}", "must hold config and space, got config, axes; it is a grid, run it with: vcl grid"),
    ("train: {}", "must hold config and space, got config, train; it is a config, run it with: vcl run"),
    ("space: {train.lr: [1]}\ngaol: psnr", "gaol is nothing that a search has; did you mean goal?"),
    ("space: {train.lr: [1]}\ngoal: snr", "goal must be one of psnr, ssim, ms_ssim, got snr; did you mean psnr?"),
    ("space: {train.lr: [1]}\nlimit: 3", "limit must hold stored_bytes or seconds, got 3"),
    ("space: {train.lr: [1]}\nlimit: {bytes: 3}", "limit must be one of stored_bytes, seconds, got bytes"),
    ("space: {train.lr: [1]}\nlimit: {seconds: 0}", "limit.seconds must be above 0, got 0"),
    ("space: {train.lr: [1]}\ntrials: 0", "trials must be 1 or more, got 0"),
    ("space: {train.lr: [1]}\nseed: -1", "seed must be 0 or more, got -1"),
    ("space: {train.lr: [1]}\nprune_after: 0", "prune_after must be 1 or more, got 0"),
    ("space: {train.lr: [1]}\npruner: mean", "pruner must be one of median, off, got mean"),
    ("space: {train.lr: [1]}\nlaunch: ray", "launch must hold keys and values, got ray"),
    ("space: {train.lr: [1]}\nspace: {}", "is not YAML: line 3: the key 'space' is there twice"),
]


@pytest.mark.parametrize(("text", "line"), WRONG, ids=[line for _, line in WRONG])
def test_a_wrong_search_is_refused_in_a_line(text, line, search_file):
    path = search_file(text)
    with pytest.raises(ConfigError) as refusal:
        read_search(path)
    assert str(refusal.value).startswith(f"search {path}")
    assert line in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_search_names_the_file_of_a_config_that_is_wrong_or_missing(search_file, tmp_path):
    path = search_file()
    (tmp_path / "base.yaml").write_text("train: {epochs: 0}")
    with pytest.raises(ConfigError, match=r"lr\.search\.yaml: train\.epochs must be"):
        read_search(path)
    (tmp_path / "base.yaml").unlink()
    with pytest.raises(ConfigError, match=r"lr\.search\.yaml: config .*base\.yaml cannot be read"):
        read_search(path)
    path.write_text("config: null\nspace: {train.lr: [1]}")
    with pytest.raises(ConfigError, match="config must be the path of a YAML file, got null"):
        read_search(path)


def test_a_drawn_knob_cannot_be_set_as_well(search_file):
    with pytest.raises(ConfigError, match=r"space\.train\.lr must not be set, as it is drawn"):
        read_search(search_file(), ["train.lr=0.1"])


def test_choices_that_no_command_line_can_say_are_refused(search_file):
    with pytest.raises(ConfigError, match=r"space\.stream\.videos must hold what a command line can say"):
        read_search(search_file("space: {stream.videos: [['a, b'], [c]]}"))


def test_choices_are_told_from_ranges(search_file):
    lr, capacity = read_search(search_file()).space
    assert isinstance(lr, Range)
    assert capacity == Choices("method.capacity", ("0.1", "0.3", "0.5"))
