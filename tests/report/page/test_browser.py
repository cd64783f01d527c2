"""The page in a browser, offline: what it shows, and every control by mouse and by keyboard."""

import itertools

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from report.page.made_up_report import HOSTILE
from report.page.opened_page import NARROW, WIDE, Opened, quiet_page

DRAW_ALL = "document.querySelectorAll('.plot').forEach((plot) => plot.draw())"


def press(locator, key="Enter"):
    locator.focus()
    locator.page.keyboard.press(key)


def shown_frame(page):
    return page.locator("#frames .slider output").inner_text().split()[0]


def serious_faults(page, options):
    # What watches sizes is told of new ones after a frame is laid out.
    page.evaluate("() => new Promise((laidOut) => requestAnimationFrame(() => requestAnimationFrame(laidOut)))")
    # What Plotly draws is one picture to a screen reader; its parts would only take the time of the test.
    check = "(options) => axe.run({exclude: [['.plot > *']]}, {resultTypes: ['violations'], ...options})"
    violations = page.evaluate(check, options)["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in violations if each["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("name", ["single", "several"])
def test_no_serious_fault_of_accessibility_in_light_and_dark_wide_and_narrow(opened, name):
    # The ratio of colours does not change with the width, and is what takes axe the longest.
    contrast, all_but_contrast = {"runOnly": ["color-contrast"]}, {"rules": {"color-contrast": {"enabled": False}}}
    for page in quiet_page(opened[name]):
        # The sections of a run are the same on both pages.
        page.evaluate(DRAW_ALL if name == "single" else DRAW_ALL.replace(".plot", "#overview .plot"))
        page.evaluate(Axe().axe_script)
        page.locator("details").first.evaluate("(details) => (details.open = true)")
        for scheme, size, options in (
            ("light", WIDE, {}),
            ("light", NARROW, all_but_contrast),
            ("dark", WIDE, contrast),
            ("dark", NARROW, all_but_contrast),
        ):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            assert serious_faults(page, options) == []
            assert page.evaluate("document.scrollingElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("name", ["single", "several"])
def test_headings_go_down_by_one_level_at_a_time(opened, name):
    levels = opened[name].page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((each) => +each.tagName[1])")
    assert [level for level in levels if level == 1] == levels[:1]
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))


def test_names_are_shown_as_text_whatever_they_hold(single):
    expect(single.get_by_role("columnheader", name=HOSTILE).first).to_be_visible()
    assert single.locator("img[src=x], main script").count() == 0


def test_charts_and_pictures_far_below_wait_until_they_are_near(opened, single):
    assert opened["single"].first_charts < single.locator(".plot").count()
    single.locator("#statistics").scroll_into_view_if_needed()
    expect(single.locator("#statistics .plot").first.locator("svg").first).to_be_visible()
    # Of all pictures of three videos: a small one of each, and three of one frame.
    assert opened["single"].first_pictures == 6


def test_metric_is_chosen_by_mouse_and_keyboard(single):
    matrix = single.locator("#matrix")
    matrix.get_by_role("button", name="SSIM", exact=True).click()
    expect(matrix.locator("td").first).to_have_text("0.9280")
    assert matrix.get_by_role("button", name="MS-SSIM").count() == 0  # It is undefined in every cell.
    press(matrix.get_by_role("button", name="PSNR"), "Space")
    expect(matrix.locator("td").first).to_have_text("31.40")
    expect(matrix.get_by_role("button", name="PSNR")).to_have_attribute("aria-pressed", "true")


def test_cell_tells_all_about_itself_under_the_pointer_and_the_focus(single):
    single.locator("#matrix").get_by_role("button", name="PSNR").click()
    cells, panel = single.locator("#matrix td"), single.locator("#matrix .panel")
    cells.nth(1).hover()
    expect(panel).to_contain_text("after session 0: a video still to come")
    cells.nth(0).focus()
    expect(panel).to_contain_text("after session 0: just learned")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowLeft"):
        single.keyboard.press(key)
    expect(cells.nth(6)).to_be_focused()
    expect(panel).to_contain_text("after session 2: the same bits as when it was sealed")
    for words in ("31.40 dB", "0.9280", "n/a", "00" * 32, "ab" * 32, "AMD EPYC, 1 thread"):
        expect(panel).to_contain_text(words)
    single.keyboard.press("End")
    expect(cells.nth(8)).to_be_focused()
    assert single.locator("#matrix td[tabindex='0']").count() == 1


def test_videos_to_come_stand_in_brackets(single):
    single.locator("#matrix").get_by_role("button", name="PSNR").click()
    assert single.locator("#matrix td.pending").all_inner_texts() == ["(11.20)", "(12.20)", "(12.50)"]


def test_frame_is_chosen_by_slider_worst_frames_and_chart(single):
    frames = single.locator("#frames")
    frames.locator(".thumbnails button").first.click()
    frames.get_by_role("button", name="Side by side").click()
    press(frames.locator(".slider input"), "Home")
    assert shown_frame(single) == "0"
    single.keyboard.press("ArrowRight")
    assert shown_frame(single) == "7"
    expect(frames.locator(".triple img").nth(1)).to_have_attribute("alt", "decoded of frame 7 of bunny")
    frames.locator(".slider input").click(position={"x": 2, "y": 5})
    assert shown_frame(single) == "0"
    worst = frames.locator(".worst button")
    assert [text.split()[0] for text in worst.all_inner_texts()] == ["24", "23", "25"]
    worst.nth(1).click()
    assert shown_frame(single) == "23"
    press(worst.nth(0))
    assert shown_frame(single) == "24"
    frames.locator(".plot").scroll_into_view_if_needed()
    frames.locator(".plot .points path").nth(20).hover(force=True)
    frames.locator(".plot .points path").nth(20).click(force=True)
    assert shown_frame(single) == "20"
    frames.locator(".thumbnails button").nth(2).click()
    expect(frames.locator(".triple img").first).to_have_attribute("alt", "truth of frame 20 of kite-surf")


def test_divider_is_dragged_and_moved_by_keys(single):
    frames = single.locator("#frames")
    press(frames.get_by_role("button", name="Swipe"))
    divider = frames.locator(".swipe input")
    divider.scroll_into_view_if_needed()
    box = divider.bounding_box()
    single.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    single.mouse.down()
    single.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    single.mouse.up()
    assert int(divider.input_value()) == pytest.approx(25, abs=1)
    before = int(divider.input_value())
    press(divider, "ArrowRight")
    assert int(divider.input_value()) == before + 1
    expect(divider).to_have_attribute("aria-valuetext", f"{before + 1} % truth")
    assert frames.locator(".swipe").evaluate("(box) => box.style.getPropertyValue('--divider')") == f"{before + 1}%"
    frames.get_by_role("button", name="Side by side").click()
    expect(frames.locator(".triple")).to_be_visible()


def test_other_side_of_the_divider_may_be_another_run(several):
    several.get_by_label("Run", exact=True).select_option("pfnr seed 0")
    frames = several.locator("#frames")
    frames.get_by_role("button", name="Swipe").click()
    frames.get_by_label("Against").select_option("pfnr seed 1")
    expect(frames.locator(".tag.left")).to_have_text("pfnr seed 1")
    expect(frames.locator(".tag.right")).to_have_text("pfnr seed 0")
    press(frames.get_by_label("Against"), "Home")
    expect(frames.locator(".tag.left")).to_have_text("truth")
    frames.get_by_role("button", name="Side by side").click()


def test_columns_sort_both_ways_with_what_is_undefined_last(several):
    overview = several.locator("#overview")
    head = overview.get_by_role("columnheader", name="PSNR")
    names = overview.locator("table").first.locator("tbody th")
    unfinished = f"{HOSTILE} (2 of 3 sessions)"
    for _ in range(3 if head.get_attribute("aria-sort") == "ascending" else 1):
        head.get_by_role("button").click()
    assert names.all_inner_texts() == ["finetune", unfinished, "pfnr"]
    press(head.get_by_role("button"))
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names.all_inner_texts() == ["pfnr", unfinished, "finetune"]
    bits = overview.get_by_role("columnheader", name="Bits per pixel").get_by_role("button")
    for order in (["finetune", "pfnr", unfinished], ["pfnr", "finetune", unfinished]):
        bits.click()
        assert names.all_inner_texts() == order


def test_capacity_has_a_chart_of_its_own_with_its_numbers(several):
    figure = several.locator("#overview figure", has_text="PSNR by the share of the weights")
    figure.get_by_text("Numbers of this chart").click()
    expect(figure.locator("tbody tr").first).to_have_text("0.127.5")


def test_published_numbers_stand_beside_ours_with_what_differs(several):
    row = several.locator("#overview table", has_text="Not comparable").locator("tbody tr")
    for words in ("Kang et al., ICLR 2024", "30.20", "31.70", "−1.50", "size 54x96, paper 720x1280"):
        expect(row).to_contain_text(words)


def test_run_is_chosen_for_the_sections_below(several):
    chooser = several.get_by_label("Run", exact=True)
    chooser.select_option("finetune")
    expect(several.locator("#proof .verdict")).to_contain_text("3 of 3 checks found other bits, as expected")
    assert several.locator("#weights").count() == 0
    press(chooser, "End")
    expect(several.locator("#run")).to_contain_text("not finished: 2 of 3 sessions")
    assert several.locator("#matrix tbody tr").count() == 2
    chooser.select_option("pfnr seed 0")
    expect(several.locator("#proof .verdict")).to_have_text(
        "✓ 3 checks, all equal bit for bit: 2 of all frames, 1 of the numbers that decode it."
    )


def test_other_bits_are_a_fault_where_a_method_promises_none(single):
    verdict = single.evaluate("proofVerdict(Array(3).fill({ kind: 'frames' }), 1, {}).outerHTML")
    assert verdict.startswith('<p class="verdict bad">✗ 1 of 3 checks found other bits, and this method promises')


def test_curves_layers_sessions_and_series_are_chosen(single):
    single.evaluate(DRAW_ALL)
    press(single.locator("#training").get_by_role("button", name="Loss"))
    expect(single.locator("#training figcaption")).to_have_text("Loss by step, a line a session")
    bars = "document.querySelector('#weights .plot').data.map((trace) => trace.y[0])"
    single.get_by_label("Layer", exact=True).select_option("stem.0 (12,000 weights)")
    assert single.evaluate(bars) == pytest.approx([0, 0.3, 0, 0.7])
    press(single.get_by_label("Layer", exact=True), "Home")
    assert single.evaluate(bars) == pytest.approx([0, 0.2, 0, 0.8])
    press(single.locator("#statistics .slider input"), "Home")
    expect(single.locator("#statistics output")).to_have_text("0 bunny")
    key = single.locator("#weights .legend button").last
    for state in (False, True):
        press(key)
        expect(key).to_have_attribute("aria-pressed", str(state).lower())
        assert single.evaluate("document.querySelector('#weights .plot').data[3].visible") is state


def test_heat_tables_of_masks_say_what_a_cell_means(single):
    overlap = single.locator("#weights .pair > div").first
    overlap.locator("td").nth(0).focus()
    single.keyboard.press("ArrowRight")
    sentence = f"33.0 % of the mask of session 0 (bunny) is in that of session 1 ({HOSTILE})."
    expect(overlap.get_by_role("status")).to_have_text(sentence)


def test_numbers_of_a_chart_unfold_as_a_table(single):
    figure = single.locator("#statistics figure").first
    figure.locator("details").evaluate("(details) => (details.open = false)")
    press(figure.locator("summary"))
    expect(figure.locator("tbody tr").first).to_contain_text("stem")


def test_theme_is_switched_and_charts_follow(single):
    single.evaluate(DRAW_ALL)
    colours = "[getComputedStyle(document.body).color, document.querySelector('#training .plot').layout.font.color]"
    light = single.evaluate(colours)
    press(single.get_by_role("button", name="Dark colours"))
    dark = single.evaluate(colours)
    single.get_by_role("button", name="Light colours").click()
    assert len(set(light)) == len(set(dark)) == 1
    assert light != dark
    assert single.evaluate(colours) == light
    single.evaluate("delete document.documentElement.dataset.theme")


def test_command_is_copied(single):
    single.locator("#provenance").get_by_role("button", name="Copy").click()
    expect(single.locator("#provenance").get_by_role("status")).to_have_text("Copied")
    assert single.evaluate("navigator.clipboard.readText()").startswith("vcl run experiments/demo/pfnr.yaml --out")


def test_numbers_and_times_are_written_as_people_read_them(single):
    written = single.evaluate(
        "[numberText(null), numberText(-0, 2), numberText(-1.5, 2, 'dB'), signedText(0.25), bytesText(999), "
        "bytesText(1234567), durationText(7500), agoText(Date.now() - 61000), shortNumber(-0.000123449)]"
    )
    assert written == ["n/a", "0.00", "−1.50 dB", "+0.25", "999 B", "1.2 MB", "2 h 5 min", "1 minute ago", "−0.0001234"]


def test_page_of_runs_that_go_on_loads_again_at_the_same_place_until_told_not_to(browser, pages):
    opened = Opened(browser, pages["several"])
    page = opened.page
    page.clock.install()
    page.goto(opened.address)
    expect(page.get_by_label("Reload every 30 s")).to_be_checked()
    page.get_by_label("Run", exact=True).select_option("finetune")
    page.evaluate("scrollTo(0, 700)")
    with page.expect_navigation():
        page.clock.fast_forward(30_000)
    assert page.evaluate("scrollY") == 700
    expect(page.get_by_label("Run", exact=True)).to_have_value("2")
    page.get_by_label("Reload every 30 s").uncheck()
    page.evaluate("window.isTheSame = true")
    page.clock.fast_forward(90_000)
    assert page.evaluate("window.isTheSame") is True
    assert page.evaluate("recall('reload', true)") is False
    opened.context.close()
    assert opened.problems + opened.outside() == []


def test_page_of_finished_runs_does_not_load_again(single):
    assert single.locator("#reload").count() == 0
    expect(single.locator("#progress")).to_contain_text("finished, 3 of 3 sessions")
