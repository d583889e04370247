"""Shards made on a Ray of two nodes, of which one is killed in the middle of a shard."""

import hashlib
import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from foleycli.config import PrepareConfig
from foleycli.evaluate.clipset import read_set
from foleycli.train.prepare import prepare
from tests.films import strikes, write_film

pytest.importorskip("ray")
CONFIG = PrepareConfig(parts=("frames",), shard=2)
FILMS = 8


def hashes(folder):
    found = [*folder.glob("shard-*"), folder / "index.csv", folder / "bad.csv"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def kill_one(folder, killed):
    """SIGKILL to the first process that is met in the middle of a shard: its number is part of the
    name of the hidden file that it writes."""
    until = time.monotonic() + 60
    while not killed and time.monotonic() < until:
        for path in folder.glob(".foley-*.tar"):
            process = int(path.name.split("-")[2])
            assert process != os.getpid()
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                killed.append(process)
                return
        time.sleep(0.002)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_shard_changes_no_byte(tmp_path, cluster):
    films = tmp_path / "films"
    films.mkdir()
    for number in range(FILMS):
        write_film(films / f"{number}.mp4", strikes([0.4], 3 + number / 24))
    (films / "torn.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    examples = read_set(films)
    alone = dict(prepare(examples, tmp_path / "alone", CONFIG))
    cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    killed = []
    hunter = threading.Thread(target=kill_one, args=(tmp_path / "many", killed))
    hunter.start()
    many = dict(prepare(examples, tmp_path / "many", CONFIG, on=cluster.address))
    hunter.join()
    assert killed, "no worker was met in the middle of a shard"
    assert set(many) == set(alone)
    assert [name for name, problem in many.items() if problem] == ["torn"]
    assert hashes(tmp_path / "many") == hashes(tmp_path / "alone")
    assert not list((tmp_path / "many").glob(".*tar"))
