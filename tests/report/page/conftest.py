"""A browser without a network, and made-up pages in it."""

import os
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright
from report.page.made_up_report import several_reports, single_report
from report.page.opened_page import PATIENCE, Opened, quiet_page

from vcl.report.page.render import render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["no-sandbox", "disable-quic", "no-first-run", "disable-background-networking"]
QUIET += ["disable-component-update", "disable-sync"]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no Chromium on this machine")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{word}" for word in QUIET])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    paths = {}
    for name, report in (("single", single_report()), ("several", several_reports())):
        paths[name] = folder / f"{name}.html"
        paths[name].write_text(render(report), encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def opened(browser, pages):
    """The pages, each loaded once; a test sets what it needs and does not count on what another left."""
    all_opened = {name: Opened(browser, path) for name, path in pages.items()}
    for each in all_opened.values():
        each.page.goto(each.address)
        each.first_charts = each.page.locator(".plot:has(svg)").count()
        each.first_pictures = each.page.locator("img[src]").count()
    # A slow machine must not load it again in the midst of a test.
    all_opened["several"].page.get_by_label("Reload every 30 s").uncheck()
    yield all_opened
    for each in all_opened.values():
        each.context.close()


@pytest.fixture
def single(opened):
    yield from quiet_page(opened["single"])


@pytest.fixture
def several(opened):
    yield from quiet_page(opened["several"])
