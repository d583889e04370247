"""`foley edit` edited without mercy: seeded edits, killed in the middle, rendered and undone.

    python benchmarks/edit.py CLIP [--edits 500] [--kills 50] [--events 0]

A copy of CLIP is edited through the page's own addresses: events are moved, renamed, made softer,
deleted, added, given other recordings, and edits are undone. In each of the runs the server is
killed (SIGKILL) at a random moment. Then: is all that was answered on disk; is the video from the
page the one that `foley gen --cues` makes, byte for byte; does undoing everything give the first
sheet back, byte for byte; and how long is it from a change to the sound that has it (the answer to
the change and the second of sound around it, over loopback; a browser adds its own).

`--events N` edits a sheet of N hits over the clip's length, in place of what is seen. `--first`
only measures the processor time until a second is there that nobody has heard, without a server.
"""

import argparse
import http.client
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from fractions import Fraction
from pathlib import Path

import numpy as np

from foleycli.clip.probe import probe
from foleycli.config import GenerateConfig
from foleycli.pages.edit.hearing import RATE, LibraryHearing
from foleycli.sources.library import LibrarySource
from foleycli.spot.cues import Cue, read_cues
from foleycli.spot.features import Features

WORDS = (
    "door slam",
    "glass clink",
    "footsteps on gravel",
    "metal hit",
    "dog barking",
    "wood impact",
)
LONGEST_RENDER = 600  # seconds
FOLEY = (sys.executable, "-m", "foleycli.cli.main")


class Page:
    """What the page asks of its server."""

    def __init__(self, film: Path) -> None:
        words = [*FOLEY, "edit", str(film), "--json", "--model", "library"]
        self.run = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.run.stdout
        if not (line := self.run.stdout.readline()):
            raise SystemExit("foley edit did not start: its reason stands above")
        self.address = json.loads(line)["address"]
        while (state := self.ask("api/state/0"))["stage"] != "ready":
            if state["stage"] == "failed":
                raise SystemExit(state["trouble"])
            time.sleep(0.05)
        self.state = state

    def ask(self, path: str, body: object = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def hear(self, at: float) -> None:
        first = max(0, int(at))
        address = f"{self.address}media/sound/0?from={first}&to={first + 1}"
        urllib.request.urlopen(urllib.request.Request(address, b"[]"), timeout=120).read()


def edit(page: Page, chance: random.Random, length: float) -> tuple[str, object, float]:
    """An edit: its address, what it says, and where it is heard."""
    events = page.state["events"]
    event = chance.choice(events) if events else None
    at = round(chance.uniform(0, length), 3)
    kinds = ("move", "word", "level", "other", "delete", "add", "undo")
    kind = chance.choices(kinds, (5, 3, 3, 3, 1, 2, 2))[0]
    if event is None or kind == "add":
        added = {"start": at, "what": chance.choice(WORDS)}
        return "api/change/0", {"label": "add", "added": [added]}, at
    if kind == "undo":
        return "api/undo/0", {}, at
    fields: dict[str, object] | None = {
        "move": {"start": at},
        "word": {"what": chance.choice(WORDS), "recording": ""},
        "level": {"level_db": round(chance.uniform(-20, 6), 1)},
        "delete": None,
    }.get(kind, {})
    if kind == "other":
        found = page.ask(f"api/alternatives/0/{event['id']}")
        fields = {"recording": chance.choice(found)["recording"]} if found else {"level_db": -3}
    heard = at if kind == "move" else event["start"]
    rows = {event["id"]: fields}
    return "api/change/0", {"label": kind, "rows": rows, "base": page.state["revision"]}, heard


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", action="store_true")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    if options.first:
        hear_first(options.clip, chance, options.events or 100)
        return
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / options.clip.name
        shutil.copyfile(options.clip, film)
        measure(film, chance, options)


def hear_first(clip: Path, chance: random.Random, events: int) -> None:
    length = int(probe(clip).duration or 1)
    rows = [Cue(start=Fraction(chance.randrange(1000 * length), 1000), duration=Fraction(1),
                kind="hit", what=chance.choice(WORDS)) for _ in range(events)]  # fmt: skip
    nothing = np.zeros(0, np.float32)
    seen = Features.assemble(np.zeros((1, 384), np.float32), nothing, nothing, Fraction(length))
    hearing = LibraryHearing(LibrarySource(), seen, GenerateConfig(model="library"))
    hearing.set_cues(list(enumerate(rows, 1)))
    used = []
    for second in chance.sample(range(length), length):
        began = time.process_time()
        hearing.mix(second * RATE, (second + 1) * RATE)
        used.append(1000 * (time.process_time() - began))
    print(f"{events / length:.0f} events a second: a second that nobody has heard takes "
          f"{np.median(used):.0f} ms of processor time (median of {length}; the first "
          f"{used[0]:.0f} ms, the most {max(used):.0f} ms)")  # fmt: skip


def measure(film: Path, chance: random.Random, options: argparse.Namespace) -> None:
    length = float(probe(film).duration or 1)
    sheet = film.with_name(f"{film.stem}_cues.csv")
    if options.events:
        rows = [f"{chance.uniform(0, length):.3f},{chance.choice(WORDS)}"
                for _ in range(options.events)]  # fmt: skip
        sheet.write_text("\n".join(["start,what", *rows]) + "\n")
    done, lost, waits, first = 0, 0, [], b""
    for run in range(options.kills + 1):
        page = Page(film)
        first = first or sheet.read_bytes()
        lost += page.state["revision"] < done
        done = page.state["revision"]
        here = -(-options.edits // (options.kills + 1))
        for number in range(here):
            path, body, at = edit(page, chance, length)
            if run < options.kills and number == here - 1:  # the last one of a run is cut short
                delay = chance.uniform(0, 0.06)
                killer = threading.Timer(delay, page.run.kill)
                killer.start()
            began = time.perf_counter()
            try:
                page.state = page.ask(path, body)
                done = page.state["revision"]
                page.hear(at)
                waits.append(time.perf_counter() - began)
            except urllib.error.HTTPError as error:  # an edit that is refused is a fault
                page.run.kill()
                raise SystemExit(f"{path}: {error.code} {error.read().decode()}") from error
            except (OSError, ValueError, urllib.error.URLError, http.client.HTTPException):
                break
        if run < options.kills:
            page.run.wait()
    same = [f"{cue.start} {cue.what}" for cue in read_cues(sheet)]
    on_page = [f"{json.loads(json.dumps(e['start']))}" for e in page.state["events"]]
    print(f"{len(waits)} edits answered, {options.kills} kills, {lost} lost; "
          f"{len(same)} cues on disk, {len(on_page)} on the page")  # fmt: skip
    print(f"change to sound: median {1000 * np.median(waits):.0f} ms, 95 % within "
          f"{1000 * np.quantile(waits, 0.95):.0f} ms")  # fmt: skip
    print(f"video from the page is that of foley gen --cues: {rendered_alike(page, film, sheet)}")
    while page.ask("api/undo/0", {})["undo"]:
        pass
    print(f"undone to the first sheet, byte for byte: {sheet.read_bytes() == first}")
    page.run.kill()


def rendered_alike(page: Page, film: Path, sheet: Path) -> bool:
    out = film.with_name(f"{film.stem}_sfx{film.suffix}")
    page.ask("api/render", {"overwrite": True})
    recipe = out.with_suffix(".foley.json")
    began = time.monotonic()
    while not (recipe.is_file() and out.is_file()):  # the recipe may be there before its video
        if page.run.poll() is not None or time.monotonic() - began > LONGEST_RENDER:
            raise SystemExit(f"{out.name} was not rendered")
        time.sleep(0.2)
    other = film.with_name(f"other{film.suffix}")
    words = ["gen", str(film), "--cues", str(sheet), "-o", str(other), "--model", "library"]
    subprocess.run([*FOLEY, *words], check=True, capture_output=True)
    return out.read_bytes() == other.read_bytes()


if __name__ == "__main__":
    main()
