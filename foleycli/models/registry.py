"""The known models and listeners: what each is, where its files are, and whose licence they carry.

The card of each, ``README.md``, and its measured figures by name, ``scores.json``, ship in the
package, also for a model that has to be fetched, so that its licence can be read before.
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from foleycli.documents import parse_json
from foleycli.errors import ModelError
from foleycli.folders import cache_folder
from foleycli.models import bundle

HUB = "hub:"
PACKAGE = Path(str(files("foleycli")))
CARD, SCORES = "README.md", "scores.json"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model; ``size`` (bytes) and ``sha256`` where they are known beforehand.

    ``sha256`` may be its first digits only; what is missing is locked when it is first pulled.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    url: str | None = None  # of one that is on no hub
    hub: str | None = None  # owner/name, where it is not the model's
    revision: str | None = None  # commit there
    md5: str | None = None  # where that is all its makers published
    part: str = ""  # of the bundle that is made of it, where its name does not say so


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A source of sound, or a listener that measures it, that can be asked for by name."""

    name: str
    summary: str
    kind: Literal["recordings", "diffusion", "listener", "separator"]
    code_licence: str
    weights_licence: str
    folder: Path  # where its files are, or will be
    files: tuple[ModelFile, ...]  # in its folder
    card_folder: Path  # where its card and scores are, installed or not
    downloads: tuple[ModelFile, ...] = ()  # on the hub, of which its files are made
    keeps: tuple[str, ...] = ()  # beginnings of names of tensors that are kept; all of them if none
    hub: str | None = None  # owner/name
    revision: str | None = None  # commit
    page: str | None = None  # address where it is published, of one that is on no hub
    non_commercial: bool = False  # not for paid work; never chosen by ``auto``

    @property
    def shipped(self) -> bool:
        """Whether it comes inside the package."""
        return self.hub is None and self.page is None

    @property
    def installed(self) -> bool:
        """Whether every file is there; their content is checked when they are loaded."""
        return all((self.folder / file.name).is_file() for file in self.files)

    @property
    def size(self) -> int | None:
        """Bytes on disk when installed, else of the download where that is known."""
        if self.installed:
            return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        sizes = [file.size for file in self.downloads or self.files]
        return sum(sizes) if None not in sizes else None  # type: ignore[arg-type]

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        if self.page:
            return self.page
        return f"hub:{self.hub}@{self.revision}" if self.hub else "shipped in the package"

    @property
    def card(self) -> str:
        """The model card: data, licences, what it can and cannot do. Markdown."""
        path = self.card_folder / CARD
        return path.read_text(encoding="utf-8") if path.is_file() else self.summary + "\n"

    @property
    def scores(self) -> dict[str, float]:
        """Measured figures by name; empty when there are none."""
        path = self.card_folder / SCORES
        try:
            scores = parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except (OSError, ValueError):  # a bundle somebody made: it is not chosen by itself
            return {}
        if not isinstance(scores, dict):
            return {}
        return {name: score for name, score in scores.items() if isinstance(score, int | float)}


BUNDLE_FILES = tuple(ModelFile(name) for name in bundle.FILES)
MMAUDIO = "hkchengrex/MMAudio"
# What both sizes of sound need: MMAudio's autoencoder, and a vocoder. Sizes and hashes of MMAudio's
# own list; sizes that its makers round are near enough to be told before a pull.
SELVA_SOUND = {
    16: (
        ModelFile(
            "ext_weights/v1-16.pth",
            686_652_758,
            "15ad082c714ccf3771898a771fc6eebdc1d9c8d5c6154726906a97f43603d62c",
            hub=MMAUDIO,
            part="vae",
        ),
        ModelFile(
            "ext_weights/best_netG.pt",
            449_217_313,
            "970ca75ee4d5ce583e9396a4534acb14971ea2b4f1c22e038f476680c868a789",
            hub=MMAUDIO,
            part="vocoder",
        ),
    ),
    44: (
        ModelFile(
            "ext_weights/v1-44.pth",
            1_221_942_998,
            "ab6cc15dc31947675f75c950c41f4dcfd0d6d1817555ac871f809ec388e4651a",
            hub=MMAUDIO,
            part="vae",
        ),
        ModelFile(
            "bigvgan_generator.pt",
            489_041_291,
            "b42626076b2d905942150f55015455d0fc963e58794b6532b90b3e4bba34bc97",
            hub="nvidia/bigvgan_v2_44khz_128band_512x",
            part="vocoder",
        ),
    ),
}


def _selva(name: str, summary: str, rate: int, generator: tuple[str, int, str]) -> Model:
    size, length, md5 = generator
    return Model(
        name=name,
        summary=summary,
        kind="diffusion",
        code_licence="Apache-2.0",
        weights_licence="CC BY-NC 4.0: not for commercial use; its CLIP text tower, Apple's "
        "licence for machine learning research",
        folder=cache_folder("models") / name,
        card_folder=PACKAGE / "models" / "selva",
        files=(*BUNDLE_FILES, ModelFile("tokenizer.json")),
        downloads=(
            ModelFile(
                "weights/video_enc_sup_5.pth",
                539_400_000,
                md5="ff09a6dc36148536ee4db97eba081d05",
                part="encoder",
            ),
            ModelFile(f"weights/generator_{size}_sup_5.pth", length, md5=md5, part="generator"),
            *SELVA_SOUND[rate],
            ModelFile("model.safetensors", 990_000_000, hub="google/flan-t5-base", part="t5"),
            ModelFile("tokenizer.json", 2_420_000, hub="google/flan-t5-base", part="tokenizer"),
            ModelFile(
                "open_clip_pytorch_model.bin",
                3_900_000_000,
                hub="apple/DFN5B-CLIP-ViT-H-14-378",
                part="clip",
            ),
        ),
        hub="jnwnlee/SelVA",
        revision="main",  # no release is tagged; hashes are locked at the first pull
        non_commercial=True,
    )


MODELS = (
    Model(
        name="library",
        summary="Recordings set at the cues, each varied so that no two hits are the same.",
        kind="recordings",
        code_licence="Apache-2.0",
        weights_licence="CC0, CC BY, BSD, zlib: see the credits of each recording",
        folder=PACKAGE / "library" / "bank",
        card_folder=PACKAGE / "models" / "library",
        files=(
            ModelFile("recordings.csv"),
            ModelFile("kinds.csv"),
            ModelFile("embeddings.safetensors"),
        ),
    ),
    Model(
        name="small",
        summary="Latent diffusion, small enough for two CPU cores, trained on free recordings.",
        kind="diffusion",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        folder=PACKAGE / "models" / "small",
        card_folder=PACKAGE / "models" / "small",
        files=(
            ModelFile("config.json"),
            ModelFile("denoiser.safetensors"),
            ModelFile("autoencoder.safetensors"),
        ),
    ),
    Model(
        name="diff-foley",
        summary="The public Diff-Foley checkpoint: CAVP features and latent diffusion at 16 kHz.",
        kind="diffusion",
        code_licence="Apache-2.0",
        weights_licence="MIT",
        folder=cache_folder("models") / "diff-foley",
        card_folder=PACKAGE / "models" / "diff_foley",
        files=BUNDLE_FILES,
        # Names from the reference's notebook; the one size and checksum known are those that a
        # third-party installer pins at this revision.
        downloads=(
            ModelFile(
                "diff_foley_ckpt/cavp_epoch66.ckpt",
                1_361_483_035,
                "3472c2217a9481f530a96e32611c9e4611766f10b7f0d185a1ce35be7b7f9c80",
            ),
            ModelFile("diff_foley_ckpt/ldm_epoch240.ckpt"),
            ModelFile("diff_foley_ckpt/double_guidance_classifier.ckpt"),
        ),
        hub="SimianLuo/Diff-Foley",
        revision="b17ddbe76e6d42f4b4135eeb443b1c1644267e3e",
    ),
    *(
        _selva(name, summary, rate, generator)
        for name, summary, rate, generator in (
            (
                "selva",
                "SelVA, small at 16 kHz: sounds what words name and nothing else. Non-commercial.",
                16,
                ("small_16k", 629_000_000, "1cb0f0deec52de37f67b1fd9965337d0"),
            ),
            (
                "selva-small-44k",
                "SelVA, small at 44.1 kHz. Non-commercial.",
                44,
                ("small_44k", 630_000_000, "d4df8569624093ac80af99b8b7434525"),
            ),
            (
                "selva-medium-44k",
                "SelVA, medium at 44.1 kHz. Non-commercial.",
                44,
                ("medium_44k", 2_490_000_000, "e9157e62b4863ad306e89e8f3a587748"),
            ),
            (
                "selva-large-44k",
                "SelVA, large at 44.1 kHz. Non-commercial.",
                44,
                ("large_44k", 4_120_000_000, "ab3db08b124d3aaa53eb7a1f52f1fb3f"),
            ),
        )
    ),
    Model(
        name="eyes",
        summary="SigLIP 2: scores sounds against pictures, for --eyes siglip2.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        folder=cache_folder("models") / "eyes",
        card_folder=PACKAGE / "models" / "listeners" / "siglip",
        files=(*BUNDLE_FILES, ModelFile("tokenizer.json")),
        downloads=(ModelFile("model.safetensors"), ModelFile("tokenizer.json")),
        keeps=("text_model.", "vision_model.", "logit_"),
        hub="google/siglip2-base-patch16-224",
        revision="75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2",
    ),
    Model(
        name="eval-vggish",
        summary="VGGish, the listener of published FAD, as torchvggish ports it.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        folder=cache_folder("models") / "eval-vggish",
        card_folder=PACKAGE / "models" / "listeners" / "vggish",
        files=BUNDLE_FILES,
        downloads=(
            ModelFile(
                "vggish-10086976.pth",
                sha256="10086976",  # torch.hub's custom: the name ends in the hash's first digits
                url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/"
                "vggish-10086976.pth",
            ),
        ),
        page="https://github.com/harritaylor/torchvggish/releases/tag/v0.1",
    ),
    Model(
        name="eval-panns",
        summary="PANNs Cnn14 at 16 kHz, the listener of published FD, KID, KL and IS.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="CC BY 4.0",
        folder=cache_folder("models") / "eval-panns",
        card_folder=PACKAGE / "models" / "listeners" / "panns",
        files=BUNDLE_FILES,
        downloads=(
            ModelFile(
                "Cnn14_16k_mAP=0.438.pth",
                url="https://zenodo.org/record/3987831/files/Cnn14_16k_mAP%3D0.438.pth?download=1",
            ),
        ),
        page="https://zenodo.org/record/3987831",
    ),
    Model(
        name="eval-passt",
        summary="PaSST-S at 32 kHz, the listener of newer papers' KL, FD and IS.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        folder=cache_folder("models") / "eval-passt",
        card_folder=PACKAGE / "models" / "listeners" / "passt",
        files=BUNDLE_FILES,
        downloads=(
            ModelFile(
                "passt-s-f128-p16-s10-ap.476-swa.pt",
                344_665_734,
                "302903fa8c4aee817b11dc982da0b29aaf8d11a3e722420476d0a12c9db70c2c",
                url="https://github.com/kkoutini/PaSST/releases/download/v0.0.1-audioset/"
                "passt-s-f128-p16-s10-ap.476-swa.pt",
            ),
        ),
        page="https://github.com/kkoutini/PaSST/releases/tag/v0.0.1-audioset",
    ),
    Model(
        name="eval-imagebind",
        summary="ImageBind's vision and audio parts, the judge of papers' ImageBind score.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="CC BY-NC-SA 4.0: not for commercial use",
        folder=cache_folder("models") / "eval-imagebind",
        card_folder=PACKAGE / "models" / "listeners" / "imagebind",
        files=BUNDLE_FILES,
        downloads=(
            ModelFile(
                "imagebind_huge.pth",
                url="https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth",
            ),
        ),
        keeps=tuple(
            f"modality_{part}.{sense}."
            for part in ("preprocessors", "trunks", "heads")
            for sense in ("vision", "audio")
        ),
        page="https://github.com/facebookresearch/ImageBind",
    ),
    Model(
        name="eval-clap",
        summary="LAION CLAP, the judge of the CLAP score: how well a sound fits words.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="CC0-1.0; its tokenizer, RoBERTa's, MIT",
        folder=cache_folder("models") / "eval-clap",
        card_folder=PACKAGE / "models" / "listeners" / "clap",
        files=(*BUNDLE_FILES, ModelFile("tokenizer.json")),
        downloads=(
            ModelFile(
                "music_speech_audioset_epoch_15_esc_89.98.pt",
                2_352_471_003,
                "51c68f12f9d7ea25fdaaccf741ec7f81e93ee594455410f3bca4f47f88d8e006",
            ),
            ModelFile(
                "tokenizer.json",
                1_355_863,
                "847bbeab6174d66a88898f729d52fa8d355fafe1bea101cf960dd404581df70e",
                hub="FacebookAI/roberta-base",
                revision="e2da8e2f811d1448a5b465c236feacd80ffbac7b",
            ),
        ),
        keeps=("audio_branch.", "audio_projection.", "text_branch.", "text_projection.", "logit_"),
        hub="lukewys/laion_clap",
        revision="4226474e38defca6fc9272a7848bb7b0355ccd7a",
    ),
    Model(
        name="eval-align",
        summary="Diff-Foley's classifier of alignment accuracy; it sees by diff-foley.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="MIT",
        folder=cache_folder("models") / "eval-align",
        card_folder=PACKAGE / "models" / "listeners" / "align",
        files=BUNDLE_FILES,
        downloads=(ModelFile("diff_foley_ckpt/eval_classifier.ckpt"),),
        hub="SimianLuo/Diff-Foley",
        revision="b17ddbe76e6d42f4b4135eeb443b1c1644267e3e",
    ),
    Model(
        name="eval-synchformer",
        summary="Synchformer, the judge of DeSync: how far apart sound and picture are.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="not stated by its makers; CC BY-NC 4.0 on MMAudio's page of the file",
        folder=cache_folder("models") / "eval-synchformer",
        card_folder=PACKAGE / "models" / "listeners" / "synchformer",
        files=BUNDLE_FILES,
        downloads=(
            ModelFile(
                "synchformer_state_dict.pth",
                950_058_171,
                "8aff082f2df5c3bc52759db0c865c7ee772ae6400b860d1b7e90413f2defb67c",
                url="https://github.com/hkchengrex/MMAudio/releases/download/v0.1/"
                "synchformer_state_dict.pth",
            ),
        ),
        page="https://github.com/hkchengrex/MMAudio/releases/tag/v0.1",
    ),
    Model(
        name="eval-i3d",
        summary="I3D, the judge of the Frechet video distance, as VideoGPT and TATS use it.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0 (DeepMind's), on a page of MIT",
        folder=cache_folder("models") / "eval-i3d",
        card_folder=PACKAGE / "models" / "listeners" / "i3d",
        files=BUNDLE_FILES,
        downloads=(
            ModelFile(
                "i3d_pretrained_400.pt",
                url="https://github.com/songweige/TATS/raw/main/tats/fvd/i3d_pretrained_400.pt",
            ),
        ),
        page="https://github.com/songweige/TATS",
    ),
    Model(
        name="eval-c3d",
        summary="C3D tuned to UCF-101, the judge of films' inception score, as TGANv2 uses it.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="CC BY-NC 3.0 (C3D's own); MIT on TGANv2's page of the file",
        folder=cache_folder("models") / "eval-c3d",
        card_folder=PACKAGE / "models" / "listeners" / "c3d",
        files=BUNDLE_FILES,
        downloads=tuple(
            ModelFile(name, url=f"https://github.com/rezoo/tgan2/releases/download/v1.0/{name}")
            for name in ("conv3d_deepnetA_ucf.npz", "mean2.npz")
        ),
        page="https://github.com/pfnet-research/tgan2",
    ),
    Model(
        name="eval-clip",
        summary="CLIP ViT-B/32, the judge of CLIPSIM: whether pictures are what words say.",
        kind="listener",
        code_licence="Apache-2.0",
        weights_licence="MIT (openai/CLIP); its card advises against deployed use",
        folder=cache_folder("models") / "eval-clip",
        card_folder=PACKAGE / "models" / "listeners" / "clip",
        files=BUNDLE_FILES,
        downloads=(
            ModelFile(
                "pytorch_model.bin",
                605_247_071,
                "a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f",
            ),
        ),
        keeps=("text_model.", "vision_model.", "text_projection.", "visual_projection."),
        hub="openai/clip-vit-base-patch32",
        revision="3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",
    ),
    Model(
        name="bandit-v2",
        summary="Bandit v2: a mix taken apart into dialogue, music and effects, for `highlight`.",
        kind="separator",
        code_licence="Apache-2.0",
        weights_licence="CC BY-SA 4.0: what is made of the weights is to be shared alike",
        folder=cache_folder("models") / "bandit-v2",
        card_folder=PACKAGE / "models" / "listeners" / "bandit",
        files=BUNDLE_FILES,
        downloads=(
            ModelFile(
                "checkpoint-multi.ckpt",
                446_680_129,
                "abcfccf65446752a057f4a302c941479a54b7560ebf8d7bca039d2ea98e64cfc",
                url="https://zenodo.org/records/12701995/files/checkpoint-multi.ckpt?download=1",
                md5="fea2868787551b0cff36cfcf7c3622a3",
            ),
        ),
        keeps=("model.",),
        page="https://zenodo.org/records/12701995",
    ),
)


def find_model(name: str) -> Model:
    """The model of that name, or the bundle that ``hub:owner/name`` names.

    Raises:
        ModelError: there is none; the remedy lists those there are.
    """
    if name.startswith(HUB):
        return _hub_model(name)
    for model in MODELS:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in MODELS)
    raise ModelError(
        f"There is no model named {name!r}.", f"Known: {known}; a folder, or {HUB}owner/name."
    )


def require_installed(model: Model) -> Model:
    """The model itself, when it can be opened.

    Raises:
        ModelError: it is not here yet.
    """
    if not model.installed:
        raise ModelError(
            f"{model.name} is not installed.", f"Run `foley models pull {model.name}` first."
        )
    return model


def _hub_model(name: str) -> Model:
    repo, _, revision = name.removeprefix(HUB).partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise ModelError(f"{name!r} names no repository.", f"Write {HUB}owner/name.")
    folder = cache_folder("models") / f"{repo.replace('/', '--')}@{revision or 'main'}"
    return Model(
        name=name,
        summary=f"A bundle that {repo.partition('/')[0]} publishes.",
        kind="diffusion",
        code_licence="Apache-2.0",
        weights_licence="see its card",
        folder=folder,
        card_folder=folder,
        files=(ModelFile(bundle.CONFIG), ModelFile(bundle.SUMS)),
        downloads=(ModelFile(bundle.SUMS),),  # it names the others
        hub=repo,
        revision=revision or "main",
    )
