"""A model hub on loopback: enough of its protocol to pull from and push to, and ways to fail."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """What the server holds, what it was asked, and how it shall misbehave."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}  # owner/name/path -> content
        self.asked: list[tuple[str, str, str | None]] = []  # method, path, Range
        self.token: str | None = None  # asked for when set
        self.drop_after: list[int] = []  # bytes after which the next connections break off
        self.truncate_to: int | None = None  # bytes sent in place of all
        self.staged: dict[str, bytes] = {}  # sha256 -> content, of large-file uploads
        self.endpoint = ""

    def ranges(self) -> list[str]:
        """The ranges that were asked for, in order."""
        return [asked for method, _, asked in self.asked if method == "GET" and asked]


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None: ...

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_GET(self) -> None:
        self._serve(body=True)

    def _serve(self, body: bool) -> None:
        self.hub.asked.append((self.command, self.path, self.headers.get("Range")))
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
        if self.path == "/":
            return self._answer(200)
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._answer(401, {"X-Error-Code": "RepoNotFound"})
        if not found:
            return self._answer(404)
        repo, _, path = found.groups()
        content = self.hub.files.get(f"{repo}/{path}")
        if content is None:
            return self._answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        return self._send(content, body)

    def _send(self, content: bytes, body: bool) -> None:
        start = 0
        if asked := re.match(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start = int(asked[1])
        digest = hashlib.sha256(content).hexdigest()
        rest = content[start:]
        if body and self.hub.truncate_to is not None:
            rest = content[start : self.hub.truncate_to]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", f'"{digest}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if not body:
            return
        if self.hub.drop_after:
            self.wfile.write(rest[: self.hub.drop_after.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.wfile.write(rest)

    def do_POST(self) -> None:
        self.hub.asked.append(("POST", self.path, None))
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._answer(401, {"X-Error-Code": "RepoNotFound"})
        if self.path == "/api/repos/create":
            name = json.loads(sent)
            repo = f"{name.get('organization') or 'me'}/{name['name']}"
            return self._json({"url": f"{self.hub.endpoint}/{repo}", "id": repo})
        if self.path == "/api/validate-yaml":
            return self._json({"warnings": []})
        if "/preupload/" in self.path:
            files = json.loads(sent)["files"]
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in files
            ]
            return self._json({"files": modes})
        if self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {
                    **wanted,
                    "actions": {"upload": {"href": f"{self.hub.endpoint}/lfs/{wanted['oid']}"}},
                }
                for wanted in json.loads(sent)["objects"]
            ]
            return self._json({"transfer": "basic", "objects": objects})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/.+", self.path):
            self._commit(found[1], [json.loads(line) for line in sent.splitlines() if line])
            url = f"{self.hub.endpoint}/{found[1]}/commit/{COMMIT}"
            return self._json({"commitUrl": url, "commitOid": COMMIT, "success": True})
        return self._answer(404)

    def _commit(self, repo: str, lines: list[dict]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                content = base64.b64decode(value["content"])
                self.hub.files[f"{repo}/{value['path']}"] = content
            if line["key"] == "lfsFile":
                self.hub.files[f"{repo}/{value['path']}"] = self.hub.staged[value["oid"]]

    def do_PUT(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.staged[self.path.rpartition("/")[2]] = sent
        self._answer(200)

    def _json(self, value: object) -> None:
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def _answer(
        self, status: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Iterator[Hub]:
    """A running hub; HF_ENDPOINT points at it, and every cache is empty."""
    state = Hub()
    handler = type("HubHandler", (Handler,), {"hub": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.endpoint = f"http://127.0.0.1:{server.server_port}"
    state.stop = server.shutdown  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", state.endpoint)
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    # The hub's chunk store has a protocol of its own; without it large files go by plain PUT.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
