"""`foley edit` for a long day: a reel that no browser plays, and a page that does not grow."""

from fractions import Fraction

import av

from tests.films import strikes, write_film
from tests.pages.browser import open_browser, until
from tests.pages.editing import SHEET, edited
from tests.pages.test_edit import READ, READY, numbered

EDL = """TITLE: reel
FCM: NON-DROP FRAME

001  AX       V     C        00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00
* FROM CLIP NAME: one.mov

002  AX       V     C        00:00:01:00 00:00:02:00 01:00:01:00 01:00:02:00
* FROM CLIP NAME: two.mov
"""
MOST_GROWTH = 1 << 20  # bytes of script memory over the edits


def write_prores(path, frames, rate=24):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("prores_ks", rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = 480, 240, "yuv422p10le"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def test_a_reel_of_prores_is_seen_to_the_frame(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    for name in ("one", "two"):
        write_prores(tmp_path / f"{name}.mov", numbered(48))
    (tmp_path / "cut.edl").write_text(EDL)
    with (
        edited(tmp_path / "cut.edl", roots=(tmp_path,), rate=Fraction(24)) as server,
        open_browser(offline=False) as page,
    ):
        page.goto(server.address)
        until(page, READY)
        assert page.locator("#shots button").count() == 2
        for desk, first in ((0, 0), (1, 24)):
            page.locator("#shots button").nth(desk).click()
            until(page, f"foley.model.desk === {desk} && {READY}")
            for number in (0, 7, 23):
                page.evaluate("n => foley.hands.seek(foley.model.startOf(n))", number)
                until(page, "!foley.film.video.seeking && foley.film.loading.size === 0")
                until(page, f"({READ})() === {first + number}")
        assert not page.troubles


def test_a_page_does_not_grow_over_many_edits(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shot_cues.csv").write_text(SHEET)
    film = write_film(tmp_path / "shot.mp4", strikes([0.5, 1.5], 3))
    with edited(film) as server, open_browser(offline=False) as page:
        page.goto(server.address)
        until(page, READY)
        tools = page.context.new_cdp_session(page)
        tools.send("Performance.enable")

        def hands(times: int) -> None:
            page.evaluate(
                "async times => { for (let n = 0; n < times; n++) {"
                " await foley.model.change('move', {2: {start: String(0.4 + (n % 9) / 10)}});"
                " await foley.model.change('add', {}, [{start: '1.2', what: 'door slam'}]);"
                " foley.hands.seek((n % 20) / 10); await foley.model.undo(); } }",
                times,
            )

        def held() -> dict[str, float]:
            page.wait_for_timeout(200)
            for _ in range(3):
                tools.send("HeapProfiler.collectGarbage")
            found = tools.send("Performance.getMetrics")["metrics"]
            return {one["name"]: one["value"] for one in found}

        hands(8)
        before = held()
        hands(24)
        after = held()
        assert page.evaluate("foley.model.order.length") == 6
        assert after["JSHeapUsedSize"] - before["JSHeapUsedSize"] < MOST_GROWTH
        assert after["Nodes"] <= before["Nodes"] + 20
        assert after["JSEventListeners"] <= before["JSEventListeners"] + 5
        assert not page.troubles
