"""Fetching from a hub on loopback that can drop, cut short, change, refuse and die."""

import hashlib
import socket
import time

import pytest

from foleycli.errors import FoleyError, ModelError
from foleycli.models.hub import (
    HubFile,
    check_reachable,
    check_space,
    describe,
    download_path,
    fetch,
    find_cached,
    read_lock,
)

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(CONTENT).hexdigest()
FILE = HubFile(repo="me/model", path="weights/a.ckpt", revision="v1")


@pytest.fixture(autouse=True)
def small_pieces_and_quick_retries(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 16)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)


@pytest.fixture
def served(hub):
    hub.files["me/model/weights/a.ckpt"] = CONTENT
    return hub


def test_right_file_with_progress(served):
    told = []
    path = fetch(FILE, progress=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert read_lock() == {FILE.key: SHA}


def test_second_fetch_asks_for_nothing_and_works_offline(served, monkeypatch):
    fetch(FILE)
    asked = len(served.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    served.stop()
    assert fetch(FILE).read_bytes() == CONTENT
    assert len(served.asked) == asked


def test_offline_without_the_file(served):
    with pytest.raises(ModelError, match="not here") as error:
        fetch(FILE, offline=True)
    assert error.value.exit_code == 4
    assert not served.asked


def test_wrong_hash_is_refused_and_not_kept(served):
    pinned = HubFile(repo=FILE.repo, path=FILE.path, revision="v1", sha256="0" * 64)
    with pytest.raises(ModelError, match="not the published file") as error:
        fetch(pinned)
    assert "weights/a.ckpt" in error.value.problem
    assert SHA in error.value.problem
    assert find_cached(pinned) is None


def test_a_file_that_changed_since_first_pulled_is_refused(served):
    fetch(FILE).unlink()
    served.files["me/model/weights/a.ckpt"] = CONTENT + b"more"
    with pytest.raises(ModelError, match=r"weights/a\.ckpt.*changed since first pulled"):
        fetch(FILE)


def test_dropped_connection_goes_on_where_it_broke(served):
    served.drop_after = [300_000]
    assert fetch(FILE).read_bytes() == CONTENT
    (resumed,) = served.ranges()
    assert 0 < int(resumed.removeprefix("bytes=").rstrip("-")) <= 300_000


def test_an_interrupted_fetch_goes_on_in_the_next_run(served):
    remote = describe(FILE)
    part = download_path(FILE).with_name(f"a.ckpt.{remote.etag[:16]}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:500_000])
    assert fetch(FILE, remote).read_bytes() == CONTENT
    assert served.ranges() == ["bytes=500000-"]
    assert not part.exists()


def test_truncated(served):
    served.truncate_to = 1000
    with pytest.raises(ModelError, match="truncated") as error:
        fetch(FILE)
    assert "a.ckpt" in error.value.problem
    assert find_cached(FILE) is None
    served.truncate_to = None
    assert fetch(FILE).read_bytes() == CONTENT


def test_not_found(hub):
    with pytest.raises(ModelError, match=r"me/model has no weights/a\.ckpt at revision v1"):
        fetch(FILE)


def test_private_repository_needs_a_token(served, monkeypatch):
    served.token = "secret"
    with pytest.raises(ModelError, match="not for everyone") as error:
        fetch(FILE)
    assert "HF_TOKEN" in error.value.remedy
    assert "secret" not in str(error.value)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert fetch(FILE).read_bytes() == CONTENT


def test_a_file_in_the_shared_hub_cache_is_used(served, tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    snapshot = shared / "models--me--model" / "snapshots" / ("a" * 40) / "weights"
    snapshot.mkdir(parents=True)
    (snapshot / "a.ckpt").write_bytes(CONTENT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(shared))
    file = HubFile(repo=FILE.repo, path=FILE.path, revision="a" * 40, sha256=SHA)
    assert fetch(file, offline=True) == snapshot / "a.ckpt"


@pytest.mark.parametrize("answers", [False, True], ids=["refused", "silent"])
def test_a_server_that_is_down_is_known_in_under_5_seconds(monkeypatch, answers):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if answers:
            listener.listen()  # takes the connection, never says a word
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        began = time.monotonic()
        with pytest.raises(ModelError, match="cannot be reached"):
            check_reachable(1.0 if answers else 3.0)
    assert time.monotonic() - began < 5


def test_space_is_looked_at_first(tmp_path):
    check_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(FoleyError, match="are needed"):
        check_space(tmp_path, 1 << 60)
