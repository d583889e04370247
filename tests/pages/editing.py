"""A `foley edit` for tests: its server in a thread of this process, or in a process of its own."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foleycli.config import GenerateConfig
from foleycli.pages.edit.project import Project, open_project
from foleycli.pages.edit.server import Server

SHEET = """start,duration,kind,what,level_db,layer
0,3,bed,wind in trees,-12,air
0.5,1,hit,door slam,0,hard
1,1,hit,glass clink,-3,props
1.5,1,hit,door slam,0,hard
2,1,hit,wood impact,-3,
2.5,1,hit,door slam,-6,hard
"""


@contextmanager
def edited(path: Path, config: GenerateConfig | None = None, **options) -> Iterator[Server]:
    """Serve a film, and wait until nobody is left."""
    project = open_project(path, config or GenerateConfig(model="library"), **options)
    server = Server(project)
    thread = threading.Thread(target=server.run, kwargs={"show": False, "told": lambda _: None})
    thread.start()
    try:
        yield server
    finally:
        while server._server is None and thread.is_alive():
            pass
        if server._server is not None:
            server._server.should_exit = True
        thread.join(20)
        project.close()


def ready(project: Project) -> None:
    """Wait until a film was looked at."""
    desk = project.desks[0]
    desk._thread.join(120)
    assert desk.stage == "ready", desk.trouble


@contextmanager
def process(*words: str | Path, env: dict[str, str] | None = None) -> Iterator[tuple]:
    """`foley edit` as it is typed: its process and what it says of its address."""
    run = subprocess.Popen(
        [sys.executable, "-m", "foleycli.cli.main", "edit", *map(str, words), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    try:
        assert run.stdout
        yield run, json.loads(run.stdout.readline())
    finally:
        run.kill()
        run.wait()
