from dataclasses import replace

import pytest

from vcl.config import FinetuneConfig, WsnConfig
from vcl.report.comparison import compare_runs
from vcl.report.figures.capacity import capacity_figure
from vcl.report.figures.plot import plot_comparison
from vcl.report.rates import CapacityPoint, capacity_curves
from vcl.report.summary import summarise


def test_runs_that_differ_only_in_capacity_are_points_of_one_curve_from_the_lowest_on(make_run):
    runs = [
        make_run(f"{name}/c{round(100 * c)}", WsnConfig(capacity=c, reinit=name == "new"), scale=round(10 * c))
        for name in ("new", "kept")
        for c in (0.5, 0.1)
    ]
    curves = capacity_curves(compare_runs([*runs, make_run("dense", FinetuneConfig())]).groups)
    assert list(curves) == ["new", "kept"]
    assert [point.capacity for point in curves["new"]] == [0.1, 0.5]
    assert [point.stored_bytes for point in curves["new"]] == [summarise(runs[n]).stored_bytes for n in (1, 0)]
    assert curves["new"][0].psnr == pytest.approx((28 + 31 + 35) / 3)


def test_seeds_are_one_point_and_one_capacity_alone_is_no_curve(masked):
    one = summarise(masked)
    seeds = [replace(one, averages={**one.averages, "psnr": psnr}) for psnr in (30.0, 32.0)]
    assert capacity_curves({"wsn": seeds}) == {}
    assert capacity_curves({"wsn": seeds, "copy": seeds}) == {}
    less = replace(one, config=replace(one.config, method=WsnConfig(capacity=0.1)))
    ((low, high),) = capacity_curves({"c30": seeds, "c10": [less]}).values()
    assert (low.spread, high.psnr, high.spread) == (0.0, 31.0, pytest.approx(2**0.5))


def test_quality_stands_against_capacity_and_against_bytes():
    points = [CapacityPoint(0.1, 24.0, 0.1, 2e6), CapacityPoint(0.3, 26.0, 0.2, 4e6)]
    by_capacity, by_bytes = capacity_figure({"wsn": points}).axes
    line, in_bytes = by_capacity.lines[0], by_bytes.lines[0]
    assert [*line.get_xdata()] == [0.1, 0.3]
    assert [*in_bytes.get_xdata()] == [2.0, 4.0]
    assert [*line.get_ydata()] == [*in_bytes.get_ydata()] == [24.0, 26.0]
    assert [text.get_text() for text in by_bytes.texts] == ["10%"]


def test_a_comparison_draws_the_capacity_axis_where_runs_differ_in_it(make_run, tmp_path):
    runs = [make_run(f"wsn/c{c}", WsnConfig(capacity=c / 100)) for c in (10, 30)]
    assert "psnr_by_capacity" in {path.stem for path in plot_comparison(runs, tmp_path / "figures")}
    assert "psnr_by_capacity" not in {path.stem for path in plot_comparison(runs[:1], tmp_path / "one")}
