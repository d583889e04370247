"""Pictures generated for a sound, with weights that the user brings (arXiv 2309.16429)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from foleycli.errors import ModelError, UsageError
from foleycli.listeners.beats import SAMPLE_RATE, Beats, beats_fbank
from foleycli.visualize.hear import Heard
from foleycli.visualize.request import Progress, Request, Take, finish, write_facts
from foleycli.visualize.sound import Sound, read_blocks
from foleycli.visualize.tempotokens.prompts import frame_prompts, prompt_ids, text_prompt
from foleycli.visualize.tempotokens.sample import make_scheduler, sample, window_starts
from foleycli.visualize.tempotokens.tokens import FRAMES, Mapper, Tokens, load_mapper

LOG = logging.getLogger("foleycli")
RATE = 12  # frames a second of the model
WINDOW = FRAMES * SAMPLE_RATE // RATE  # samples of sound that 24 tokens are made of: 2 s
WIDTH, HEIGHT = 384, 256  # pixels, the size the mapper was trained at
SCALE = 8  # pixels of a latent, each side
DECODED = 8  # frames at once
NEEDED = {  # what, how large, whose
    "t2v": ("a folder of zeroscope_v2_576w or ModelScope", "3.7 GB, CC-BY-NC-4.0"),
    "mapper": ("TempoTokens' learned_embeds.pth", "132 MB, no licence stated beyond MIT code"),
    "beats": ("BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt", "363 MB, MIT"),
}
LICENCE = (
    "The text-to-video weights are CC-BY-NC-4.0: what they make is for no commercial film. "
    "Longer sounds than 2 s are made in windows of 24 frames, which no paper measured."
)
CONDITIONS = ("audio", "text", "both")


@dataclass(frozen=True, slots=True)
class Networks:
    """All that is needed, opened."""

    unet: Any
    vae: Any
    text: Any
    tokenizer: Any
    scheduler: Any
    mapper: Mapper | None  # None: it is still to be trained
    beats: Beats
    device: torch.device


PARTS = ("unet", "vae", "text_encoder", "tokenizer")  # folders of --t2v


def check_weights(model: dict[str, Any]) -> None:
    """Whether what the user has to bring was named and is there.

    Raises:
        ModelError: with what is missing, how large it is and under which licence, in one line.
        UsageError: ``condition`` is none of audio, text and both.
    """
    missing = [
        f"--{name} {what} ({facts})"
        for name, (what, facts) in NEEDED.items()
        if model.get(name) is None or not Path(model[name]).exists()
    ]
    if missing:
        raise ModelError(
            f"tempotokens needs weights of yours: {'; '.join(missing)}.",
            "Download them (docs/visualize.md says where), or leave --model out for a sheet.",
        )
    parts = [part for part in PARTS if not (Path(model["t2v"]) / part).is_dir()]
    if parts:
        raise ModelError(
            f"{model['t2v']} has no {', '.join(parts)} in it.",
            f"Give the whole folder of {NEEDED['t2v'][0]}.",
        )
    condition = model.get("condition") or "both"
    if condition not in CONDITIONS:
        raise UsageError(f"--condition {condition} is not known.", "Give audio, text or both.")


def open_networks(model: dict[str, Any]) -> Networks:
    """Read all weights; pickles as weights alone.

    Raises:
        ModelError: something cannot be read.
    """
    try:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
        from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ModelError(
            "transformers is not installed, which reads prompts.", "pip install 'foleycli[a2v]'"
        ) from error
    folder = Path(model["t2v"])
    device = _device(str(model.get("device") or "auto"))
    try:
        unet = UNet3DConditionModel.from_pretrained(folder / "unet", local_files_only=True)
        vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)
        text = CLIPTextModel.from_pretrained(folder / "text_encoder", local_files_only=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        config = _scheduler_config(folder)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{folder} holds no text-to-video model ({reason}).",
            "Give the folder with unet, vae, text_encoder, tokenizer and scheduler in it.",
        ) from error
    loaded: list[Any] = [unet, vae, text]
    networks = [net.to(device).eval().requires_grad_(False) for net in loaded]
    return Networks(
        *networks,
        tokenizer=tokenizer,
        scheduler=make_scheduler(config),
        mapper=load_mapper(Path(model["mapper"])) if model.get("mapper") else None,
        beats=Beats.from_file(Path(model["beats"])),
        device=device,
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("There is no CUDA device.", "Use --device cpu, which takes hours.")
    return torch.device(name)


def _scheduler_config(folder: Path) -> dict[str, Any] | None:
    import json

    path = folder / "scheduler" / "scheduler_config.json"
    return json.loads(path.read_text()) if path.exists() else None


def generate_film(
    sound: Sound,
    heard: Heard,
    outs: list[Path],
    rate: Fraction,
    request: Request,
    progress: Progress,
) -> list[Take]:
    """Generate every take, with the next seed each."""
    LOG.warning(LICENCE)
    networks = open_networks(request.model)
    waveform = read_16k(sound)
    takes = []
    for number, out in enumerate(outs):
        told = _share(progress, number, len(outs))
        pictures = generate(waveform, networks, request, request.seed + number, told)
        frames = _timed(pictures, sound.frames(rate), rate, request)
        finish(frames, sound, out, rate, request)
        facts = {
            "seed": request.seed + number,
            "licence": LICENCE,
            "steps": request.model["steps"],
            "guidance": request.model["guidance"],
            "condition": request.model.get("condition") or "both",
            "weights": {name: str(request.model[name]) for name in NEEDED},
        }
        write_facts(out, sound, request, facts)
        takes.append(Take(out, (), {"note": LICENCE, "seed": request.seed + number}))
    return takes


@torch.inference_mode()
def generate(
    waveform: NDArray[np.float32],
    networks: Networks,
    request: Request,
    seed: int,
    progress: Progress,
) -> NDArray[np.uint8]:
    """(samples,) at 16 kHz -> pictures (frames, height, width, 3), twelve a second."""
    total = max(FRAMES, -(-len(waveform) * RATE // SAMPLE_RATE))
    starts = window_starts(total, FRAMES)
    prompts, nothing = make_prompts(waveform, starts, networks, request)
    width, height = request.model.get("generated") or (WIDTH, HEIGHT)
    # noise is drawn on the CPU: the same seed, the same film, whatever the device
    noise = torch.randn(
        (1, networks.unet.config.in_channels, total, height // SCALE, width // SCALE),
        generator=torch.Generator().manual_seed(seed),
    )
    latents = sample(
        networks.unet,
        noise.to(networks.device),
        prompts,
        nothing,
        networks.scheduler,
        int(request.model["steps"]),
        float(request.model["guidance"]),
        lambda done: progress("drawing", 0.9 * done),
    )
    return decode_latents(networks.vae, latents)


def make_prompts(
    waveform: NDArray[np.float32], starts: list[int], networks: Networks, request: Request
) -> tuple[Tensor, Tensor]:
    """(windows, 24, 77, size) prompts, and (1, 77, size) of the empty one.

    One token stands for the whole sound in every window, so that there is one subject.
    """
    condition = request.model.get("condition") or "both"
    ids = prompt_ids(
        networks.tokenizer,
        None if condition == "audio" else request.prompt,
        audio=condition != "text",
    ).to(networks.device)
    nothing = text_prompt(
        networks.text, prompt_ids(networks.tokenizer, "", audio=False).to(networks.device)
    )
    if condition == "text":
        words = text_prompt(networks.text, ids).expand(len(starts), FRAMES, -1, -1)
        return words, nothing
    tokens = [window_tokens(waveform, start, networks) for start in starts]
    whole = torch.stack([one.whole for one in tokens]).mean(dim=0)
    prompts = [
        frame_prompts(networks.text, ids, Tokens(one.temp, one.locals, whole)) for one in tokens
    ]
    return torch.stack(prompts), nothing


def window_tokens(waveform: NDArray[np.float32], start: int, networks: Networks) -> Tokens:
    """The tokens of the 2 s that 24 frames from ``start`` on show, silence after the end."""
    first = start * SAMPLE_RATE // RATE
    part = waveform[first : first + WINDOW]
    part = np.pad(part, (0, WINDOW - len(part)))
    assert networks.mapper is not None
    tokens = networks.mapper(networks.beats(beats_fbank(torch.from_numpy(part))[None]))
    device = networks.device
    return Tokens(
        tokens.temp.to(device), tuple(t.to(device) for t in tokens.locals), tokens.whole.to(device)
    )


def decode_latents(vae: Any, latents: Tensor) -> NDArray[np.uint8]:
    """(1, 4, frames, h, w) -> (frames, height, width, 3), a few frames at a time."""
    folded = latents[0].transpose(0, 1) / vae.config.scaling_factor
    pictures = [
        ((vae.decode(part).sample.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        for part in folded.split(DECODED)
    ]
    return torch.cat(pictures).permute(0, 2, 3, 1).cpu().numpy()


def read_16k(sound: Sound) -> NDArray[np.float32]:
    """All of a sound, mono at 16 kHz. (The published script cuts 2 s first, then resamples.)"""
    mono = np.concatenate([block.mean(axis=1) for block in read_blocks(sound)])
    return soxr.resample(mono, sound.sample_rate, SAMPLE_RATE).astype(np.float32)


def _timed(
    pictures: NDArray[np.uint8], total: int, rate: Fraction, request: Request
) -> Iterator[VideoFrame]:
    """The film's frames: of each the picture that is on screen then, whole, on black."""
    size, last, held = (request.width, request.height), -1, None
    for number in range(total):
        at = min(int(number / rate * RATE), len(pictures) - 1)
        if at != last or held is None:
            image = ImageOps.pad(Image.fromarray(pictures[at]), size, Image.Resampling.BICUBIC)
            held, last = np.asarray(image), at
        yield VideoFrame.from_ndarray(held, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709"
        )


def _share(progress: Progress, number: int, takes: int) -> Progress:
    return lambda stage, done: progress(stage, (number + done) / takes)
