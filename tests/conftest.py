"""Shared by all tests: one torch thread each, so that parallel workers do not fight; and an ffmpeg
to make media with, from imageio-ffmpeg where PATH has none."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

if not shutil.which("ffmpeg"):
    import imageio_ffmpeg

    folder = Path(tempfile.mkdtemp(prefix="foley-tests-"))
    (folder / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"

REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "diff_foley"


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of golden files too large to travel with the repository."""
    if not REFERENCE.is_dir():
        pytest.skip("the large golden files are not beside this checkout")
    return REFERENCE


@pytest.fixture
def cluster():
    """A Ray cluster of one node on this machine, of one core."""
    ray = pytest.importorskip("ray")
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
