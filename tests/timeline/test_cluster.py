"""The same batch on a Ray of two nodes, one of which dies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from foleycli.config import GenerateConfig
from foleycli.timeline.batch import run_batch
from foleycli.timeline.cluster import run_on_ray, shots_on_ray
from foleycli.timeline.files import write_timeline
from foleycli.timeline.manifest import find_jobs
from foleycli.timeline.reel import plan_reel, sound_reel
from tests.films import strikes, write_film
from tests.timeline.test_reel import NTSC, reel

pytest.importorskip("ray")
CONFIG = GenerateConfig(model="library", prompt="wood hit")
FILMS = 6


@pytest.mark.slow
def test_a_reel_is_what_it_is_on_one_machine(tmp_path, cluster, caplog) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for name in ("one", "two", "three"):
        write_film(films / f"{name}.mp4", strikes([0.5, 1.5], 3), NTSC)
    write_timeline(reel(), tmp_path / "cut.fcpxml")
    config = replace(CONFIG, prompt="wood hit; theremin", adm=True)
    results = {}
    for name, doing in (("ray", shots_on_ray(cluster.address)), ("local", None)):
        (tmp_path / name).mkdir()
        out = tmp_path / name / "out.fcpxml"
        plan = plan_reel(
            tmp_path / "cut.fcpxml", out, roots=[films], handles=6, stems=True, adm=True
        )
        result = sound_reel(plan, config, doing=doing)
        assert not result.failures and len(result.sounds) == 3
        results[name] = result
    ray_made, local = results["ray"], results["local"]
    assert ray_made.stem_hash == local.stem_hash
    assert [one.cues for one in ray_made.sounds] == [one.cues for one in local.sounds]
    assert [one.played for one in ray_made.sounds] == [one.played for one in local.sounds]
    names = sorted(path.name for path in local.plan.folder.iterdir())
    assert sorted(path.name for path in ray_made.plan.folder.iterdir()) == names
    for name in names:
        if name.endswith(".wav"):
            waves = [soundfile.read(str(one.plan.folder / name), dtype="int32")[0]
                     for one in (ray_made, local)]  # fmt: skip
            assert np.array_equal(*waves)
    again = sound_reel(ray_made.plan, replace(config, overwrite=True),
                       doing=shots_on_ray(cluster.address))  # fmt: skip
    assert all(one.kept for one in again.sounds)
    (films / "two.mp4").write_bytes(b"gone bad")
    broken = sound_reel(ray_made.plan, replace(config, overwrite=True),
                        doing=shots_on_ray(cluster.address))  # fmt: skip
    assert [one.shot.number for one in broken.failures] == [2] and len(broken.sounds) == 2


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
