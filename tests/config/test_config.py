import pytest

from vcl import config as configs
from vcl.config import PfnrConfig, TrainConfig
from vcl.config.backbones import BACKBONES
from vcl.config.listing import Knob, knobs_of, summary_of
from vcl.config.methods import METHODS
from vcl.config.sections import every_kind
from vcl.config.train import LOSSES
from vcl.errors import ConfigError


def test_words_win_over_the_file_and_the_file_over_the_defaults(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("train: {epochs: 7, batch: 3}\n")
    config = configs.load(path, ["train.batch=5", "stream.size=[90,160]", "stream.videos=[a,b]"])
    assert (config.train.epochs, config.train.batch, config.train.lr) == (7, 5, TrainConfig().lr)
    assert config.stream.size == (90, 160)
    assert config.stream.videos == ("a", "b")


def test_the_name_of_a_method_chooses_its_knobs():
    config = configs.load(None, ["method.name=pfnr", "backbone.operator_block=2", "method.capacity=0.1"])
    assert config.method == PfnrConfig(capacity=0.1)


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("train.epocs=3", "train.epocs is not a setting; did you mean train.epochs?"),
        ("colour=3", "colour is not a setting; known are stream, backbone, method, train, matrix, wandb, track"),
        ("method.capacity=0.5", "method.capacity is not a setting; known are name"),
        ("train=3", "train must hold keys and values, got 3"),
        ("train.epochs", "a setting on the command line must read key=value, got train.epochs"),
        ("train.epochs=a", "train.epochs must be a whole number, got a"),
        ("train.epochs=1.5", "train.epochs must be a whole number, got 1.5"),
        ("train.epochs=0", "train.epochs must be 1 or more, got 0"),
        ("train.lr=-1", "train.lr must be greater than 0, got -1.0"),
        ("train.score_rate=0", "train.score_rate must be greater than 0, got 0.0"),
        ("train.gradient_clip=0", "train.gradient_clip must be greater than 0, or null, got 0.0"),
        ("train.warmup=1", "train.warmup must lie in [0, 1), got 1.0"),
        ("train.betas=[0.5,1]", "train.betas must lie in [0, 1), got [0.5, 1.0]"),
        ("train.loss=ssimm", f"train.loss must be one of {', '.join(LOSSES)}, got ssimm"),
        ("train.device=gpu", "train.device must be auto, cpu, cuda or cuda:N, got gpu"),
        ("train.precision=fp8", "train.precision must be one of auto, float32, tfloat32, bfloat16, got fp8"),
        ("stream.size=[90]", "stream.size must be 2 whole numbers in brackets, got [90]"),
        ("stream.size=90x160", "stream.size must be 2 whole numbers in brackets, got 90x160"),
        ("stream.size={height: 90}", "stream.size must be 2 whole numbers in brackets, got {height: 90}"),
        ("stream.videos=null", "stream.videos must be words in brackets, got null"),
        ("stream.frames=all", "stream.frames must be a whole number or null, got all"),
        ("train.epochs=${train.batch}", "train.epochs must be a whole number, got ${train.batch}"),
        ("train.epochs=???", "train.epochs must be a whole number, got ???"),
        ("stream.size=???", "stream.size must be 2 whole numbers in brackets, got ???"),
        ("matrix.upper=???", "matrix.upper must be true or false, got ???"),
        ("train.epochs=", "train.epochs must be a whole number, got nothing"),
        ("train.device=", "train.device must be text, got nothing"),
        ("method.name=", "method.name must be text, got nothing"),
        ("train=", "train must hold keys and values, got nothing"),
        ("stream.root=''", "stream.root must be the path of a folder, or null, got ''"),
        ("train.epochs=010", "train.epochs must be a whole number, got 010"),
        ("train.epochs=1_000", "train.epochs must be a whole number, got 1_000"),
        ("train.epochs=12:30", "train.epochs must be a whole number, got 12:30"),
        ("train.epochs=0x10", "train.epochs must be a whole number, got 0x10"),
        ("train.epochs=\u0661", "train.epochs must be a whole number, got \u0661"),
        ("train.epochs='3'", "train.epochs must be a whole number, got '3'"),
        ("train.epochs=true", "train.epochs must be a whole number, got true"),
        (f"train.epochs={'9' * 5000}", "train.epochs must be a whole number of at most 64 bits, got 999"),
        ("train.epochs=9223372036854775808", "train.epochs must be a whole number of at most 64 bits, got 922"),
        ("train.lr=1_0.5", "train.lr must be a number, got 1_0.5"),
        ("train.lr=190:20:30.15", "train.lr must be a number, got 190:20:30.15"),
        ("train.lr=1e400", "train.lr must be a finite number, got 1e400"),
        ("train.lr=.inf", "train.lr must be a finite number, got .inf"),
        ("train.lr=nan", "train.lr must be a finite number, got nan"),
        ("train.betas=[0.5, .nan]", "train.betas must be a finite number, got [0.5, .nan]"),
        ("matrix.upper=yes", "matrix.upper must be true or false, got yes"),
        ("matrix.upper=1", "matrix.upper must be true or false, got 1"),
        ("train.device=cuda:99999999999999999999", "train.device must be auto, cpu, cuda or cuda:N, got cuda:999"),
        ("train.device=cuda:\u0661", "train.device must be auto, cpu, cuda or cuda:N, got cuda:\u0661"),
        ("train.device=cuda:", "train.device must be auto, cpu, cuda or cuda:N, got cuda:"),
        ('train.epochs="a', 'train.epochs must be a whole number, got "a, which is not YAML (line 1, column'),
        (
            "stream.videos=['@x]",
            "stream.videos must be words in brackets, got ['@x], which is not YAML (",
        ),
        ("stream.videos=[a,,b]", "stream.videos must be words in brackets, got [a,,b], which is not YAML"),
        ("stream.videos=a", "stream.videos must be words in brackets, got a"),
        (f"stream.size={'[' * 2000}", "stream.size must be 2 whole numbers in brackets, got [[["),
        ("train={epochs: [}", "train must hold keys and values, got {epochs: [}"),
        ("train={epochs: 1, epochs: 2}", "the key 'epochs' is there twice"),
        (
            "stream.root=a\nb\udcff",
            "stream.root must be text that UTF-8 can hold, without NUL characters, got a\\nb\\udcff",
        ),
        ("train.threads=9223372036854775807", "train.threads must be at most 1024, got 922"),
        ("stream.size=[9223372036854775807,16]", "stream.size must be at most 65536 pixels on each side, got [922"),
        ("backbone.stem_width=9223372036854775807", "backbone.stem_width must be at most 1000000, got 922"),
        ("backbone.expansion=1e300", "backbone.expansion must give at most 1000000 channels, got 1e+300"),
        ("backbone.base=1e300", "backbone.base must keep 40 frequencies within the range of float32, got 1e+300"),
        ("train.epochs=!!int 3", "train.epochs must be a whole number, got !!int 3, which is not YAML"),
        ("train.epochs.x=3", "train.epochs.x is not a setting; did you mean train.epochs?"),
        ("~=3", "~ is not a setting"),
        ("stream.videos=[[a],[b]]", "stream.videos must be words in brackets, got [[a],[b]]"),
        ("method.name=[wsn]", f"method.name must be one of {', '.join(METHODS)} "),
        ("backbone.expansion=0.001", "backbone.expansion must leave one of 112 channels or more, got 0.001"),
        ("train.lr=fast", "train.lr must be a number, got fast"),
        ("train.device=null", "train.device must be auto, cpu, cuda or cuda:N, got null"),
        ("matrix.upper=maybe", "matrix.upper must be true or false, got maybe"),
        ("stream.size=[8,160]", "stream.size must be at least 16 pixels on each side, got [8, 160]"),
        ("stream.frames=0", "stream.frames must be 1 or more, or null, got 0"),
        (
            "backbone.name=resnet",
            f"backbone.name must be one of {', '.join(BACKBONES)} (or one that --plugin FILE.py or an installed",
        ),
        ("backbone.operator_block=6", "backbone.operator_block must lie in 0..5, got 6"),
        ("backbone.strides=[]", "backbone.strides must hold one whole number from 1 up for each block, got []"),
        ("method.name=magic", f"method.name must be one of {', '.join(METHODS)} (or one that --plugin"),
        ("matrix.transfer_epochs=37", "matrix.transfer_epochs must be at most train.epochs = 36, got 37"),
        ("wandb.mode=cloud", "wandb.mode must be one of offline, online, disabled, got cloud"),
        ("track=[wandb,mlflow]", "track must be names in brackets, each one of wandb, tensorboard, got [wandb,mlflow]"),
        ("track=[wandb,wandb]", "track must have no name twice, got [wandb, wandb]"),
        ("track=", "track must be names in brackets, each one of wandb, tensorboard, got nothing"),
        ("track={x: 1}", "track must be names in brackets, each one of wandb, tensorboard, got {x: 1}"),
        ("track.wandb=true", "track must be names in brackets, each one of wandb, tensorboard, got {wandb: true}"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line_with_its_key_and_rule(word, line):
    with pytest.raises(ConfigError) as refused:
        configs.load(None, [word])
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("capacity", ["0", "1.5", "-0.1"])
def test_a_capacity_outside_its_range_is_refused(capacity):
    with pytest.raises(ConfigError, match=r"method.capacity must lie in \(0, 1\], got"):
        configs.load(None, ["method.name=wsn", f"method.capacity={capacity}"])


def test_pfnr_without_an_operator_and_wsn_with_one_are_refused():
    with pytest.raises(ConfigError, match=r"backbone.operator_block must name a block for pfnr"):
        configs.load(None, ["method.name=pfnr"])
    with pytest.raises(ConfigError, match=r"backbone.operator_block must be 0 for wsn"):
        configs.load(None, ["method.name=wsn", "backbone.operator_block=1"])


@pytest.mark.parametrize("tag", ["", "x" * 65])
def test_tags_that_wandb_does_not_take_are_refused(tag):
    with pytest.raises(ConfigError, match=r"wandb.tags must have 1 to 64 characters each"):
        configs.from_dict({"wandb": {"tags": ["short", tag]}})
    assert configs.from_dict({"wandb": {"tags": ["x" * 64]}}).wandb.tags == ("x" * 64,)


def test_ms_ssim_as_a_loss_is_refused_for_small_frames():
    with pytest.raises(ConfigError, match=r"train.loss must not be l1_ms_ssim .* got \[90, 160\]"):
        configs.load(None, ["train.loss=l1_ms_ssim", "stream.size=[90,160]"])


def test_the_first_setting_that_differs_is_named_and_wandb_does_not_count():
    one = configs.load(None, ["train.epochs=3"])
    other = configs.load(None, ["train.epochs=4", "train.seed=1", "wandb.mode=disabled"])
    assert configs.first_difference(one, other) == ("train.epochs", 3, 4)
    assert configs.first_difference(one, configs.load(None, ["train.epochs=3", "wandb.project=x"])) is None


@pytest.mark.parametrize(("typed", "track"), [("[wandb, tensorboard]", ("wandb", "tensorboard")), ("[]", ())])
def test_what_tracks_a_run_stands_in_no_section_and_makes_no_other_run(tmp_path, typed, track):
    default, path = configs.load(None), tmp_path / "run.yaml"
    path.write_text(f"track: {typed}\ntrain: {{epochs: 3}}\n")
    config = configs.load(path)
    assert (default.track, config.track, config.train.epochs) == (("wandb",), track, 3)
    assert configs.load(None, [f"track={typed}"]).track == configs.load(path, [f"track={typed}"]).track == track
    assert configs.load(path, ["track=[wandb]"]).track == ("wandb",)
    assert configs.from_dict(configs.to_dict(config)) == config
    assert configs.first_difference(default, configs.load(None, [f"track={typed}"])) is None
    assert configs.identity(default) == configs.identity(configs.load(None, [f"track={typed}"]))
    assert "track" not in configs.identity(config)


@pytest.mark.parametrize("kind", [kind for _, _, kind in every_kind()], ids=lambda kind: kind.__name__)
def test_every_knob_has_a_type_a_default_and_a_line_that_explains_it(kind):
    assert [knob for knob in knobs_of(kind) if not (knob.kind and knob.default and knob.meaning)] == []
    assert summary_of(kind)


def test_a_listed_knob_is_what_its_dataclass_says():
    knobs = {knob.name: knob for knob in knobs_of(PfnrConfig)}
    assert list(knobs) == [
        "name",
        "bits",
        "quantised_share",
        "capacity",
        "mask_unit",
        "mask_rate",
        "reinit",
        "signed_operator_scores",
    ]
    assert knobs["capacity"] == Knob(
        "capacity", "a number", "0.3", "Share of each layer's weights in one session's mask, in (0, 1]."
    )
    assert {knob.name: knob.kind for knob in knobs_of(TrainConfig)}["betas"] == "2 numbers in brackets"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["stream.size=90x160"], "did you mean 'stream.size=[90,160]'?"),
        (["stream.size=90,160"], "did you mean 'stream.size=[90,160]'?"),
        (["stream.size=(90, 160)"], "did you mean 'stream.size=[90,160]'?"),
        (["track=tensorboard"], "did you mean 'track=[tensorboard]'?"),
        (["track=[wandb,tensorbord]"], "did you mean 'track=[wandb,tensorboard]'?"),
        (["stream.videos=camel"], "did you mean 'stream.videos=[camel]'?"),
        (["stream.size=[90", "160]"], "a value with a space stands in quotes: 'stream.size=[90 160]'"),
        (["train.epochs", "3"], "did you mean train.epochs=3?"),
        (["method=replay"], "did you mean method.name=replay?"),
        (["epochs=3"], "did you mean train.epochs?"),
        (["method.name=replya"], "got replya; did you mean replay?"),
        (["train.loss=l1ssim"], "got l1ssim; did you mean l1_ssim?"),
        (["stream.order=shufled"], "got shufled; did you mean shuffled?"),
    ],
)
def test_a_setting_that_is_nearly_right_is_refused_with_the_right_one(words, hint):
    with pytest.raises(ConfigError) as refused:
        configs.load(None, words)
    assert str(refused.value).endswith(hint)


@pytest.mark.parametrize(
    "word", ["stream.size=large", "stream.size=90", "stream.videos=null", "train.epochs=many", "track=all"]
)
def test_a_value_that_could_mean_anything_gets_no_hint(word):
    with pytest.raises(ConfigError) as refused:
        configs.load(None, [word])
    assert "did you mean" not in str(refused.value)


def test_meanings_of_knobs_are_shown_without_the_marks_of_docstrings():
    kinds = [kind for _, _, kind in every_kind()]
    shown = [summary_of(kind) for kind in kinds] + [knob.meaning for kind in kinds for knob in knobs_of(kind)]
    assert not [text for text in shown if "``" in text]
    assert any("with one constraint and rehearse frames" in text for text in shown)
