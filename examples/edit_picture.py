"""The picture of `foley edit` in README.md: python examples/edit_picture.py docs/pictures/edit.webp

Needs playwright and Chromium.
"""

import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

READY = "window.foley && foley.model.state.stage === 'ready' && foley.model.frames !== null"


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        film = Path(shutil.copy(Path(__file__).with_name("ball.mp4"), folder))
        words = [sys.executable, "-m", "foleycli.cli.main", "edit", str(film), "--json"]
        run = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            assert run.stdout
            picture = take(json.loads(run.stdout.readline())["address"])
        finally:
            run.terminate()
            run.wait()
    Image.open(io.BytesIO(picture)).save(out, quality=82)


def take(address: str) -> bytes:
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark")
        page.goto(address)
        while not page.evaluate(READY):
            time.sleep(0.2)
        page.evaluate("foley.model.select([foley.model.order.find(e => e.kind === 'hit')])")
        page.evaluate("foley.hands.seek(foley.model.one.start)")
        page.wait_for_timeout(5000)
        return page.screenshot()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
