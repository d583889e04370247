"""`foley edit` as a person uses it, in a real browser; what it makes is what `foley gen` makes."""

import hashlib
import json
import threading
import urllib.error
import urllib.request
from fractions import Fraction

import numpy as np
import pytest

import foleycli
from foleycli.config import GenerateConfig
from foleycli.pages.edit.project import open_project
from foleycli.spot.cues import read_cues
from tests.films import strikes, write_film
from tests.pages.browser import open_browser, until
from tests.pages.editing import SHEET, edited, ready

READY = "window.foley && foley.model.state.stage === 'ready' && foley.model.frames !== null"


@pytest.fixture
def film(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "shot_cues.csv").write_text(SHEET)
    return write_film(folder / "shot.mp4", strikes([0.5, 1, 1.5, 2, 2.5], 3))


class Hands:
    """What a person does on the page, counted."""

    def __init__(self, page) -> None:
        self.page, self.actions = page, 0
        box = page.evaluate("(() => { const b = foley.lanes.canvas.getBoundingClientRect();"
                            " return [b.left, b.top]; })()")  # fmt: skip
        self.left, self.top = box

    def at(self, number: int) -> tuple[float, float]:
        """A place on an event of the sheet."""
        x, y, width, height = self.page.evaluate(
            "n => { const b = foley.lanes.box(foley.model.events.get(n));"
            " return [b.x, b.y, b.width, b.height]; }",
            number,
        )
        return self.left + x + min(width / 2, 9), self.top + y + height - 3

    def click(self, number: int) -> None:
        self.page.mouse.click(*self.at(number))
        self.actions += 1

    def drag(self, number: int, seconds: float) -> None:
        x, y = self.at(number)
        by = seconds * self.page.evaluate("foley.lanes.scale")
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for share in (0.3, 0.7, 1):
            self.page.mouse.move(x + share * by, y)
        self.page.mouse.up()
        self.actions += 1

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.actions += 1

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.actions += 1


def test_a_minute_from_a_guess_to_what_the_editor_wants(film, tmp_path) -> None:
    with edited(film) as server, open_browser(offline=False, color_scheme="dark") as page:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(server.address)
        until(page, READY)
        page.wait_for_timeout(300)
        hands = Hands(page)
        revision = "foley.model.state.revision"

        def word(number: int, text: str, then: int) -> None:
            hands.click(number)
            hands.press("Enter")
            hands.write(text)
            hands.press("Enter")
            until(page, f"{revision} === {then}")

        word(3, "coin drop", 1)  # 1: the bed is 1, the hits follow
        word(5, "metal hit", 2)
        hands.drag(2, 0.25)
        until(page, f"{revision} === 3")
        hands.drag(4, -0.125)
        until(page, f"{revision} === 4")
        hands.click(6)
        hands.press("Delete")
        until(page, f"{revision} === 5")
        hands.click(2)
        until(page, "document.querySelectorAll('#alternatives button').length >= 3")
        hands.press("2")
        until(page, f"{revision} === 6")
        hands.press("Control+Enter")
        said = until(page, "/shot_sfx.mp4/.test(document.getElementById('status').textContent)")
        assert said and hands.actions <= 20
        assert not page.troubles
        latencies = page.evaluate("foley.sound.latencies")
        assert latencies and np.median(latencies) < 1000  # of a busy machine; docs/edit.md has more
    made = film.with_name("shot_sfx.mp4")
    cues = read_cues(film.with_name("shot_cues.csv"))
    assert [c.what for c in cues] == ["wind in trees", "door slam", "coin drop", "door slam",
                                      "metal hit"] or len(cues) == 5  # fmt: skip
    moved = [float(c.start) for c in cues if c.what == "door slam"]
    assert moved == [0.75, 1.375] and cues[1].recording
    out = tmp_path / "again" / "shot_sfx.mp4"
    out.parent.mkdir()
    config = GenerateConfig(model="library", cues=str(film.with_name("shot_cues.csv")))
    foleycli.generate(film, out, config)
    assert made.read_bytes() == out.read_bytes()


def test_what_nobody_touched_is_the_same_byte_for_byte(film) -> None:
    project = open_project(film, GenerateConfig(model="library"))
    ready(project)
    desk, rate = project.desks[0], 48_000
    assert desk.hearing and desk.session
    whole = desk.hearing.samples
    first = desk.sheet.read_bytes()
    before = desk.hearing.mix(0, whole)
    edits = [
        ("move", {2: {"start": "0.625"}}, []),
        ("word", {3: {"what": "metal hit"}}, []),
        ("delete", {4: None}, []),
        ("add", {}, [{"start": "2.25", "what": "door slam", "layer": "hard"}]),
        ("level", {6: {"level_db": "-12"}}, []),
    ]
    for label, rows, added in edits:
        spans = desk.change(label, rows, added, None)
        after = desk.hearing.mix(0, whole)
        other = np.ones(whole, bool)
        for start, end in spans:
            other[round(start * rate) : round(end * rate) + 1] = False
        assert 0.3 < other.mean() < 1 and np.array_equal(before[other], after[other])
        assert not np.array_equal(before, after)
        source = project.source()
        cues = [cue for _, cue in desk.session.cues()]
        config = GenerateConfig(model="library")
        blocks = source.render_in(desk.hearing.space, desk.looked.features, cues, config)
        rendered = np.concatenate([*blocks])
        assert np.array_equal(rendered, after)
        assert read_cues(desk.sheet) == cues
        before = after
    for _ in edits:
        desk.undo()
    assert desk.sheet.read_bytes() == first
    project.close()


def test_a_row_that_there_is_no_recording_of_says_so(film) -> None:
    project = open_project(film, GenerateConfig(model="library"))
    ready(project)
    desk = project.desks[0]
    assert not any(unheard(desk))
    desk.change("another word", {2: {"what": "theremin"}}, [], None)
    assert unheard(desk) == [number == 2 for number, _ in desk.session.cues()]
    desk.undo()
    project.close()


def unheard(desk) -> list[bool]:
    heard = desk.hearing.heard()
    return [desk.hearing.is_unheard(number, cue, heard) for number, cue in desk.session.cues()]


def test_what_is_moved_keeps_its_sound(film) -> None:
    project = open_project(film, GenerateConfig(model="library"))
    ready(project)
    desk = project.desks[0]
    was = desk.hearing.heard()
    desk.change("move", {2: {"start": "0.75"}, 1: {"start": "0.25"}}, [], None)
    now = desk.hearing.heard()
    for number in was:
        assert (was[number].recording, was[number].chance) == (
            now[number].recording, now[number].chance)  # fmt: skip
    hit = desk.hearing.mix(round(0.7 * 48_000), round(0.75 * 48_000) + 4000, frozenset({1}))
    desk.undo()
    old = desk.hearing.mix(round(0.45 * 48_000), round(0.5 * 48_000) + 4000, frozenset({1}))
    assert np.array_equal(hit, old)
    assert next(m.recording.id for m in desk.hearing.alternatives(2)) == was[2].recording
    assert 3 <= len({m.recording.id for m in desk.hearing.alternatives(2)}) <= 5
    project.close()


def numbered(count: int, height: int = 240):
    """Frames that say their number in twelve black and white squares."""
    for number in range(count):
        frame = np.full((height, 480, 3), 128, np.uint8)
        for bit in range(12):
            frame[80:160, 40 * bit : 40 * bit + 40] = 255 * (number >> bit & 1)
        yield frame


READ = """() => { const v = foley.film.video, c = new OffscreenCanvas(480, 240).getContext('2d');
  c.drawImage(v, 0, 0, 480, 240);
  let n = 0;
  for (let b = 0; b < 12; b++)
    if (c.getImageData(40 * b + 20, 120, 1, 1).data[0] > 127) n |= 1 << b;
  return n; }"""


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001)])
def test_the_picture_that_is_seen_is_the_frame_that_is_meant(rate, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    count = round(9 * rate)
    film = write_film(tmp_path / "numbers.mp4", numbered(count), rate)
    (tmp_path / "numbers_cues.csv").write_text("start,what\n0.5,door slam\n")
    with edited(film) as server, open_browser(offline=False) as page:
        page.goto(server.address)
        until(page, READY)
        chance = np.random.default_rng(1)
        edges = [0, 1, count - 1, round(4 * rate) - 1, round(4 * rate), round(8 * rate)]
        for number in [*edges, *map(int, chance.integers(count, size=14))]:
            page.evaluate("n => foley.hands.seek(foley.model.startOf(n))", number)
            until(page, "!foley.film.video.seeking && foley.film.loading.size === 0")
            page.wait_for_timeout(60)
            assert page.evaluate(READ) == number
            time = page.evaluate("foley.time")
            assert time == pytest.approx(float(number / rate), abs=1e-4)
        page.evaluate("foley.hands.seek(1)")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        until(page, "!foley.film.video.seeking")
        page.wait_for_timeout(80)
        assert page.evaluate(READ) == int(rate) + 3
        assert not page.troubles


def test_two_windows_see_the_same_and_do_not_fight(film) -> None:
    with edited(film) as server, open_browser(offline=False) as page:
        other = page.context.new_page()
        for each in (page, other):
            each.troubles = []
            each.goto(server.address)
            until(each, READY)
        page.evaluate("foley.model.change('move', {2: {start: '0.75'}})")
        until(other, "foley.model.events.get(2).start === 0.75")
        assert other.evaluate("foley.model.state.revision") == 1
        answers = other.evaluate(
            "Promise.all([2, 2].map(n => fetch('api/change/0', {method: 'POST', headers:"
            " {'Content-Type': 'application/json'}, body: JSON.stringify({base: 1, rows:"
            " {2: {start: String(0.8 + Math.random())}}})}).then(a => a.status)))"
        )
        assert sorted(answers) == [200, 409]
        sheet = film.with_name("shot_cues.csv")
        sheet.write_text("start,what\n1,rain\n")  # by another program
        until(page, "foley.model.order.length === 1 && foley.model.order[0].what === 'rain'")
        until(other, "foley.model.order.length === 1")
        page.keyboard.press("Control+z")
        until(other, "foley.model.order.length === 6")


def test_another_page_gets_nothing(film) -> None:
    project = open_project(film, GenerateConfig(model="library"))
    from foleycli.pages.edit.server import Server

    with edited_again(Server(project)) as server:
        ready(project)
        base = server.address

        def ask(path: str = "", data: bytes | None = None, **headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            request = urllib.request.Request(base + path, data, named)
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code

        own = f"http://127.0.0.1:{server.port}"
        assert ask() == 200 and ask("api/state/0", Origin=own) == 200
        bare = f"http://127.0.0.1:{server.port}/"
        for address in (bare, bare + "api/state/0", bare + "x" * 32 + "/api/state/0"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(address, timeout=10)
        body = json.dumps({"rows": {"2": None}}).encode()
        for headers in ({"Host": "evil.example"}, {"Host": f"evil.example:{server.port}"},
                        {"Origin": "https://evil.example"}, {"Origin": "null"},
                        {"Sec_Fetch_Site": "cross-site"}):  # fmt: skip
            assert ask("api/change/0", body, **headers) == 403
            if "Sec_Fetch_Site" not in headers:
                assert ask("api/state/0", **headers) == 403
        assert ask("media/piece/0/0", Sec_Fetch_Site="cross-site") == 403
        for path in ("../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "page.py", "server.py",
                     "api/state/7", "api/state/-1", "media/piece/0/../../x"):  # fmt: skip
            assert ask(path) in (400, 403, 404)
        assert ask("api/like/0?name=x.wav", b"\0" * (33 << 20)) == 400
        assert ask("api/like/0?name=../../x.py", b"print()") == 400
        assert ask("api/change/0", b"[" * 100_000) == 400
        for path in (
            "media/sound/0?from=inf&to=inf", "media/sound/0?from=nan&to=1", "media/sound/0",
            "media/sound/0?from=0&to=1&take=x", "media/strip/0?at=inf", "media/strip/0?at=1e400",
            "media/own/0?from=inf&to=inf", "media/peaks/0?from=1e9&to=2",
            "media/peaks/0?from=0&to=1&take=99", "api/score/0/99", "api/state/" + "9" * 40,
        ):  # fmt: skip
            assert ask(path) == 400, path
        assert ask("media/piece/0/" + "9" * 300) == 204
        for said in (b'{"rows": {"2": {"start": NaN}}}', b'{"rows": {"2": {"start": 1e999}}}', b"",
                     b'{"rows": {"1e9": null}}', b'{"rows": {"2": []}}', b'{"added": [1]}', b"\xff",
                     b'{"rows": {"2": {"start": "1"}}, "base": "x"}'):  # fmt: skip
            assert ask("api/change/0", said) == 400, said
        assert ask("api/keep/0", b'{"seed": 1e999}') == ask("api/keep/0", b'{"seed": 77}') == 400
        assert ask("api/change/0", b'{"rows": {"2": {"what": ["a"]}}}') == 400
        with urllib.request.urlopen(base, timeout=10) as answer:
            said = {name.lower(): value for name, value in answer.headers.items()}
            assert "access-control-allow-origin" not in said
            assert "default-src 'none'" in said["content-security-policy"]
            assert "unsafe" not in said["content-security-policy"]
    assert len(read_cues(film.with_name("shot_cues.csv"))) == 6


def test_a_balance_is_seen_as_curves_and_an_edited_table_at_the_next_look(film) -> None:
    table = film.with_name("gains.csv")
    table.write_text("start,end,dialogue_db,effects_db\n0,1,3,-6\n1,3,3,0\n")
    with edited(film) as server, open_browser(offline=False) as page:
        server.project.gains = table
        page.goto(server.address)
        until(page, READY)
        ends = "Object.entries(foley.model.gains).map(([stem, p]) => [stem, p[0][1], p.at(-1)[1]])"
        assert page.evaluate(ends) == [["dialogue", 3, 3], ["effects", -6, 0]]
        assert page.get_by_text("gains", exact=True).is_visible()
        top = page.evaluate("foley.lanes.top(foley.lanes.layers[0])")
        table.write_text("start,end,music_db\n0,3,-2\n")
        page.evaluate("dispatchEvent(new Event('focus'))")
        until(page, f"{ends}[0][0] === 'music'")
        server.project.gains = None
        page.evaluate("dispatchEvent(new Event('focus'))")
        until(page, f"foley.lanes.top(foley.lanes.layers[0]) === {top - 44}")
        assert not page.troubles


def test_the_address_on_a_command_line_opens_the_page_once(film) -> None:
    from foleycli.pages.edit.server import Server

    project = open_project(film, GenerateConfig(model="library"))
    with edited_again(Server(project)) as server:
        address = f"http://127.0.0.1:{server.port}/{server.app.once}"
        assert server.token not in address
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.url == server.address and answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address, timeout=10)


def test_a_dropped_sound_harms_no_file_and_fills_no_memory(film) -> None:
    import io

    import soundfile

    from foleycli.errors import UsageError
    from foleycli.pages.edit.like import keep_sound

    sheet, silent = film.with_name("shot_cues.csv"), io.BytesIO()
    soundfile.write(silent, np.zeros(4800), 48_000, format="WAV")
    own = film.with_name("mine.wav")
    own.write_bytes(silent.getvalue())
    with pytest.raises(UsageError, match="silent"):
        keep_sound(sheet, "mine.wav", silent.getvalue())
    assert own.read_bytes() == silent.getvalue()  # the person's own file of the same name stays
    hours = io.BytesIO()
    with soundfile.SoundFile(hours, "w", 8000, 1, format="FLAC") as file:
        for _ in range(4):
            file.write(np.zeros(100 * 8000))
    assert len(hours.getvalue()) < 200_000
    with pytest.raises(UsageError, match="over 300 s"):
        keep_sound(sheet, "hours.flac", hours.getvalue())
    for name, data in (("x.wav", b"RIFF"), ("x.exe", b"MZ"), ("\0.wav", b"")):
        with pytest.raises(UsageError):
            keep_sound(sheet, name, data)
    assert sorted(path.name for path in film.parent.glob("*.wav")) == ["mine.wav"]


def test_a_sheet_that_cannot_be_read_does_not_end_the_watch(film) -> None:
    project = open_project(film, GenerateConfig(model="library"))
    ready(project)
    desk, said = project.desks[0], []
    project.listeners.append(said.append)
    whole = desk.sheet.read_bytes()
    desk.sheet.write_bytes(b"start,what\n\xff\xfe,\x00\n")
    desk.look_for_changes()
    desk.sheet.unlink()
    desk.sheet.mkdir()
    desk.look_for_changes()
    assert all("cannot be read" in each.get("notice", "") for each in said) and len(said) == 2
    desk.sheet.rmdir()
    desk.look_for_changes()
    assert desk.sheet.read_bytes() == whole
    project.close()


def test_ended_while_it_looks_it_stops_looking(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    film = write_film(tmp_path / "long.mp4", strikes([0.5], 20))
    project = open_project(film, GenerateConfig(model="library"))
    project.close()
    desk = project.desks[0]
    assert not desk._thread.is_alive() and desk.stage != "ready" and not desk.trouble
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["long.mp4"]


def test_closed_while_it_renders_nothing_is_left_behind(film) -> None:
    project = open_project(film, GenerateConfig(model="library"))
    ready(project)
    began = threading.Event()
    project.listeners.append(lambda said: began.set() if "rendering" in said else None)
    before = {path.name for path in film.parent.iterdir()}
    project.render(overwrite=False)
    assert began.wait(30)
    project.close()
    left = {path.name for path in film.parent.iterdir()} - before
    assert left <= {"shot_sfx.mp4", "shot_sfx.foley.json"} and len(left) != 1  # all, or nothing


def test_words_are_words_and_no_markup(film) -> None:
    mark = "<img src=x onerror=window.evil=1> & \"quotes\" 'and' </script>"
    with edited(film) as server, open_browser(offline=False) as page:
        page.goto(server.address)
        until(page, READY)
        page.evaluate("w => foley.model.change('w', {2: {what: w, evidence: w}})", mark)
        until(page, "foley.model.state.revision === 1")
        page.evaluate("foley.model.select([foley.model.events.get(2)])")
        until(page, "document.getElementById('what').value.includes('<img')")
        page.wait_for_timeout(200)
        assert page.evaluate("window.evil === undefined && !document.querySelector('img')")


def test_ranges_of_the_sound(film) -> None:
    project = open_project(film, GenerateConfig(model="library"))
    from foleycli.pages.edit.server import Server

    with edited_again(Server(project)) as server:
        ready(project)
        whole = project.desks[0].hearing.mix(0, 144_000).astype("<f4").tobytes()

        def part(ranges: str) -> tuple[bytes, str]:
            request = urllib.request.Request(
                f"{server.address}media/mix/0", headers={"Range": ranges}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.status == 206
                return answer.read(), answer.headers["Content-Range"]

        assert part("bytes=0-99") == (whole[:100], f"bytes 0-99/{len(whole)}")
        assert part("bytes=100003-200001")[0] == whole[100_003:200_002]
        assert part("bytes=-8")[0] == whole[-8:]
        assert part("bytes=0-3,8-9")[0] == whole  # several: all of it
        for none in (f"bytes={len(whole)}-", "bytes=9-2", "bytes=-0"):
            with pytest.raises(urllib.error.HTTPError, match="416") as refused:
                part(none)
            assert refused.value.headers["Content-Range"] == f"bytes */{len(whole)}"
        digest = hashlib.sha256(part("bytes=0-")[0]).digest()
        assert digest == hashlib.sha256(whole).digest()


def edited_again(server):
    """As `edited`, for a server that is there already."""
    import threading
    from contextlib import contextmanager

    @contextmanager
    def run():
        told = threading.Event()
        thread = threading.Thread(
            target=server.run, kwargs={"show": False, "told": lambda _: told.set()}
        )
        thread.start()
        told.wait(20)
        try:
            yield server
        finally:
            server._server.should_exit = True
            thread.join(20)

    return run()
