"""A vision-language model's server for tests, on loopback; it says what it is told to say."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

DOG: dict[str, Any] = {
    "place": "yard",
    "sounds": [
        {"words": "dog barking", "layer": "voices", "how": "hit", "seen": "a dog, on the left"},
        {"words": "wind blowing", "layer": "hard", "how": "hold", "seen": "trees that move"},
    ],
    "struck": "",
}


def says(answer: object) -> dict[str, Any]:
    """A chat completion whose message is an answer, as JSON where it is no text."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}


class Eyes:
    """What came in, and what goes out: a function of a request's body that returns a status and a
    body (bytes, or what becomes JSON)."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.models: list[str] = ["qwen2.5:7b", "qwen2.5vl:7b"]
        self.reply: Callable[[dict[str, Any]], tuple[int, Any]] = lambda body: (200, says(DOG))
        self.location = ""
        self.url = ""

    def pictures(self) -> list[Image.Image]:
        """The sheets that came in."""
        urls = [r["messages"][0]["content"][1]["image_url"]["url"] for r in self.requests]
        assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
        return [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls]


@contextmanager
def serve() -> Iterator[Eyes]:
    eyes = Eyes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"data": [{"id": name} for name in eyes.models]})

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            assert self.path.endswith("/v1/chat/completions")
            eyes.requests.append(json.loads(self.rfile.read(length)))
            eyes.headers.append(dict(self.headers))
            self._send(*eyes.reply(eyes.requests[-1]))

        def _send(self, status: int, body: Any) -> None:
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", eyes.location)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            with suppress(OSError):  # whoever asked has gone
                self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    eyes.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield eyes
    finally:
        server.shutdown()
        server.server_close()
