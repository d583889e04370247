"""The classifiers on onnxruntime against their twins in torch, and what is kept of them."""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from foleycli.models.pth import read_tensors
from foleycli.sight.efficientnet import EfficientNetLite
from foleycli.sight.lite import list_blocks, open_classifier, open_student, weights_file


def pictures(n=2):
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (n, 14, 14, 3), np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


def shares(network, frames):
    with torch.inference_mode():
        return network(torch.from_numpy(frames))[1].softmax(dim=1).numpy()


@pytest.mark.parametrize("version", [0, 2])
def test_both_say_the_same(version):
    network = EfficientNetLite.from_pretrained(version)
    ours = open_classifier(version).classify(pictures())
    assert ours == pytest.approx(shares(network, pictures()), abs=1e-5)


def test_a_student_is_read_from_its_file(tmp_path):
    torch.manual_seed(0)
    network = EfficientNetLite(0).eval().half()
    save_file(network.state_dict(), tmp_path / "what.safetensors", metadata={"version": "0"})
    ours = open_student(tmp_path / "what.safetensors").classify(pictures())
    assert ours == pytest.approx(shares(network.float(), pictures()), abs=1e-5)


def test_a_graph_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path))
    first = open_classifier(0).classify(pictures(1))
    (kept,) = (tmp_path / "sight").iterdir()
    made = kept.stat().st_mtime_ns
    assert np.array_equal(open_classifier(0).classify(pictures(1)), first)
    assert kept.stat().st_mtime_ns == made
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "file"))  # nothing can be kept there
    assert np.array_equal(open_classifier(0).classify(pictures(1)), first)


def test_tensors_are_read_as_torch_reads_them():
    theirs = torch.load(weights_file(0), map_location="cpu", weights_only=True)
    ours = read_tensors(weights_file(0))
    assert set(ours) == set(theirs)
    assert all(np.array_equal(ours[name], theirs[name].numpy()) for name in ours)


def test_nothing_in_a_file_is_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "harm.pth"
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(pickle.UnpicklingError, match="no part of a tensor"):
        read_tensors(path)


def test_versions_grow_as_published():
    # 16 blocks in version 0; widths 1.1 and depths 1.2 of it in version 2
    assert [len(list_blocks(version)) for version in (0, 1, 2)] == [16, 21, 21]
    assert [block.out for block in list_blocks(2)][-1] == 352
