"""The judge of DeSync comes from a web page: fetched, checked by its sha256, refused by name."""

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from foleycli.config import SynchformerConfig
from foleycli.errors import ModelError
from foleycli.evaluate.desync import SyncJudge
from foleycli.evaluate.material import Film, Sound
from foleycli.listeners import pulled as listeners
from foleycli.models.filled import filled
from foleycli.models.registry import ModelFile, find_model
from foleycli.sight.synchformer import Synchformer
from foleycli.sources.pull import pull
from tests.films import strikes, write_film

SMALL = SynchformerConfig(size=16, heads=2, blocks=1, picture_size=32, sync_heads=2, sync_blocks=1)


@pytest.fixture
def published(hub, tmp_path):
    """The small network's file on a page, and the model that names it."""
    net = Synchformer(SMALL)
    net.load_state_dict(filled(net.state_dict()))
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    content = hub.files["pages/weights/net.pth"] = file.getvalue()
    download = ModelFile(
        "net.pth",
        len(content),
        hashlib.sha256(content).hexdigest(),
        url=f"{hub.endpoint}/pages/weights/resolve/v1/net.pth",
    )
    return replace(
        find_model("eval-synchformer"), folder=tmp_path / "synchformer", downloads=(download,)
    )


def test_what_is_pulled_judges(published, tmp_path, monkeypatch):
    assert pull(published).family == "listener"
    monkeypatch.setattr(listeners, "find_model", lambda name: published)
    film = Film(write_film(tmp_path / "film.mkv", strikes((1.0, 3.0), 5.0)))
    sound = Sound(np.random.default_rng(0).standard_normal(80_000).astype("f4"), 16_000)
    offsets = SyncJudge(SMALL)(sound, film)
    assert offsets.shape == (2,)
    assert np.abs(offsets).max() <= 2


def test_another_file_in_its_place_is_refused(published, hub):
    hub.files["pages/weights/net.pth"] += b"more"
    with pytest.raises(ModelError, match="not the published file"):
        pull(published)
    assert not published.installed


def test_its_card_says_what_is_not_said_of_its_licence():
    model = find_model("eval-synchformer")
    assert "CC BY-NC 4.0" in model.weights_licence
    assert "nothing is said" in model.card
    assert len(str(model.downloads[0].sha256)) == 64
