from itertools import combinations, product

import matplotlib
import numpy as np
import pytest
from fake_run import NAMES, a_matrix, closed, epoch
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from vcl.errors import VclError
from vcl.report.figures.comparison import bytes_figure, seconds_figure, sessions_figure
from vcl.report.figures.run import curves_figure, matrix_figure, shares_figure, shares_of, step_offsets
from vcl.report.figures.style import PALE, contrast, figure_bytes, ink_on, write_figure

CURVE = [epoch(0, 0)]


def texts(axes):
    return {text.get_text().strip(): text for text in axes.texts}


def ground(axes, s, j):
    """The face colour of a cell, None where nothing is drawn."""
    patches = [p for p in axes.patches if isinstance(p, Rectangle) and p.get_xy() == (j, s) and p.get_width() == 1]
    colours = [p.get_facecolor() for p in patches if p.get_facecolor()[3] > 0]
    return colours[0][:3] if colours else None


def a_large_matrix(count):
    draw = np.random.default_rng(0)
    psnr = (25 + 15 * draw.random((count, count))).tolist()
    return a_matrix(psnr, names=[f"video{j}" for j in range(count)])


def test_the_matrix_shows_every_number_and_the_mean_of_each_row():
    axes = matrix_figure(a_matrix()).axes[0]
    shown = [text.get_text() for text in axes.texts]
    for number in ("30.00", "9.00", "26.00", "32.00", "28.00", "31.00", "35.00", "29.00", "31.33"):
        assert number in shown


def test_the_matrix_says_what_it_shows_of_which_method_and_how_much_was_forgotten():
    axes = matrix_figure(a_matrix(), title="WSN, c = 30 %").axes[0]
    assert axes.get_title("left").strip() == "WSN, c = 30 %: PSNR of each video after each session"
    assert "average 31.33 dB, backward transfer -1.50 dB, forgetting 1.50 dB" in texts(axes)


def test_videos_to_come_are_grey_and_hatched_and_have_no_part_in_the_scale():
    figure = matrix_figure(a_matrix())
    axes, bar = figure.axes[0], figure.axes[0].child_axes[0]
    assert bar.get_ylim() == (26.0, 35.0)
    assert bar.get_ylabel() == "PSNR (dB)"
    red, green, blue = ground(axes, 0, 1)
    assert red == green == blue
    hatched = {patch.get_xy() for patch in axes.patches if patch.get_hatch()}
    assert hatched == {(1, 0), (2, 0), (2, 1)}


def test_a_run_that_is_still_going_leaves_the_sessions_to_come_empty():
    axes = matrix_figure(a_matrix([[30.0, None, None], [26.0, 32.0, None]])).axes[0]
    assert ground(axes, 1, 0) is not None
    assert ground(axes, 0, 2) is None
    assert ground(axes, 2, 0) is None
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0 bear", "1 camel", "2 swan"]


@pytest.mark.parametrize("count", [1, 3, 10, 17])
def test_every_number_is_easy_to_read_on_its_ground(count):
    axes = matrix_figure(a_large_matrix(count)).axes[0]
    checked = 0
    for text in axes.texts:
        x, y = text.get_position()
        if x < count and (x % 1, y % 1) == (0.5, 0.5):
            on = to_rgb(PALE) if x > y else ground(axes, int(y), int(x))
            assert contrast(on, to_rgb(text.get_color())) >= 4.5
            checked += 1
    assert checked == count**2


def test_contrasts_by_hand():
    white, black, grey = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0x76 / 255,) * 3
    assert contrast(black, white) == contrast(white, black) == pytest.approx(21)
    # The darkest grey level that text on white may have, as the guidelines have it.
    assert contrast(grey, white) == pytest.approx(4.54, abs=5e-3)


def test_ink_is_easy_to_read_on_every_colour():
    levels = np.linspace(0, 1, 9)
    for colour in product(levels, levels, levels):
        assert contrast(to_rgb(ink_on(colour)), colour) >= 4.5


@pytest.mark.parametrize("name", ["ca$h^$", "$x", r"\frac{$", "a_b^c", "100 %", "<&>", "{x}", "#1", "~"])
def test_names_are_drawn_as_they_are(name):
    matrix = a_matrix(names=[name, "camel", "swan"])
    figure = matrix_figure(matrix, title=name)
    labels = [label.get_text() for label in (*figure.axes[0].get_xticklabels(), *figure.axes[0].get_yticklabels())]
    assert labels[0] == name
    assert f"0 {name}" in labels
    drawn = figure, sessions_figure({name: [matrix]}), bytes_figure({name: [(10, 3.0)]}), curves_figure(CURVE, [name])
    for each in (*drawn, seconds_figure({name: [CURVE]}, [name])):
        assert not any(text.get_parse_math() for text in each.findobj(Text))
        assert figure_bytes(each, "png")


def test_a_name_that_no_font_can_show_is_drawn_and_logged_once(caplog):
    # From the private area, where no font has anything; and no warning of Python's, which would be an error here.
    names = ["\U0010fffd\U0010fffc", "camel", "swan"]
    for _ in range(2):
        for kind in ("png", "pdf"):
            assert figure_bytes(matrix_figure(a_matrix(names=names)), kind)
        assert figure_bytes(bytes_figure({names[0]: [(10, 3.0)]}), "png")
    (record,) = [record for record in caplog.records if record.name.startswith("vcl")]
    assert record.message == "no installed font has \U0010fffc \U0010fffd: figures show boxes in their place"


def test_what_the_house_font_lacks_comes_from_another_installed_font(caplog):
    # A segment and an open arc stand in DejaVu Sans Mono, which comes with matplotlib too, and not in DejaVu Sans.
    figure = matrix_figure(a_matrix(names=["\u2313 \u2312", "camel", "swan"]))
    ((house, other),) = {tuple(text.get_fontfamily()) for text in figure.findobj(Text)}
    assert house == "DejaVu Sans"
    font = FT2Font(findfont(FontProperties(family=[other])))
    assert all(font.get_char_index(ord(c)) for c in "\u2313\u2312")
    assert figure_bytes(figure, "pdf")
    assert caplog.records == []


def test_a_matrix_of_equal_numbers_has_a_scale():
    bar = matrix_figure(a_matrix([[30.0, None], [30.0, 30.0]])).axes[0].child_axes[0]
    low, high = bar.get_ylim()
    assert low < 30 < high


def test_a_metric_without_numbers_has_no_figure():
    with pytest.raises(VclError, match="got no MS-SSIM"):
        matrix_figure(a_matrix(), "ms_ssim")


def test_curves_run_over_the_steps_of_all_sessions_and_name_them():
    events = [epoch(s, n, steps=(8, 20)[s], psnr=20.0 + n, loss=0.1 / (n + 1)) for s in (0, 1) for n in (0, 1)]
    top, bottom = curves_figure(events, NAMES, "WSN").axes
    assert [line.get_xdata().tolist() for line in top.lines] == [[4, 8], [18, 28]]
    assert [line.get_ydata().tolist() for line in top.lines] == [[20, 21], [20, 21]]
    assert [line.get_ydata().tolist() for line in bottom.lines] == [[0.1, 0.05], [0.1, 0.05]]
    assert bottom.get_xlim() == (0, 28)
    names = [label.get_text() for label in top.child_axes[0].get_xticklabels()]
    assert names == ["bear", "camel"]


def test_curves_of_an_unfinished_session_leave_room_for_the_rest_of_it():
    bottom = curves_figure([epoch(0, 0, epochs=4, steps=8)]).axes[1]
    assert bottom.get_xlim() == (0, 8)


def test_curves_need_an_epoch():
    with pytest.raises(VclError, match="must have epochs, got none"):
        curves_figure([])


def test_sessions_start_where_the_ones_before_end():
    events = [epoch(0, 0, steps=8), epoch(0, 1, steps=8), epoch(1, 0, steps=20), epoch(2, 0, steps=6)]
    assert step_offsets(events) == {0: 0, 1: 8, 2: 28}


def test_each_video_has_a_panel_with_the_training_of_every_run_against_its_seconds():
    fast = [epoch(0, 0, psnr=24.0), epoch(0, 1, psnr=26.0), epoch(1, 0, psnr=21.0)]
    slow = [epoch(0, 0, psnr=14.0)]
    figure = seconds_figure({"fast": [fast], "paper": [slow, fast]}, ["bear", "camel"])
    bear, camel = figure.axes
    assert [axes.get_title("left") for axes in figure.axes] == ["bear", "camel"]
    assert [line.get_xdata().tolist() for line in bear.lines] == [[10, 20], [10], [10, 20]]
    assert [line.get_ydata().tolist() for line in bear.lines] == [[24, 26], [14], [24, 26]]
    assert [line.get_ydata().tolist() for line in camel.lines] == [[21], [], [21]]
    assert bear.get_xscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["fast", "paper"]
    one, other, same = (line.get_color() for line in bear.lines)
    assert one != other == same


def test_an_epoch_that_was_trained_again_counts_once():
    (axes,) = seconds_figure({"run": [[epoch(0, 0), epoch(0, 1, psnr=1.0), epoch(0, 1, psnr=2.0)]]}, ["bear"]).axes
    assert axes.lines[0].get_ydata().tolist() == [20, 2]


def test_the_shares_of_a_layer_add_up_to_all_of_it():
    # 300 of 1000 weights, 90 of them from before; 700 are free after one session, 490 after two.
    assert list(shares_of(closed(1, "camel")["layers"][0]).values()) == pytest.approx([0.09, 0.21, 0.21, 0.49])


def test_shares_are_stacked_by_session_for_the_whole_network_and_each_layer():
    events = [closed(s, NAMES[s]) for s in range(3)]
    figure = shares_figure(events, "WSN")
    panels = {axes.get_title("left"): axes for axes in figure.axes if axes.get_visible()}
    assert list(panels) == ["all layers  (2 k)", "stem.0  (1 k)", "blocks.1.operator.low  (1 k)"]
    bars = panels["stem.0  (1 k)"].patches
    tops = [bar.get_y() + bar.get_height() for bar in bars[-3:]]
    assert tops == pytest.approx([1, 1, 1])
    reused = [bar.get_height() for bar in bars[:3]]
    assert reused == pytest.approx([0, 0.09, 0.09])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["reused", "new", "used by others only", "free"]


def test_long_names_of_layers_keep_their_block_and_their_part():
    layer = {**closed(0, "bear")["layers"][0], "name": "blocks.1.operator.negative_imag"}
    figure = shares_figure([{**closed(0, "bear"), "layers": [layer, {**layer, "name": "blocks.0.conv.weight"}]}])
    titles = [axes.get_title("left").split("  ")[0] for axes in figure.axes]
    assert titles[1:3] == ["blocks.1…negative_imag", "blocks.0.conv"]


def test_shares_need_masks():
    with pytest.raises(VclError, match="must have masks, got a method without"):
        shares_figure([closed(0, "bear", layers=False)])


def test_a_figure_is_written_as_png_and_pdf_and_nothing_is_left_beside_them(tmp_path):
    paths = write_figure(matrix_figure(a_matrix()), tmp_path / "figures", "matrix")
    assert [path.name for path in paths] == ["matrix.png", "matrix.pdf"]
    assert sorted((tmp_path / "figures").iterdir()) == sorted(paths)
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[1].read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_equal_numbers_make_equal_files(kind):
    assert figure_bytes(matrix_figure(a_matrix()), kind) == figure_bytes(matrix_figure(a_matrix()), kind)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "figures").write_text("")
    with pytest.raises(VclError, match=r"figures.*cannot be written"):
        write_figure(matrix_figure(a_matrix()), tmp_path / "figures", "matrix")


def test_a_user_s_own_matplotlib_settings_change_nothing():
    plain = figure_bytes(matrix_figure(a_matrix()), "png")
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "savefig.facecolor": "red"}):
        assert figure_bytes(matrix_figure(a_matrix()), "png") == plain
        assert matplotlib.rcParams["font.size"] == 20


def test_names_of_points_in_one_place_do_not_lie_on_each_other():
    figure = bytes_figure({name: [(1_000_000, 30.0)] for name in ("replay", "icarl", "der", "gem")})
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(label) for label in figure.axes[0].texts]
    assert len(boxes) == 4
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
