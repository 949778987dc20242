"""The page of a run in a real browser, as wide as a telephone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stablespike.page import page
from test_page import run_of, with_cycles


@pytest.fixture
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium: pip install selenium")
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("there is no Chromium: apt-get install chromium chromium-driver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(programs[1]))
    yield driver
    driver.quit()


def test_on_a_telephone(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(with_cycles(run_of()), "A run"))
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    browser.get(file.as_uri())
    assert browser.title == "A run"
    wide, loaded, flat = browser.execute_script(
        """return [document.documentElement.scrollWidth,
        performance.getEntriesByType('resource').length,
        [...document.querySelectorAll('svg')].filter(each => {
            const box = each.getBoundingClientRect(); return box.width < 40 || box.height < 10;
        }).length]"""
    )
    assert (wide, loaded, flat) == (375, 0, 0)
    assert browser.get_log("browser") == []
    spikes = browser.execute_script(
        "return document.querySelector('path.stable').getBoundingClientRect().width"
    )
    assert spikes > 10
