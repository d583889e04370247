"""CLAP comes from two repositories of the hub, and hears and reads by transformers' network."""

import hashlib
import importlib.util
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from foleycli.errors import ModelError
from foleycli.listeners import clap
from foleycli.listeners import pulled as listeners
from foleycli.models.filled import filled
from foleycli.models.pull import remove
from foleycli.models.registry import ModelFile, find_model
from foleycli.sources.pull import pull

SIZES = {
    "audio_config": {
        "patch_embeds_hidden_size": 8,
        "hidden_size": 64,
        "depths": [1, 2, 1, 1],
        "num_attention_heads": [1, 2, 2, 2],
    },
    "text_config": {
        "vocab_size": 8,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 80,
    },
}
# transformers' names, and what laion_clap calls them
PUBLISHED = (
    ("^text_model", "text_branch"),
    ("^audio_model.audio_encoder.batch_norm", "audio_branch.bn0"),
    ("^audio_model.audio_encoder", "audio_branch"),
    ("projection.linear1", "projection.0"),
    ("projection.linear2", "projection.2"),
)
IN_SOUND = (
    ("layernorm_before", "norm1"),
    ("layernorm_after", "norm2"),
    ("attention.output.dense", "attn.proj"),
    ("attention.self", "attn"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
)


def _public(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's weights as laion_clap publishes them, with what it trained beside."""
    public = {"logit_bias": torch.zeros(()), "audio_transform.sequential.0.bias": torch.zeros(2)}
    for name, tensor in net.state_dict().items():
        if name in clap.GIVEN:
            continue
        sound = name.startswith("audio_model")
        for ours, theirs in (*PUBLISHED, *(IN_SOUND if sound else ())):
            name = re.sub(ours, theirs, name)
        if sound and ".query." in name:
            others = (name.replace("query", which) for which in ("query", "key", "value"))
            own = dict(net.state_dict())
            parts = [own[_ours(other)] for other in others]
            name, tensor = name.replace("query", "qkv"), torch.cat(parts)
        if not (sound and (".key." in name or ".value." in name)):
            public[name] = tensor
    return public


def _ours(name: str) -> str:
    return name.replace("audio_branch", "audio_model.audio_encoder").replace(
        ".attn.", ".attention.self."
    )


def _tokenizer() -> bytes:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "dog": 4, "barks": 5, "rain": 6}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    made.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made.to_str().encode()


def _model(hub, tmp_path, weights: dict[str, torch.Tensor]):
    """The registry's entry, of a small checkpoint with an optimizer's state around it."""
    file = io.BytesIO()
    state = {f"module.{name}": tensor for name, tensor in weights.items()}
    torch.save({"epoch": np.float64(15), "optimizer": {"lr": 1e-4}, "state_dict": state}, file)
    public = find_model("eval-clap")
    contents = dict(zip(public.downloads, (file.getvalue(), _tokenizer()), strict=True))
    for named, content in contents.items():
        hub.files[f"{named.hub or public.hub}/{named.name}"] = content
    return replace(
        public,
        folder=tmp_path / "eval-clap",
        downloads=tuple(
            replace(named, size=len(content), sha256=hashlib.sha256(content).hexdigest())
            for named, content in contents.items()
        ),
    )


@pytest.fixture
def installed(hub, tmp_path, monkeypatch):
    """A small CLAP, pulled, and its network."""
    pytest.importorskip("transformers")
    net = clap.build(SIZES)
    net.load_state_dict(filled(net.state_dict()), strict=False)
    model = _model(hub, tmp_path, _public(net))
    pull(model)
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    return net.eval()


def test_weights_and_tokenizer_come_from_two_repositories(hub, tmp_path):
    weights = {"text_branch.a": torch.ones(2), "text_transform.b": torch.ones(2)}
    model = _model(hub, tmp_path, weights)
    bundle = pull(model)
    assert model.installed
    assert list(bundle.tensors("net")) == ["text_branch.a"]
    assert bundle.sums["tokenizer.json"] == model.downloads[1].sha256
    bundle.verify()
    asked = {path.partition("/resolve/")[0] for _, path, _ in hub.asked if "/resolve/" in path}
    assert asked == {"/lukewys/laion_clap", "/FacebookAI/roberta-base"}
    remove(model)
    assert not model.installed


def test_another_tokenizer_is_refused(hub, tmp_path):
    model = _model(hub, tmp_path, {"text_branch.a": torch.ones(2)})
    hub.files["FacebookAI/roberta-base/tokenizer.json"] = b"{}"
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        pull(model)
    assert not model.installed


def test_every_file_is_pinned():
    model = find_model("eval-clap")
    assert isinstance(model.revision, str) and len(model.revision) == 40
    assert all(len(file.sha256 or "") == 64 and file.size for file in model.downloads)
    assert model.files[-1] == ModelFile("tokenizer.json")


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    model = replace(find_model("eval-clap"), folder=tmp_path / "none")
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    with pytest.raises(ModelError, match="foley models pull eval-clap"):
        clap.ClapListener()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"transformers.*(pip install|foleycli\[clap\])"):
        clap.ClapListener()


def test_pulled_clap_hears_and_reads_as_its_network_does(installed):
    listen = clap.ClapListener(SIZES)
    noise = np.random.default_rng(0).standard_normal(480_000).astype(np.float32)
    heard, row = listen(noise), listen.read("dog barks")
    tokens = torch.tensor([[0, 4, 5, 2]])
    with torch.inference_mode():
        sound = installed.audio_model(clap.clap_mel(noise[None])).pooler_output
        expected = installed.audio_projection(sound)[0].numpy()
        words = installed.text_projection(installed.text_model(tokens).pooler_output)[0].numpy()
    assert heard.embeddings.shape == (1, 512) and heard.logits is None
    assert heard.embeddings[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    assert row == pytest.approx(words / np.linalg.norm(words), abs=1e-6)
    assert listen.read("dog " * 100) == pytest.approx(listen.read("dog " * 75), abs=0)


def test_clap_repeats_short_sounds_and_hears_all_of_long_ones(installed):
    listen = clap.ClapListener(SIZES)
    noise = np.random.default_rng(0).standard_normal(600_000).astype(np.float32)
    second, twelve = listen(noise[:48_000]), listen(noise)
    assert np.array_equal(second.embeddings, listen(np.tile(noise[:48_000], 10)).embeddings)
    assert twelve.embeddings.shape == (2, 512)
    assert np.array_equal(twelve.embeddings[1], listen(noise[-480_000:]).embeddings[0])
    assert np.array_equal(twelve.embeddings, listen(noise).embeddings)  # nothing is drawn
    assert np.isfinite(listen(noise[:0]).embeddings).all()
