"""A headless browser for the pages that are written or served."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def open_browser(offline: bool = True, **options) -> Iterator:
    """A page whose script errors end up in ``page.troubles``; skips where there is no browser, and
    fails there where the environment says CI."""
    try:
        import playwright.sync_api as api
    except ImportError:
        _without("playwright is not installed")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        _without("no browser")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        context = browser.new_context(offline=offline, accept_downloads=True, **options)
        page = context.new_page()
        page.troubles = []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on(
            "console",
            lambda said: page.troubles.append(said.text) if said.type == "error" else None,
        )
        yield page
        browser.close()


def _without(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and this is CI")
    pytest.skip(reason)


def until(page, expression: str, seconds: float = 30):
    """What an expression gives once it is true; a page with a strict policy evaluates no words
    of its own."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if last := page.evaluate(expression):
                return last
        except Exception as error:
            last = error
        time.sleep(0.03)
    raise AssertionError(f"never: {expression} ({last}); {page.troubles}")
