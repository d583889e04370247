"""A vision-language model behind an OpenAI-compatible address (``--eyes URL``).

Ollama, LM Studio, llama.cpp and vLLM speak the same words: ``GET /models`` and ``POST
/chat/completions`` with an ``image_url`` that holds the picture itself as a data URI, and
``response_format`` with a JSON schema (OpenAI's "Create chat completion" reference). Standard
library alone. Whatever the server does costs a `RudeError`, never more.
"""

import base64
import http.client
import ipaddress
import json
import logging
import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from foleycli.config import EYES, EyesConfig
from foleycli.documents import parse_json
from foleycli.errors import UsageError

LOG = logging.getLogger("foleycli")
KEY = "FOLEY_EYES_KEY"  # environment: what is sent as the bearer's token; never stored
SEES = re.compile(r"vl\b|vl[-_:.\d]|vision|llava|pixtral|gemma-?3|minicpm|moondream|vlm", re.I)
THOUGHTS = re.compile(r"<think>.*?</think>", re.S)
FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.S)


class RudeError(Exception):
    """The server did not do what was asked; ``gone``: nor will it soon."""

    def __init__(self, problem: str, *, gone: bool = False) -> None:
        super().__init__(problem)
        self.gone = gone


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server answers."""

    base: str  # http://localhost:1234/v1
    host: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """``localhost:1234``, ``http://host/v1`` or a whole ``.../chat/completions``.

        Raises:
            UsageError: it is no address, or holds a password, which would stand in recipes.
        """
        whole = url if "://" in url else f"http://{url}"
        try:
            parts = urlsplit(whole)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port, parts = "", None, urlsplit("")
        if parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:%-]+", host):
            raise UsageError(
                f"--eyes {url} is no address.", "Give one such as http://localhost:11434/v1."
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError(
                "--eyes takes an address without a password or a query.",
                f"Put the key into {KEY}.",
            )
        path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
        named = f"[{host}]" if ":" in host else host
        return cls(f"{parts.scheme}://{named}{f':{port}' if port else ''}{path}", host)

    @property
    def is_here(self) -> bool:
        """Whether it is this machine by its very name, so that nothing leaves it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Pictures go where they were meant to go, and nowhere else."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        raise RudeError(f"it sends on to {newurl[:80]!r}", gone=True)


class Server:
    """Asks one server; says before the first picture what leaves this machine.

    Args:
        model: its name there; "" takes the first that seems to see.
    """

    def __init__(self, address: Address, model: str = "", config: EyesConfig = EYES) -> None:
        self.address, self.config = address, config
        self.is_gone = False  # it did not answer, and is not asked again
        self._model = model
        self._by_schema = True  # until it refuses
        self._announced = False
        proxies = [urllib.request.ProxyHandler({})] if address.is_here else []
        self._opener = urllib.request.build_opener(*proxies, _NoRedirect())

    @property
    def name(self) -> str:
        """What warnings call it."""
        return self.address.base

    @property
    def model(self) -> str:
        """What the server calls the model that is asked.

        Raises:
            RudeError: it has none, or does not say.
        """
        if not self._model:
            listed = self._send("/models").get("data")
            names = [m.get("id") for m in listed or () if isinstance(m, dict)]
            found = [name for name in names if isinstance(name, str) and name]
            if not found:
                raise RudeError("it names no model; give --eyes-model", gone=True)
            self._model = next((name for name in found if SEES.search(name)), found[0])
        return self._model

    def ask(self, question: str, picture: bytes, schema: dict[str, Any]) -> Any:
        """What the model says of a JPEG, as parsed JSON; not checked against the schema.

        Raises:
            RudeError: whatever else happened.
        """
        self._announce()
        try:
            answer = self._send("/chat/completions", self._request(question, picture, schema))
        except _RefusedError:
            if not self._by_schema:
                raise
            self._by_schema = False  # older servers know no schemas: the question has it in words
            answer = self._send("/chat/completions", self._request(question, picture, schema))
        return _read_answer(answer)

    def _request(self, question: str, picture: bytes, schema: dict[str, Any]) -> dict[str, Any]:
        image = f"data:image/jpeg;base64,{base64.b64encode(picture).decode('ascii')}"
        content = [
            {"type": "text", "text": question},
            {"type": "image_url", "image_url": {"url": image}},
        ]
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "seed": 0,
            "max_tokens": self.config.tokens,
            "stream": False,
        }
        if self._by_schema:
            named = {"name": "scene", "strict": True, "schema": schema}
            request["response_format"] = {"type": "json_schema", "json_schema": named}
        return request

    def _announce(self) -> None:
        if self._announced:
            return
        self._announced = True
        said = "a sheet of stills of every shot goes to %s (model %s): no sound, no names of files"
        tell = LOG.info if self.address.is_here else LOG.warning
        tell(f"--eyes: {said}.", self.address.base, self.model)

    def _send(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode("utf-8")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := os.environ.get(KEY, "").strip():
            if not re.fullmatch(r"[!-~]+", key):
                raise RudeError(f"{KEY} holds no key", gone=True)
            headers["Authorization"] = f"Bearer {key}"
        try:
            request = urllib.request.Request(self.address.base + path, data, headers)
            text = _in_time(lambda: self._read(request), self.config.timeout)
        except urllib.error.HTTPError as error:
            said = f"it answers {error.code} {http.client.responses.get(error.code, '')}".strip()
            if error.code in (400, 415, 422, 501):
                raise _RefusedError(said) from error
            raise RudeError(said, gone=error.code in (401, 403, 404, 405)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise RudeError(f"it cannot be reached: {reason}", gone=True) from error
        try:
            answer = parse_json(text.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise RudeError("its answer is no JSON") from error
        if not isinstance(answer, dict):
            raise RudeError("its answer is no object")
        return answer

    def _read(self, request: urllib.request.Request) -> bytes:
        with self._opener.open(request, timeout=self.config.timeout) as answer:
            text = answer.read(self.config.longest + 1)
        if len(text) > self.config.longest:
            raise RudeError("its answer is too long")
        return text


class _RefusedError(RudeError):
    """It does not take the request as it is."""


def _in_time(do: Callable[[], bytes], seconds: float) -> bytes:
    """What a function gives, if it does so in time: a socket's own limit counts anew with every
    byte, and a server that drips would never end."""
    box: list[bytes | BaseException] = []

    def work() -> None:
        try:
            box.append(do())
        except BaseException as error:
            box.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not box:
        raise RudeError(f"it said nothing within {seconds:g} s", gone=True)
    if isinstance(box[0], BaseException):
        raise box[0]
    return box[0]


def _read_answer(answer: dict[str, Any]) -> Any:
    """The JSON in the first choice; models also think aloud, and fence what they say."""
    try:
        text = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise RudeError("its answer has no message") from error
    if isinstance(text, list):  # parts, as some servers have them
        text = "".join(str(part.get("text", "")) for part in text if isinstance(part, dict))
    if not isinstance(text, str):
        raise RudeError("its answer has no words")
    text = THOUGHTS.sub("", text)
    fenced = FENCE.search(text)
    text = (fenced[1] if fenced else text).strip()
    first, last = text.find("{"), text.rfind("}")
    try:
        return parse_json(text[first : last + 1])
    except (ValueError, RecursionError) as error:
        raise RudeError("what it says is no JSON") from error
