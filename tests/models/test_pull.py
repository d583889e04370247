"""Pull, convert, verify, push and remove, with small checkpoints of the public layout."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from foleycli.config import AlignmentConfig, CavpConfig, LatentDiffusionConfig
from foleycli.errors import ModelError, OutputExistsError, UsageError
from foleycli.latents.align import Alignment
from foleycli.latents.diff_foley import DiffFoley
from foleycli.models.bundle import CARD, CONFIG, SUMS, WEIGHTS, Bundle
from foleycli.models.checkpoint import read_checkpoint
from foleycli.models.pull import push, remove
from foleycli.models.registry import ModelFile, find_model
from foleycli.sight.cavp import Cavp
from foleycli.sources.convert import to_public
from foleycli.sources.public import (
    convert_checkpoints,
    find_checkpoints,
    load_part,
    write_public,
)
from foleycli.sources.pull import pull

SIZES = LatentDiffusionConfig(base_channels=32, context_size=32, autoencoder_channels=32)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    """Files as published: names, nesting, optimizer state and all."""
    folder = tmp_path_factory.mktemp("public")
    torch.manual_seed(0)
    cavp = to_public(Cavp(CavpConfig(base_channels=4, audio_channels=2)))
    shards = {f"module.{name}": tensor for name, tensor in cavp.items()}
    adam = {"state": {0: {"exp_avg": torch.zeros(1000)}}}
    torch.save({"epoch": 66, "state_dict": shards, "optimizer": adam}, folder / "cavp_epoch66.ckpt")
    diffusion = to_public(DiffFoley(SIZES)) | {"betas": torch.zeros(1000)}
    torch.save({"state_dict": diffusion}, folder / "ldm_epoch240.ckpt")
    guide = to_public(Alignment(AlignmentConfig(base_channels=32)))
    torch.save({"state_dict": guide}, folder / "double_guidance_classifier.ckpt")
    return folder


@pytest.fixture
def model(hub, checkpoints, tmp_path):
    """diff-foley as the registry has it, but small, on the loopback hub and without its hash."""
    for path in checkpoints.iterdir():
        hub.files[f"SimianLuo/Diff-Foley/diff_foley_ckpt/{path.name}"] = path.read_bytes()
    public = find_model("diff-foley")
    downloads = tuple(ModelFile(file.name) for file in public.downloads)
    return replace(public, folder=tmp_path / "cache" / "models" / "df", downloads=downloads)


def test_pull_makes_a_bundle_and_leaves_no_downloads(model, tmp_path):
    bundle = pull(model)
    assert model.installed
    assert (bundle.family, sorted(bundle.config["parts"])) == (
        "diff-foley",
        ["cavp", "diffusion", "guide"],
    )
    assert "MIT" in (bundle.folder / CARD).read_text()
    bundle.verify()
    assert not list((tmp_path / "cache" / "downloads").rglob("*.ckpt"))
    with safe_open(bundle.folder / WEIGHTS, framework="pt") as weights:
        assert not [name for name in weights.keys() if "optimizer" in name]  # noqa: SIM118
        kernel = "diffusion.denoiser.conv_in.weight"
        assert weights.get_tensor(kernel).dtype == torch.bfloat16
        assert weights.get_tensor(kernel.replace("weight", "bias")).dtype == torch.float32


def test_second_pull_needs_no_network(model, hub, monkeypatch):
    first = pull(model)
    hub.stop()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(hub.asked)
    assert pull(model).fingerprint == first.fingerprint
    assert len(hub.asked) == asked


def test_a_file_that_is_not_on_the_hub_leaves_nothing(model, hub):
    del hub.files["SimianLuo/Diff-Foley/diff_foley_ckpt/ldm_epoch240.ckpt"]
    with pytest.raises(ModelError, match=r"no diff_foley_ckpt/ldm_epoch240\.ckpt"):
        pull(model)
    assert not model.folder.exists()


def test_pinned_hash_of_the_registry_is_kept_to(model):
    pinned = replace(model.downloads[0], sha256="f" * 64)
    with pytest.raises(ModelError, match=r"cavp_epoch66\.ckpt"):
        pull(replace(model, downloads=(pinned, *model.downloads[1:])))
    assert not model.folder.exists()


def test_shipped_models_are_not_pulled_or_removed():
    with pytest.raises(UsageError, match="ships in the package"):
        pull(find_model("library"))
    with pytest.raises(UsageError, match="ships in the package"):
        remove(find_model("library"))


def test_remove(model):
    pull(model, keep_downloads=True)
    assert remove(model) > 1e6
    assert not model.folder.exists()


def test_what_loads_is_what_was_published(checkpoints, tmp_path):
    files = find_checkpoints(checkpoints)
    bundle = convert_checkpoints(files, tmp_path / "b", "# card\n", "f32")
    for part, path in files.items():
        public, ours = read_checkpoint(path), to_public(load_part(bundle, part))
        public.pop("betas", None)
        assert set(ours) == set(public)
        assert all(torch.equal(ours[name], public[name]) for name in public)


def test_back_to_public_names_and_here_again(checkpoints, tmp_path):
    bundle = convert_checkpoints(find_checkpoints(checkpoints), tmp_path / "b", "# card\n", "f32")
    written = write_public(bundle, tmp_path / "public")
    assert {path.suffix for path in written} == {".safetensors"}
    again = convert_checkpoints(
        find_checkpoints(tmp_path / "public"), tmp_path / "b2", "# card\n", "f32"
    )
    assert again.fingerprint == bundle.fingerprint


def test_missing_and_foreign_tensors_are_named(checkpoints, tmp_path, caplog):
    files = find_checkpoints(checkpoints)
    state = read_checkpoint(files["diffusion"]) | {"model_ema.decay": torch.zeros(1)}
    torch.save({"state_dict": state}, tmp_path / "ldm_extra.ckpt")
    convert_checkpoints(
        {**files, "diffusion": tmp_path / "ldm_extra.ckpt"}, tmp_path / "b", "# card\n"
    )
    assert "model_ema.decay" in caplog.text
    state.pop("model.diffusion_model.out.2.bias")
    torch.save({"state_dict": state}, tmp_path / "ldm_less.ckpt")
    with pytest.raises(ModelError, match=r"model\.diffusion_model\.out\.2\.bias is missing"):
        convert_checkpoints(
            {**files, "diffusion": tmp_path / "ldm_less.ckpt"}, tmp_path / "b2", "# card\n"
        )
    assert not (tmp_path / "b2").exists()


class Runs:
    def __reduce__(self):
        return print, ("code of a checkpoint ran",)


def test_a_checkpoint_with_code_is_refused_and_the_code_not_run(tmp_path, capsys):
    torch.save({"state_dict": {}, "extra": Runs()}, tmp_path / "ldm_bad.ckpt")
    with pytest.raises(ModelError, match="cannot be read as weights"):
        read_checkpoint(tmp_path / "ldm_bad.ckpt")
    assert "ran" not in capsys.readouterr().out


def test_garbage_is_refused(tmp_path):
    (tmp_path / "ldm_x.ckpt").write_bytes(b"<html>not found</html>")
    with pytest.raises(ModelError, match=r"ldm_x\.ckpt cannot be read"):
        read_checkpoint(tmp_path / "ldm_x.ckpt")


def test_damage_is_found_and_named(checkpoints, tmp_path):
    bundle = convert_checkpoints(find_checkpoints(checkpoints), tmp_path / "b", "# card\n")
    with pytest.raises(OutputExistsError):
        convert_checkpoints(find_checkpoints(checkpoints), tmp_path / "b", "# card\n")
    with (bundle.folder / WEIGHTS).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    with pytest.raises(ModelError, match=r"model\.safetensors has sha256"):
        bundle.verify()
    (bundle.folder / SUMS).unlink()
    with pytest.raises(ModelError, match="has no SHA256SUMS"):
        Bundle.open(bundle.folder)


def test_a_student_is_pushed_with_its_card_and_pulled_by_name(hub, checkpoints, tmp_path):
    files = find_checkpoints(checkpoints)
    student = convert_checkpoints(files, tmp_path / "b", "# A student\n\nLicences: MIT.\n")
    address, pushed = push(student.folder, "me/student")
    assert address.startswith(f"{hub.endpoint}/me/student/commit/")
    assert hub.files[f"me/student/{CARD}"].startswith(b"# A student")
    assert {f"me/student/{name}" for name in (CONFIG, WEIGHTS, CARD, SUMS)} <= set(hub.files)
    pulled = pull(find_model("hub:me/student"))
    assert pulled.fingerprint == pushed.fingerprint
    pulled.verify()


def test_push_without_leave_is_refused(hub, checkpoints, tmp_path):
    student = convert_checkpoints(find_checkpoints(checkpoints), tmp_path / "b", "# card\n")
    hub.token = "secret"
    with pytest.raises(ModelError, match="could not be written") as error:
        push(student.folder, "me/student")
    assert "HF_TOKEN" in error.value.remedy


def small_bundle(folder: Path) -> Path:
    """The files of a ``small`` bundle as training packs them, with few numbers in them."""
    folder.mkdir()
    for name in ("denoiser", "autoencoder", "when"):
        save_file({"weight": torch.ones(2)}, folder / f"{name}.safetensors")
    (folder / CONFIG).write_text('{"name": "small"}\n')
    (folder / CARD).write_text("# A small student\n")
    (folder / "credits.csv").write_text("file,author\n")
    (folder / ".notes").write_text("not for others")
    return folder


def test_a_small_bundle_is_pushed_pulled_and_checked(hub, tmp_path):
    folder = small_bundle(tmp_path / "packed")
    _, pushed = push(folder, "me/small")
    assert pushed.family == "small"
    assert set(pushed.sums) == {path.name for path in folder.iterdir()} - {SUMS, ".notes"}
    assert {name.rpartition("/")[2] for name in hub.files} == {*pushed.sums, SUMS}
    model = find_model("hub:me/small")
    assert not model.installed
    pulled = pull(model)
    assert model.installed
    assert pulled.fingerprint == pushed.fingerprint
    hub.stop()
    pull(model).verify()
    (pulled.folder / "when.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"when\.safetensors has sha256"):
        pulled.verify()


def test_a_published_file_that_is_not_the_listed_one_is_refused(hub, tmp_path):
    push(small_bundle(tmp_path / "packed"), "me/small")
    hub.files["me/small/config.json"] = b"{}"
    with pytest.raises(ModelError, match=r"config\.json"):
        pull(find_model("hub:me/small"))
    assert not find_model("hub:me/small").installed


@pytest.mark.parametrize("name", ["../escape.safetensors", "/etc/passwd", ".hidden", "a b"])
def test_a_list_of_files_elsewhere_is_refused(hub, tmp_path, name):
    hub.files[f"me/evil/{SUMS}"] = f"{'0' * 64}  {name}\n".encode()
    with pytest.raises(ModelError, match="is no bundle"):
        pull(find_model("hub:me/evil"))
