"""Rate: points of classical codecs, curves of runs, and the figures of both."""

from dataclasses import replace

import pytest
from matplotlib.text import Text

from vcl.cli import main
from vcl.codec.footprint import Footprint, SessionBytes
from vcl.config import NervConfig, PacknetConfig, SingleMatchedConfig, TrainConfig
from vcl.errors import VclError
from vcl.report.classical import ClassicalPoint, read_classical
from vcl.report.comparison import compare_runs
from vcl.report.figures.budget import budget_figure
from vcl.report.figures.plot import plot_comparison
from vcl.report.figures.rate import rate_figure
from vcl.report.rates import RatePoint, rate_curves
from vcl.report.summary import summarise

HEAD = "name,key_frames,crf,bits_per_pixel,psnr,decode_frames_per_second\n"
POINTS = [
    ClassicalPoint("libx264", "default", 18, 0.6, 35.5, 700),
    ClassicalPoint("libx264", "default", 22, 0.3, 33.0, 800),
    ClassicalPoint("libx264", "all", 18, 1.2, 34.0, 700),
    ClassicalPoint("libx265", "default", 18, 0.5, 36.0, 400),
]


@pytest.fixture
def table(tmp_path):
    def write(text):
        (tmp_path / "classical.csv").write_text(text)
        return tmp_path / "classical.csv"

    return write


def test_points_are_read_with_further_columns_left_out(table):
    path = table("name,ms,key_frames,crf,psnr,bits_per_pixel,decode_frames_per_second\nlibx264,5,all,18,34.0,1.2,700\n")
    assert read_classical(path) == [POINTS[2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,crf\nlibx264,18\n", "it lacks key_frames, bits_per_pixel, psnr, decode_frames_per_second"),
        (HEAD, "must have a row for each point, got none"),
        (HEAD + "libx264,all,18,0,34,700\n", "line 2: bits_per_pixel must be a number above 0, got '0'"),
        (HEAD + "libx264,all,18,1,many,700\n", "line 2: psnr must be a number above 0, got 'many'"),
        (HEAD + "libx264,all,18,1\n", "line 2: psnr must be a number above 0, got None"),
        (HEAD + "libx264,all,18,1,inf,700\n", "line 2: psnr must be a number above 0, got 'inf'"),
    ],
)
def test_a_table_of_another_kind_is_refused(text, message, table):
    with pytest.raises(VclError, match=message):
        read_classical(table(text))


def test_a_table_that_is_missing_or_no_text_is_refused(table, tmp_path):
    with pytest.raises(VclError, match=r"cannot be read .*--classical FILE"):
        read_classical(tmp_path / "none.csv")
    path = table("")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(VclError, match="is not a CSV file"):
        read_classical(path)


def test_runs_that_differ_only_in_width_are_points_of_one_curve_from_the_lowest_rate_on(make_run):
    seeds = [make_run(f"wsn/large/{seed}", train=TrainConfig(seed=seed), scale=8) for seed in (0, 1)]
    small = make_run("wsn/small/0", backbone=NervConfig(channels=64, stem_width=128))
    packnet = make_run("packnet/small/0", PacknetConfig())
    groups = compare_runs([*seeds, small, packnet]).groups
    curves = rate_curves(groups)
    assert list(curves) == ["wsn", "packnet/small/0"]
    low, high = curves["wsn"]
    assert low.bits_per_pixel == summarise(small).bits_per_pixel
    assert high.bits_per_pixel == summarise(seeds[0]).bits_per_pixel > low.bits_per_pixel
    assert low.psnr == high.psnr == pytest.approx(94 / 3)


def test_networks_matched_to_several_methods_are_points_of_one_curve(make_run):
    runs = [
        make_run(name, SingleMatchedConfig(session_bytes=size), state_kind="per_session", scale=size)
        for name, size in (("matched_to_pfnr", 4), ("matched_to_wsn", 2))
    ]
    assert list(rate_curves(compare_runs(runs).groups)) == ["matched_to"]


def test_a_point_has_the_means_and_the_spread_of_its_seeds(masked):
    one = summarise(masked)
    others = [replace(one, averages={"psnr": psnr}, decode_fps=fps) for psnr, fps in ((30, 50), (32, 70))]
    ((point,),) = rate_curves({"wsn": others}).values()
    assert point == RatePoint(one.bits_per_pixel, 31, pytest.approx(2**0.5), 60)


def test_runs_that_measured_nothing_have_no_point(masked):
    one = summarise(masked)
    assert rate_curves({"joint": [replace(one, averages={**one.averages, "psnr": None})]}) == {}
    ((point,),) = rate_curves({"wsn": [one]}).values()
    assert (point.spread, point.decode_fps) == (0, None)


def test_quality_and_speed_stand_above_one_another_at_each_rate():
    curves = {"wsn": [RatePoint(0.3, 30.0, 0.1, 130.0), RatePoint(0.9, 33.5)], "pfnr": [RatePoint(0.4, 32.0)]}
    quality, speed = rate_figure(curves, POINTS).axes
    drawn = {tuple(line.get_xdata()): tuple(line.get_ydata()) for line in quality.lines}
    assert drawn[0.3, 0.9] == (30.0, 33.5)
    assert drawn[0.3, 0.6] == (33.0, 35.5)
    speeds = {tuple(line.get_xdata()): tuple(line.get_ydata()) for line in speed.lines}
    assert speeds[(0.3,)] == (130.0,)
    assert speeds[0.3, 0.6] == (800.0, 700.0)
    assert (0.4,) not in speeds
    assert quality.get_xscale() == speed.get_xscale() == speed.get_yscale() == "log"
    assert [text.get_text() for text in quality.get_legend().get_texts()] == ["wsn", "pfnr"]
    names = [text.get_text() for text in speed.get_legend().get_texts()]
    assert names == ["x264", "x265", "key frames by default", "key frames only"]


def test_classical_codecs_are_grey_and_key_frames_dashed():
    quality = rate_figure({}, POINTS).axes[0]
    assert len(quality.lines) == 3
    for line in quality.lines:
        colour = line.get_color()
        assert colour[1:3] == colour[3:5] == colour[5:7]
    assert len({line.get_linestyle() for line in quality.lines}) == 2


def test_without_classical_codecs_there_is_no_legend_of_them():
    assert rate_figure({"wsn": [RatePoint(0.3, 30.0)]}).axes[1].get_legend() is None


def test_every_byte_of_a_library_is_in_the_budget():
    session = SessionBytes("bear", 30_000, 10_000, 1000, {"stem.weight": {"weight": 30_000, "mask": 10_000}})
    figure = budget_figure(Footprint((session, replace(session, video="swan", side=2000))), "WSN")
    by_session, by_layer = figure.axes
    assert [label.get_text() for label in by_session.get_yticklabels()] == ["0 bear", "1 swan"]
    assert [label.get_text() for label in by_layer.get_yticklabels()] == ["stem"]
    assert [patch.get_width() for patch in by_session.patches] == [30, 30, 10, 10, 1, 2]
    assert [patch.get_width() for patch in by_layer.patches] == pytest.approx([60, 20, 0])
    assert by_session.get_xlabel() == "kB"
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert {"WSN: 83,000 bytes", "weights 72.3 %", "masks 24.1 %", "side data 3.6 %"} <= texts


def test_many_sessions_are_numbered():
    sessions = tuple(SessionBytes(f"video{number}", 5, 0, 0, {"stem": {"weight": 5}}) for number in range(21))
    by_session = budget_figure(Footprint(sessions)).axes[0]
    assert [label.get_text() for label in by_session.get_yticklabels()][-1] == "20"
    assert by_session.get_xlabel() == "bytes"


@pytest.mark.process
def test_a_comparison_draws_rate_with_and_without_classical_codecs(masked, dense, tmp_path, table, capsys):
    assert "psnr_by_rate" in {path.stem for path in plot_comparison([masked, dense], tmp_path / "figures")}
    path = table(HEAD + "libx264,all,18,1.2,34.0,700\n")
    words = ["compare", str(masked.path), "--classical", str(path)]
    assert main(words) == 2
    assert "--classical goes with --figures" in capsys.readouterr().err
    assert main([*words, "--figures", str(tmp_path / "drawn")]) == 0
    assert (tmp_path / "drawn" / "psnr_by_rate.png").read_bytes().startswith(b"\x89PNG")
