"""The same batch on a Ray of two nodes, one of which dies."""

from pathlib import Path

import pytest

from foleycli.config import GenerateConfig
from foleycli.timeline.batch import run_batch
from foleycli.timeline.cluster import run_on_ray
from foleycli.timeline.manifest import find_jobs
from tests.films import strikes, write_film

ray = pytest.importorskip("ray")
CONFIG = GenerateConfig(model="library", prompt="wood hit")
FILMS = 6


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": 80_000_000},
    )
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.slow
def test_a_node_that_dies_loses_nothing_and_changes_nothing(tmp_path, cluster) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for number in range(FILMS):
        write_film(films / f"{number}.mp4", strikes([0.4], 1 + number / 24))
    node = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    jobs = find_jobs([str(films)], tmp_path / "out", CONFIG)
    outcomes = []
    for outcome in run_on_ray(jobs, cluster.address):
        outcomes.append(outcome)
        if len(outcomes) == 2:
            cluster.remove_node(node, allow_graceful=False)
    assert [o.problem for o in outcomes] == [""] * FILMS
    local = run_batch(find_jobs([str(films)], tmp_path / "local", CONFIG))
    wanted = {Path(o.out).name: o.waveform_hash for o in local}
    assert {Path(o.out).name: o.waveform_hash for o in outcomes} == wanted
    assert {path.name for path in (tmp_path / "out").glob("*.mp4")} == set(wanted)
    for name in wanted:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
