"""The page's address, who may ask there, and what is asked.

Loopback only. Every address begins with a token that only the person who started it knows; the Host
must be ours (a name that was bent to this machine is refused), and so must the Origin of every
request that has one. Nothing is served but the page, its script and this session's media.
"""

import asyncio
import hmac
import json
import logging
import secrets
import socket
import threading
import webbrowser
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foleycli.config import EDIT, OUTPUT
from foleycli.errors import FoleyError, UsageError
from foleycli.highlight.curves import STEMS, fill_gaps, keyframes, read_gains
from foleycli.library.bank import Bank
from foleycli.pages.edit.hearing import RATE, Hearing, LibraryHearing, pinned, seconds_of
from foleycli.pages.edit.project import Desk, Project
from foleycli.pages.edit.session import ConflictError
from foleycli.spot.cues import LAYERS, NO_RECORDING
from foleycli.waveform.loudness import limit_peaks

LOG = logging.getLogger("foleycli")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PAGES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    **{
        name: (name, "text/javascript; charset=utf-8")
        for name in ("page.js", "model.js", "lanes.js", "film.js", "sound.js", "keys.js")
    },
}
MOST_WORDS = 6_000  # that are completed
MOST_BODY = 8 << 20  # bytes of a change
MOST_SECONDS = 30  # of sound in one answer
LOOK_SECONDS = 0.5  # between two looks at the sheet on disk
# what comes of numbers and documents that nobody should send: too large, too deep, none at all
NOT_UNDERSTOOD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError,
                  ValueError)  # fmt: skip


class RangeError(Exception):
    """A range of bytes that is not there."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.total = total


class Guard:
    """Lets in who has the token and asks from our own page; and says what the page may do."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.once = secrets.token_urlsafe(24)  # opens the page one time
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if self.opens(scope):
            headers = {**HEADERS, "Location": f"/{self.token}/"}
            await Response(status_code=307, headers=headers)(scope, receive, send)
            return
        refusal = self.refusal(scope)
        if refusal or scope["type"] != "http":
            if scope["type"] == "http":
                await Response(refusal, 403, HEADERS)(scope, receive, send)
            return
        path = scope["path"][len(self.token) + 1 :]
        inner = {**scope, "path": path or "/", "raw_path": (path or "/").encode()}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((k.lower().encode(), v.encode()) for k, v in HEADERS.items()
                      if k.lower().encode() not in own),
                ]  # fmt: skip
            await send(message)

        await self.app(inner, receive, with_headers)

    def opens(self, scope: Scope) -> bool:
        """Whether a request is the one that our own browser begins with. Command lines, which
        others on this machine may read, hold this address, never the token."""
        if scope["type"] != "http" or not self.once or scope["path"] != f"/{self.once}":
            return False
        self.once = ""
        return not self.refusal({**scope, "path": f"/{self.token}/"})

    def refusal(self, scope: Scope) -> str:
        """Why a request is refused; "" where it is let in."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if headers.get("host", "").lower() not in self.hosts:
            return "This address is for this machine only."
        if "origin" in headers and headers["origin"].lower() not in self.origins:
            return "Another page may not ask here."
        site = headers.get("sec-fetch-site", "same-origin")
        typed = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in ("same-origin", "none") and not typed:
            return "Another page may not ask here."
        given = scope["path"].split("/")[1] if scope["path"].startswith("/") else ""
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return "The address lacks its token: take the one that `foley edit` printed."
        if scope["method"] == "POST" and "origin" not in headers and "sec-fetch-site" in headers:
            return "A change must say where it comes from."
        return ""


class Server:
    """The page of one project."""

    def __init__(self, project: Project, port: int = 0) -> None:
        self.project = project
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind(("127.0.0.1", port))
            self.socket.listen(128)  # who asks before we answer waits
        except OSError as error:
            raise UsageError(
                f"Port {port} cannot be used: {error.strerror}.", "Give another --port, or none."
            ) from error
        self.port = self.socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        self.address = f"http://127.0.0.1:{self.port}/{self.token}/"
        self._queues: set[asyncio.Queue[dict[str, Any]]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self.app = Guard(Starlette(routes=self._routes()), self.token, self.port)
        project.listeners.append(self._tell)

    def _routes(self) -> list[Route]:
        return [
            *(Route(f"/{name}", _page(*about)) for name, about in PAGES.items()),
            Route("/api/project", self._asked(self._project)),
            Route("/api/state/{desk:int}", self._asked(self._state)),
            Route("/api/curves/{desk:int}", self._asked(self._curves)),
            Route("/api/gains/{desk:int}", self._asked(self._gains)),
            Route("/api/words", self._asked(self._words)),
            Route("/api/alternatives/{desk:int}/{row:int}", self._asked(self._alternatives)),
            Route("/api/change/{desk:int}", self._asked(self._change), methods=["POST"]),
            Route("/api/undo/{desk:int}", self._asked(self._undo), methods=["POST"]),
            Route("/api/redo/{desk:int}", self._asked(self._redo), methods=["POST"]),
            Route("/api/score/{desk:int}/{seed:int}", self._asked(self._score)),
            Route("/api/keep/{desk:int}", self._asked(self._keep), methods=["POST"]),
            Route("/api/render", self._asked(self._render), methods=["POST"]),
            Route("/api/like/{desk:int}", self._asked(self._like), methods=["POST"]),
            Route("/api/events", self._events),
            Route("/media/piece/{desk:int}/{number:int}", self._asked(self._piece)),
            Route("/media/strip/{desk:int}", self._asked(self._strip)),
            Route("/media/sound/{desk:int}", self._asked(self._sound), methods=["GET", "POST"]),
            Route("/media/mix/{desk:int}", self._asked(self._wave)),
            Route("/media/own/{desk:int}", self._asked(self._own)),
            Route("/media/peaks/{desk:int}", self._asked(self._peaks)),
        ]

    def run(self, *, show: bool = True, told: Callable[[str], None] = print) -> None:
        """Serve until Ctrl-C."""
        config = uvicorn.Config(
            self.app, log_level="error", access_log=False, lifespan="off", ws="none",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        told(self.address)
        if show:
            address = f"http://127.0.0.1:{self.port}/{self.app.once}"
            threading.Timer(0.3, webbrowser.open, [address]).start()
        try:
            asyncio.run(self._serve())
        finally:
            self.project.close()

    async def _serve(self) -> None:
        assert self._server is not None
        self._loop = asyncio.get_running_loop()
        watch = asyncio.create_task(self._watch())
        await self._server.serve(sockets=[self.socket])
        watch.cancel()

    async def _watch(self) -> None:
        """Notice sheets that other programs change."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for desk in self.project.desks:
                try:
                    await run_in_threadpool(desk.look_for_changes)
                except Exception:  # one bug must not end the watch over all sheets
                    LOG.exception("%s: a bug", desk.title)

    def _tell(self, said: dict[str, Any]) -> None:
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._spread, said)

    def _spread(self, said: dict[str, Any]) -> None:
        for queue in list(self._queues):
            if queue.full():  # a window that sleeps asks for everything when it wakes
                self._queues.discard(queue)
            else:
                queue.put_nowait(said)

    def _asked(self, answer: Callable[..., Any]) -> Callable[[Request], Any]:
        """An endpoint that works in a thread and says what a user can mend."""

        async def endpoint(request: Request) -> Response:
            try:
                body = await _body(request) if request.method == "POST" else b""
                answered = await run_in_threadpool(answer, request, body)
            except ConflictError as error:
                return JSONResponse({"problem": error.problem, "remedy": error.remedy}, 409)
            except FoleyError as error:
                return JSONResponse({"problem": error.problem, "remedy": error.remedy}, 400)
            except RangeError as error:
                headers = {"Content-Range": f"bytes */{error.total}"}
                return Response(status_code=416, headers=headers)
            except NOT_UNDERSTOOD as error:
                return JSONResponse({"problem": f"Not understood: {error}", "remedy": ""}, 400)
            except OSError as error:
                return JSONResponse({"problem": f"{error}.", "remedy": ""}, 400)
            except ClientDisconnect:
                return Response(status_code=499)
            return answered if isinstance(answered, Response) else JSONResponse(answered)

        return endpoint

    def _desk(self, request: Request) -> Desk:
        number = request.path_params["desk"]
        if not 0 <= number < len(self.project.desks):
            raise UsageError("There is no such shot.", "")
        desk = self.project.desks[number]
        desk.open()
        return desk

    def _project(self, request: Request, body: bytes) -> Any:
        return {
            "titles": [desk.title for desk in self.project.desks],
            "out": str(self.project.out),
            "reel": self.project.plan is not None,
            "layers": LAYERS,
            "piece": EDIT.proxy_seconds,
            "rate": OUTPUT.sample_rate,
            "takes": self.project.takes,
            "showTakes": self.project.show_takes,
        }

    def _state(self, request: Request, body: bytes) -> Any:
        desk = self._desk(request)
        session, hearing = desk.session, desk.hearing
        heard = hearing.heard() if hearing else {}
        events = []
        revision, labels = 0, ("", "")
        if session:
            with session.lock:
                revision, labels = session.revision, session.labels()
                for number, cue in session.cues():
                    event = _event(number, session.rows[number], heard.get(number), cue)
                    if hearing and hearing.is_unheard(number, cue, heard):
                        event["unheard"] = NO_RECORDING
                    events.append(event)
        clip = desk.clip
        return {
            "title": desk.title,
            "sheet": desk.sheet.name,
            "duration": desk.duration,
            "frameRate": _fraction(clip.frame_rate),
            "width": desk.film.width,
            "height": desk.film.height,
            "timecode": str(clip.timecode) if clip.timecode else "",
            "own": bool(clip.audio),
            "speed": float(desk.speed),
            "stage": desk.stage,
            "done": desk.done,
            "trouble": desk.trouble,
            "model": hearing.source.name if hearing else desk.config.model,
            "instant": bool(hearing and hearing.instant),
            "seconds": hearing.seconds if hearing else 0,
            "channels": hearing.channels if hearing else 1,
            "take": desk.seed,
            "revision": revision,
            "undo": labels[0],
            "redo": labels[1],
            "events": events,
        }

    def _curves(self, request: Request, body: bytes) -> Response:
        """Motion at 64 points a second, frame times and cuts: a JSON line, then their bytes."""
        desk = self._desk(request)
        if desk.looked is None:
            return JSONResponse({"problem": "The film is being looked at.", "remedy": ""}, 404)
        features, frames = desk.looked.features, desk.looked.frames
        head = {
            "points": len(features.hits),
            "frames": len(frames),
            "cuts": [float(cut) for cut in features.cuts],
            "duration": float(features.duration),
        }
        line = json.dumps(head).encode() + b"\n"
        line = line[:-1] + b" " * (-len(line) % 8) + b"\n"  # so that what follows is aligned
        curves = [
            frames.astype("<f8"),
            features.hits.astype("<f4"),
            features.activity.astype("<f4"),
        ]
        return _bytes(line + b"".join(curve.tobytes() for curve in curves))

    def _gains(self, request: Request, body: bytes) -> Any:
        """The curves of a balance, [seconds, dB] from corner to corner, by stem."""
        if self.project.gains is None or self._desk(request) is not self.project.desks[0]:
            return {}
        spans = read_gains(self.project.gains)
        spans = fill_gaps(spans, spans[-1].end) if spans else []
        stems = [stem for stem in STEMS if any(stem in span.gains_db for span in spans)]
        return {
            stem: [[point.time, point.gain_db] for point in keyframes(spans, stem)]
            for stem in stems
        }

    def _words(self, request: Request, body: bytes) -> Any:
        source = self.project.source()
        bank = getattr(source, "bank", None)
        return _bank_words(bank if isinstance(bank, Bank) else Bank.open(None))

    def _alternatives(self, request: Request, body: bytes) -> Any:
        hearing = self._desk(request).hearing
        if not isinstance(hearing, LibraryHearing):
            return []
        number = request.path_params["row"]
        has = hearing.heard().get(number)
        return [
            {
                "recording": pinned(match.recording, has.chance if has else 0),
                "id": match.recording.id,
                "label": match.recording.label,
                "confidence": round(match.confidence, 2),
                "current": bool(has and match.recording.id == has.recording),
            }
            for match in hearing.alternatives(number)
        ]

    def _change(self, request: Request, body: bytes) -> Any:
        asked = json.loads(body)
        rows = {int(number): fields for number, fields in asked.get("rows", {}).items()}
        for fields in [*rows.values(), *asked.get("added", [])]:
            if fields is not None and not all(
                isinstance(value, str | int | float) for value in fields.values()
            ):
                raise UsageError("A field is a word or a number.", "")
        label = str(asked.get("label", "change"))[:80]
        desk, base = self._desk(request), asked.get("base")
        spans = desk.change(label, rows, asked.get("added", []), base)
        return {**self._state(request, b""), "spans": spans}

    def _undo(self, request: Request, body: bytes) -> Any:
        return {"spans": self._desk(request).undo(), **self._state(request, b"")}

    def _redo(self, request: Request, body: bytes) -> Any:
        return {"spans": self._desk(request).redo(), **self._state(request, b"")}

    def _score(self, request: Request, body: bytes) -> Any:
        """How well a take follows the picture; null where that is not told."""
        found = self._desk(request).score(request.path_params["seed"])
        if found is None:
            return None
        return {"sync": found.sync, "speech": found.speech, "music": found.music,
                "score": found.score}  # fmt: skip

    def _keep(self, request: Request, body: bytes) -> Any:
        spans = self._desk(request).keep_take(int(json.loads(body)["seed"]))
        return {"spans": spans, **self._state(request, b"")}

    def _render(self, request: Request, body: bytes) -> Any:
        self.project.render(overwrite=bool(json.loads(body).get("overwrite")))
        return {"rendering": True}

    def _like(self, request: Request, body: bytes) -> Any:
        """Keep a sound that was dropped on the page; the words that ask for sounds like it."""
        from foleycli.pages.edit.like import keep_sound

        desk = self._desk(request)
        path = keep_sound(desk.sheet, request.query_params.get("name", "sound"), body)
        return {"what": f"like:{path.name}"}

    async def _events(self, request: Request) -> Response:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1000)
        self._queues.add(queue)

        async def stream() -> AsyncIterator[str]:
            try:
                yield ": hello\n\n"
                while queue in self._queues:
                    if self._server is not None and self._server.should_exit:
                        return
                    try:
                        said = await asyncio.wait_for(queue.get(), 1.0)
                        yield f"data: {json.dumps(said)}\n\n"
                    except TimeoutError:
                        yield ": still here\n\n"
            finally:
                self._queues.discard(queue)

        return StreamingResponse(stream(), media_type="text/event-stream")

    def _piece(self, request: Request, body: bytes) -> Response:
        piece = self._desk(request).film.piece(request.path_params["number"])
        return _ranged(request, piece, "video/mp4") if piece else Response(status_code=204)

    def _strip(self, request: Request, body: bytes) -> Response:
        film = self._desk(request).film
        asked = request.query_params
        made = film.thumbnail(float(asked["at"]), asked.get("coarse") == "1")
        headers = {"Cache-Control": "private, max-age=600"}
        return Response(made, 200 if made else 404, headers, "image/jpeg")

    def _sound(self, request: Request, body: bytes) -> Response:
        """What is heard, limited as the output is: float32 samples (n, channels) of [from, to)
        seconds."""
        desk, asked = self._desk(request), request.query_params
        if (hearing := _heard(desk, asked)) is None:
            return Response(status_code=404)
        silent = frozenset(int(number) for number in json.loads(body or b"[]"))
        begin, end = _span(desk, float(asked["from"]), float(asked["to"]))
        margin = RATE // 8  # more than the limiter looks ahead and behind
        first = max(0, begin - margin)
        last = min(hearing.samples, end + margin)
        mixed = hearing.mix(first, last, silent)
        limited = np.concatenate([mixed[:0], *limit_peaks([mixed])])
        return _bytes(limited[begin - first : end - first].astype("<f4").tobytes())

    def _wave(self, request: Request, body: bytes) -> Response:
        """The samples (n, channels) before the limiter, float32 at 48 kHz, by ranges of bytes."""
        hearing = self._desk(request).hearing
        if hearing is None:
            return Response(status_code=404)
        each = 4 * hearing.channels
        total = hearing.samples * each
        first, last = _range(request, total)
        last = min(last, first + MOST_SECONDS * RATE * each)
        begin, end = first // each, -(-last // each)
        data = hearing.mix(begin, end).astype("<f4").tobytes()
        part = data[first - begin * each : last - begin * each]
        headers = {"Content-Range": f"bytes {first}-{last - 1}/{total}", "Accept-Ranges": "bytes"}
        return Response(part, 206, headers, "application/octet-stream")

    def _own(self, request: Request, body: bytes) -> Response:
        desk, asked = self._desk(request), request.query_params
        begin, end = float(asked["from"]), float(asked["to"])
        if not 0 <= begin <= end <= begin + MOST_SECONDS:
            raise UsageError("That is too much sound at once.", "")
        return _bytes(desk.film.own_sound(begin, end).astype("<f4").tobytes())

    def _peaks(self, request: Request, body: bytes) -> Response:
        desk, asked = self._desk(request), request.query_params
        if (hearing := _heard(desk, asked)) is None:
            return Response(status_code=404)
        first, last = int(asked["from"]), int(asked["to"])
        if not 0 <= first < last <= first + 2 * MOST_SECONDS:
            raise UsageError("That is too much sound at once.", "")
        return _bytes(hearing.peaks(first, last).tobytes())


def _heard(desk: Desk, asked: Mapping[str, str]) -> Hearing | None:
    """The take that a request is about: the one that is kept, where it does not say."""
    if desk.hearing is None or "take" not in asked:
        return desk.hearing
    return desk.take(int(asked["take"]))


def _page(name: str, kind: str) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        return Response(_file(name), media_type=kind)

    return endpoint


@cache
def _file(name: str) -> bytes:
    return (files("foleycli.pages.edit") / name).read_bytes()


async def _body(request: Request) -> bytes:
    """A request's body. One that is too long is read on for as much again and forgotten, since who
    is cut off while sending does not read why; one that still goes on is."""
    most = EDIT.upload_bytes if "/api/like" in request.url.path else MOST_BODY
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= most:
            body += part
        elif size > 2 * most:
            break
    if size > most:
        raise UsageError(f"That is more than {most >> 20} MB.", "Give a shorter sound.")
    return bytes(body)


def _event(number: int, row: dict[str, str], heard: Any, cue: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "id": number,
        **row,
        "start": float(cue.start),
        "duration": float(cue.duration),
        "level_db": cue.level_db,
        "confidence": cue.confidence,
        "pan": cue.pan,
        "distance": cue.distance,
        "group": number,
    }
    if heard is not None:
        event |= {
            "heard": heard.recording,
            "label": heard.label,
            "chance": str(heard.chance),
            "end": heard.end,
            "group": heard.group,
        }
    return event


@cache
def _bank_words(bank: Bank) -> list[str]:
    """Words that find something, the most usual first."""
    labels = Counter(recording.label for recording in bank.recordings)
    words = [word for category in bank.categories.values() for word in category.words]
    return list(dict.fromkeys([*words, *(label for label, _ in labels.most_common())]))[:MOST_WORDS]


def _span(desk: Desk, begin: float, end: float) -> tuple[int, int]:
    if not 0 <= begin <= end <= begin + MOST_SECONDS:
        raise UsageError("That is too much sound at once.", "")
    assert desk.hearing is not None
    return seconds_of(begin, end, desk.hearing.duration)


def _range(request: Request, total: int) -> tuple[int, int]:
    """The bytes [first, last) that a request wants; all of them where it does not say."""
    said = request.headers.get("range", "")
    if not said.startswith("bytes="):
        return 0, total
    first, _, last = said.removeprefix("bytes=").partition("-")
    if not (first or last) or not (first + last).isdecimal():
        return 0, total  # several ranges, or none that is meant: all of it may be sent
    if first:
        begin, end = int(first), min(int(last) + 1 if last else total, total)
    else:
        begin, end = max(0, total - int(last)), total
    if begin >= end:
        raise RangeError(total)
    return begin, end


def _ranged(request: Request, data: bytes, kind: str) -> Response:
    headers = {"Accept-Ranges": "bytes"}
    first, last = _range(request, len(data))
    if (first, last) == (0, len(data)):
        return Response(data, 200, headers, kind)
    headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(data)}"
    return Response(data[first:last], 206, headers, kind)


def _bytes(data: bytes) -> Response:
    return Response(data, media_type="application/octet-stream")


def _fraction(rate: Any) -> list[int] | None:
    return [rate.numerator, rate.denominator] if rate else None
