"""A real browser: Debian's Chromium, driven by Playwright, and axe where `make browser` has brought it."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parents[3] / ".servers/browser/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser without a window; skipped where there is none, but not where `make servers` could install one."""
    found = shutil.which("chromium")
    if found is None:
        installable = os.geteuid() == 0 and shutil.which("apt-get")
        if installable and (os.environ.get("CI") or os.environ.get("FANOUT_REQUIRE_SERVERS")):
            pytest.fail("Chromium is missing; `make browser` installs it")
        pytest.skip("there is no Chromium; `make browser` installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()
    # Playwright leaves the loop of this thread marked as running.
    asyncio.set_event_loop(None)


class Watch:
    """What must not happen in a page: errors, dialogs, requests to other hosts."""

    def __init__(self, page: Any) -> None:
        self.seen: list[str] = []
        page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
        page.on("console", lambda said: self.seen.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: (self.seen.append("a dialog"), dialog.dismiss()))
        page.on("request", lambda asked: self._asked(asked.url))

    def _asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:", "about:", "http://127.0.0.1:")):
            self.seen.append(f"asked {url}")
