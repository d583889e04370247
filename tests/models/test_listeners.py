"""Listeners come from plain web pages: fetched, checked, converted, and refused by name."""

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from foleycli.errors import ModelError, UsageError
from foleycli.listeners import panns, passt, vggish
from foleycli.listeners import pulled as listeners
from foleycli.listeners.imagebind import ImageBind, ImageBindListener, Trunk, mel_pieces
from foleycli.models.filled import filled
from foleycli.models.registry import ModelFile, find_model
from foleycli.sources.identity import find_folder
from foleycli.sources.pull import pull
from tests.films import still, write_film

NARROW = 16


def _published(net: torch.nn.Module, **beside: object) -> bytes:
    """A checkpoint as its makers save one, with a sampler's order beside the weights."""
    file = io.BytesIO()
    torch.save({"model": net.state_dict(), **beside}, file)
    return file.getvalue()


def _published_bare(tensors: dict[str, torch.Tensor]) -> bytes:
    """A checkpoint that is nothing but its weights."""
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def _filled(net: torch.nn.Module) -> torch.nn.Module:
    net.load_state_dict(filled(net.state_dict()), strict=False)
    return net


def _model(name: str, hub, tmp_path, content: bytes, sha256: str | None = None):
    hub.files["pages/weights/net.pth"] = content
    url = f"{hub.endpoint}/pages/weights/resolve/v1/net.pth"
    return replace(
        find_model(name),
        folder=tmp_path / name,
        downloads=(ModelFile("net.pth", sha256=sha256, url=url),),
    )


@pytest.fixture
def cnn14():
    return _filled(panns.Cnn14(base_channels=64 // NARROW))


def test_pulled_panns_hears_as_its_checkpoint_does(hub, tmp_path, monkeypatch, cnn14):
    content = _published(cnn14, sampler={"indexes": np.arange(5), "pointer": 0})
    model = _model("eval-panns", hub, tmp_path, content)
    bundle = pull(model)
    assert bundle.family == "listener"
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    listen = panns.PannsListener(base_channels=64 // NARROW)
    waveform = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    heard = listen(waveform)
    with torch.inference_mode():
        embedding, logits = cnn14.eval()(panns.panns_mel(waveform)[None])
    assert heard.embeddings.shape == (1, 2048 // NARROW)
    assert np.array_equal(heard.embeddings, embedding.numpy())
    assert np.array_equal(heard.class_logits, logits.numpy())


def test_pulled_vggish_hears_one_row_a_patch(hub, tmp_path, monkeypatch):
    content = _published(_filled(vggish.Vggish(NARROW)))
    model = _model("eval-vggish", hub, tmp_path, content, hashlib.sha256(content).hexdigest()[:8])
    pull(model)
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    heard = vggish.VggishListener(NARROW)(np.zeros(16_000 * 3, np.float32))
    assert heard.embeddings.shape == (3, 128)
    with pytest.raises(ValueError, match="no classes"):
        _ = heard.scores


def test_pulled_passt_hears_windows_of_ten_seconds(hub, tmp_path, monkeypatch):
    sizes = {"size": 32, "depth": 1, "heads": 2}
    net = _filled(passt.Passt(**sizes)).eval()
    file = io.BytesIO()
    torch.save(net.state_dict(), file)  # published so, with nothing around
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    model = _model("eval-passt", hub, tmp_path, file.getvalue(), sha256)
    pull(model)
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    listen = passt.PasstListener(**sizes)
    noise = np.random.default_rng(0).standard_normal(12 * 32_000).astype(np.float32)
    heard = listen(noise)
    assert heard.embeddings.shape == (2, 32)
    first, last = listen(noise[:320_000]), listen(noise[-320_000:])
    assert np.array_equal(heard.class_logits, np.concatenate([first.logits, last.logits]))
    with torch.inference_mode():
        embedding, _ = net(passt.passt_mel(noise[None, :320_000]))
    assert np.array_equal(first.embeddings, embedding.numpy())
    short, filled_up = noise[:32_000], np.pad(noise[:32_000], (0, 9 * 32_000))
    assert np.array_equal(listen(short).class_logits, listen(filled_up).class_logits)


def test_of_imagebind_two_senses_are_kept_and_see_and_hear(hub, tmp_path, monkeypatch):
    sizes = (Trunk(width=16, blocks=1, heads=2), Trunk(width=12, blocks=1, heads=3), 8)
    net = _filled(ImageBind(*sizes)).eval()
    others = {"modality_trunks.text.blocks.0.norm_1.weight": torch.ones(4)}
    others["modality_postprocessors.audio.1.log_logit_scale"] = torch.tensor(3.0)
    content = _published_bare(net.state_dict() | others)
    model = _model("eval-imagebind", hub, tmp_path, content)
    bundle = pull(model)
    assert set(bundle.mapped("net")) == set(net.state_dict())
    assert "not for commercial use" in model.weights_licence
    assert "Not for commercial use" in (bundle.folder / "README.md").read_text()
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    listener = ImageBindListener(*sizes)
    waveform = np.random.default_rng(0).standard_normal(16_000 * 4).astype(np.float32)
    with torch.inference_mode():
        heard = net.hear(mel_pieces(waveform)).numpy()
    assert listener(waveform).embeddings == pytest.approx(heard, abs=1e-5)
    film = write_film(tmp_path / "film.mp4", still(5, level=80))
    assert listener.see(film).shape == (6, 8)  # at 1, 3, 5 s: two pairs, three crops each


def test_a_file_of_weights_that_is_cut_short_is_refused(hub, tmp_path, monkeypatch):
    net = ImageBind(Trunk(width=4, blocks=1, heads=1), Trunk(width=4, blocks=1, heads=1), 4)
    model = _model("eval-imagebind", hub, tmp_path, _published_bare(net.state_dict()))
    weights = pull(model).folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    with pytest.raises(ModelError, match="damaged"):
        ImageBindListener(*(Trunk(width=4, blocks=1, heads=1),) * 2, 4)


def test_no_token_is_shown_to_a_web_page(hub, tmp_path, monkeypatch, cnn14):
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.token = "secret"  # it asks for the token, so a page that needs none would refuse
    with pytest.raises(ModelError, match="reached"):
        pull(_model("eval-panns", hub, tmp_path, _published(cnn14)))


def test_a_file_with_other_first_digits_is_refused(hub, tmp_path, cnn14):
    model = _model("eval-panns", hub, tmp_path, _published(cnn14), sha256="00000000")
    with pytest.raises(ModelError, match="not the published file"):
        pull(model)
    assert not model.installed


def test_a_file_that_changed_since_it_was_locked_is_refused(hub, tmp_path, cnn14):
    model = _model("eval-panns", hub, tmp_path, _published(cnn14))
    pull(model)
    hub.files["pages/weights/net.pth"] = _published(cnn14, iteration=2)
    with pytest.raises(ModelError, match="changed since first pulled"):
        pull(model, overwrite=True)


def test_a_listener_that_is_not_here_names_the_command(monkeypatch, tmp_path):
    model = replace(find_model("eval-panns"), folder=tmp_path / "none")
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    with pytest.raises(ModelError, match="foley models pull eval-panns"):
        panns.PannsListener()


def test_another_network_in_its_place_is_refused(hub, tmp_path, monkeypatch):
    model = _model("eval-vggish", hub, tmp_path, _published(torch.nn.Linear(2, 2)))
    pull(model)
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    with pytest.raises(ModelError, match="not the network"):
        vggish.VggishListener(NARROW)


@pytest.mark.parametrize("name", ["eval-panns", "bandit-v2"])
def test_a_listener_is_no_source_of_sound(name):
    with pytest.raises(UsageError, match="makes no sound"):
        find_folder(name)
