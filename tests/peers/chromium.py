"""Chromium, driven by Playwright: what is expected of a page is waited for as everything else is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.missing_peer import leave_out

expect.set_options(timeout=1000 * PATIENCE_SECONDS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium; without it the test is left out, but never in CI."""
    program = shutil.which("chromium")
    if program is None:
        leave_out("chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
