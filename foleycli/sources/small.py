"""``small``: the shipped latent-diffusion model, from feature rows to a waveform."""

import json
from copy import deepcopy
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from torch import Tensor

from foleycli.config import FEATURES, SAMPLER, SPEEDS, WINDOW, MelConfig, SpeedConfig
from foleycli.documents import parse_json
from foleycli.errors import ModelError
from foleycli.latents.autoencoder import PatchAutoencoder
from foleycli.latents.denoiser import Denoiser, DenoiserConfig, expected_v, predict_turns
from foleycli.latents.narrow import narrow
from foleycli.latents.sampler import (
    NoisePredictor,
    Progress,
    TurnPredictor,
    sample_corrected,
    sample_latents,
    sample_turns,
)
from foleycli.latents.schedule import NoiseSchedule
from foleycli.models.bundle import BROKEN, broken, read_config
from foleycli.sources.speed import FewSteps
from foleycli.spot.features import Features
from foleycli.waveform.mel import RANGE_DB
from foleycli.waveform.timbre import PEAK_LEVEL, frame_level
from foleycli.waveform.vocoder import mel_to_waveform
from foleycli.waveform.vocoder_net import VocoderNet, load_vocoder

SHIPPED = Path(__file__).parent.parent / "models" / "small"
ROWS = round(WINDOW.duration * FEATURES.frame_rate)  # of one window: 32
LOWERED, RAISED = 40.0, 6.0  # dB, at most, to bring a sound to the level that is asked for
FAINT = 1e-3  # amplitude under which all is asked for alike
SILENCE = 0.04  # mel values under this, -76 dB, are what is left of the noise
CALM = 0.7  # how far guidance is kept from swelling the latent (arXiv 2305.08891, section 3.4)
# of the times of the steps: detail would come out a fifth too large of steps uniform in time
# (tests/latents/test_sampler.py)
SPACING = 2.0
CHANGE_STEP = 1.2  # of the root mean square of a row's changes
DEEPEST = 1000  # blocks of a denoiser that are believed
STUDENT = "fewsteps.safetensors"  # of a bundle that has a student of few steps


class SmallModel:
    """Denoiser, autoencoder and their settings, ready to sound.

    Windows are made one by one, whatever was asked for together, so that the same seed gives the
    same samples in any batch.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        autoencoder: PatchAutoencoder,
        mel: MelConfig,
        device: str | torch.device = "cpu",
        vocoder: VocoderNet | None = None,
        few_steps: FewSteps | None = None,
        folder: Path = SHIPPED,
    ) -> None:
        self.denoiser = denoiser.to(device).eval().requires_grad_(False)
        self._narrow: dict[tuple[bool, int], Denoiser] = {}  # by student or not, bits of products
        self.autoencoder = autoencoder.to(device).eval()
        self.vocoder = vocoder  # on the CPU; None: Griffin-Lim
        self.few_steps = few_steps  # of the folder's student, which is read when it is needed
        self._folder = folder
        self.mel = mel
        self.device = torch.device(device)
        self.schedule = NoiseSchedule.cosine()

    @classmethod
    def load(cls, folder: Path = SHIPPED, device: str | torch.device = "cpu") -> "SmallModel":
        """Open a bundle.

        Raises:
            ModelError: a file is missing or does not fit the others.
        """
        config = read_config(folder)
        weights = read_tensors(folder / "denoiser.safetensors")[0]
        autoencoder = read_autoencoder(folder / "autoencoder.safetensors")
        path = folder / "vocoder.safetensors"
        vocoder = load_vocoder(path) if path.exists() else None
        try:
            sizes = DenoiserConfig(**config["denoiser"])
            if not 0 < sizes.depth <= DEEPEST:
                raise ValueError(f"{sizes.depth} blocks")
            with torch.device("meta"):  # sizes that are not those of the weights take no memory
                denoiser = Denoiser(sizes)
            denoiser.load_state_dict(weights, assign=True)
            mel = MelConfig(**config["mel"])
        except (*BROKEN, AssertionError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(
                f"{folder} is not a bundle of the small model ({reason}).",
                "Reinstall foleycli, or pack the model again.",
            ) from error
        few = FewSteps.of(config)
        return cls(denoiser, autoencoder, mel, device, vocoder, few, folder)

    @property
    def samples(self) -> int:
        """Samples of one window: 256,000 at the defaults."""
        return round(WINDOW.duration * self.mel.sample_rate)

    @torch.inference_mode()
    def generate(
        self,
        features: NDArray[np.float32],
        seed: int,
        steps: int | None = None,
        guidance: float = SAMPLER.guidance,
        negative: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
        speed: SpeedConfig = SPEEDS["reference"],
    ) -> NDArray[np.float32]:
        """Make the sound of one window.

        Args:
            features: (T, 512) rows, at most 32; a shorter window is filled with silence.
            seed: of the noise and of the phases.
            steps: of the sampler; None: those of the speed, or of the student at a speed that it
                is meant for.
            guidance: how much more is asked than nothing; 1 takes the model as it is.
            negative: (384,) embedding of words that must not sound.
            progress: told (steps done, steps).
            speed: what of the work is done.

        Returns:
            (T * sample_rate / 4,) samples at ``mel.sample_rate``; zeros if nothing is asked.
        """
        samples = len(features) * self.mel.sample_rate // FEATURES.frame_rate
        if not features.any():
            return np.zeros(samples, np.float32)
        rows = np.zeros((ROWS, FEATURES.size), np.float32)
        rows[: len(features)] = features
        latents = self.sample(rows, seed, steps, guidance, negative, progress, speed)
        mel = self.decode(latents, rows)
        if self.vocoder:
            return self.vocoder.sound(mel, seed).numpy()[:samples]
        return mel_to_waveform(mel, self.mel, seed, speed.iterations).numpy()[:samples]

    @torch.inference_mode()
    def sample(
        self,
        rows: NDArray[np.float32],
        seed: int,
        steps: int | None,
        guidance: float = SAMPLER.guidance,
        negative: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
        speed: SpeedConfig = SPEEDS["reference"],
    ) -> Tensor:
        """Latents (1, tokens, channels) of a whole window of rows; arguments as of `generate`."""
        noise, few = self.draw_noise(seed), self.few_steps
        if few and few.fits(speed, steps, guidance, negative is not None):
            turn = self.turning(torch.from_numpy(rows), speed)
            return sample_turns(turn, noise, self.schedule, few.steps, progress)
        steps = steps or speed.steps
        predict = self.guided(torch.from_numpy(rows), guidance, negative, speed)
        if speed.corrected:
            return sample_corrected(predict, noise, self.schedule, steps, progress)
        return sample_latents(predict, noise, self.schedule, steps, progress, SPACING)

    def draw_noise(self, seed: int) -> Tensor:
        """(1, tokens, channels), the same on every device."""
        tokens = ROWS * FEATURES.bins // self.autoencoder.patch
        random = torch.Generator().manual_seed(seed)
        return torch.randn(1, tokens, self.autoencoder.channels, generator=random).to(self.device)

    @torch.inference_mode()
    def decode(self, latents: Tensor, rows: NDArray[np.float32]) -> Tensor:
        """The mel (n_mels, frames) of a window, at the level that its rows ask for."""
        mel = self.autoencoder.decode(latents)[0].cpu()
        return at_asked_level(torch.where(mel < SILENCE, 0, mel), rows)

    def denoiser_of(self, bits: int, student: bool = False) -> Denoiser:
        """The denoiser, or its student of few steps, whose blocks multiply in ``bits``, or in more
        where that is faster."""
        net = self.student if student else self.denoiser
        if bits == 32 or self.device.type != "cpu":
            return net
        if (student, bits) not in self._narrow:
            self._narrow[student, bits] = narrow_blocks(net, bits)
        return self._narrow[student, bits]

    @cached_property
    def student(self) -> Denoiser:
        """The denoiser that takes few steps.

        Raises:
            ModelError: its file is missing, or does not fit the others.
        """
        path = self._folder / STUDENT
        student = deepcopy(self.denoiser)
        try:
            student.load_state_dict(add_changes(student.state_dict(), read_tensors(path)[0]))
        except BROKEN as error:
            raise broken(path, error) from error
        return student

    def turning(self, rows: Tensor, speed: SpeedConfig) -> TurnPredictor:
        """v of whole steps by `student`, for rows (32, 512)."""
        assert self.few_steps
        steps, features = self.few_steps.steps, rows[None].to(self.device)
        net = self.denoiser_of(speed.bits, student=True)

        def predict(latent: Tensor, number: int) -> Tensor:
            numbers = torch.tensor([number], device=self.device)
            variances = self.autoencoder.variances
            return predict_turns(net, latent, numbers, features, variances, self.schedule, steps)

        return predict

    def guided(
        self,
        rows: Tensor,
        guidance: float,
        negative: NDArray[np.float32] | None,
        speed: SpeedConfig = SPEEDS["reference"],
    ) -> NoisePredictor:
        """Noise predicted under classifier-free guidance (arXiv 2207.12598) that does not swell.

        v = v(nothing) + guidance (v(what, when) - v(nothing)); negative words take the place of
        nothing.
        """
        without = torch.zeros_like(rows)
        if negative is not None:
            without[:, : FEATURES.what_size] = torch.from_numpy(negative)
        features = torch.stack([without, rows]).to(self.device)
        with_what = torch.tensor([negative is not None, True], device=self.device)
        with_when = torch.tensor([False, True], device=self.device)
        net, held = self.denoiser_of(speed.bits), []

        def predict(latent: Tensor, timestep: Tensor) -> Tensor:
            time = (timestep.double() + 1) / self.schedule.timesteps
            signal_and_noise = self.schedule.signal_and_noise(time)
            alpha, sigma = (part.float().to(self.device) for part in signal_and_noise)
            # nothing and what is asked, or the latter alone
            some = slice(1 if held and float(time) < speed.hold_below else 0, 2)
            asked_for = features[some], with_what[some], with_when[some]
            copies = latent.expand(len(asked_for[0]), -1, -1)
            timesteps = timestep.float().to(self.device).expand(len(copies))
            v, spread = net(copies, timesteps, *asked_for)
            v = v + expected_v(copies, alpha, sigma, self.autoencoder.variances * spread)
            asked = v[-1:]
            if len(v) == 2:
                held[:] = [asked - v[:1]]
                guided = v[:1] + guidance * held[0]
            else:
                guided = asked + (guidance - 1) * held[0]
            data, plain = (alpha * latent - sigma * part for part in (guided, asked))
            calm = 1 - CALM + CALM * plain.std() / data.std()
            return (latent - alpha * calm * data) / sigma

        return predict


def find_changes(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a network that went on from another's weights differs by, for `add_changes`: matrices in
    small whole numbers, each row with a scale (``NAME.scale``), the rest in 16 bits.

    Steps of `CHANGE_STEP` cost a student of few steps nothing (its end is .301 of a latent's size
    away from the teacher's in place of .300), and pack to a third of what 8 bits take.
    """
    changes: dict[str, Tensor] = {}
    for name, tensor in after.items():
        change = (tensor.cpu() - before[name].cpu()).float()
        if change.ndim < 2:
            changes[name] = change.half()
            continue
        usual = change.square().mean(dim=1, keepdim=True).sqrt()
        scale = (CHANGE_STEP * usual).clamp(min=1e-12)
        changes[name] = (change / scale).round().clamp(-127, 127).to(torch.int8)
        changes[f"{name}.scale"] = scale
    return changes


def add_changes(before: dict[str, Tensor], changes: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights that `find_changes` compared with.

    Raises:
        KeyError: the changes are of another network.
    """
    return {
        name: tensor + (changes[name] * changes.get(f"{name}.scale", 1)).to(tensor.device)
        for name, tensor in before.items()
    }


def narrow_blocks(denoiser: Denoiser, bits: int) -> Denoiser:
    """A denoiser like this one whose blocks multiply in fewer bits; it shares what stays."""
    shared = {id(tensor): tensor for tensor in (*denoiser.parameters(), *denoiser.buffers())}
    copy = deepcopy(denoiser, shared)  # type: ignore[arg-type]
    narrow(copy.blocks, bits)
    return copy


def at_asked_level(mel: Tensor, features: NDArray[np.float32]) -> Tensor:
    """Bring a spectrogram to the level that its features ask for.

    The model by itself makes a soft bed nearly as loud as a loud one. Levels are compared by their
    peaks within a second, so that the course of a single sound stays its own.

    Args:
        mel: (n_mels, frames).
        features: (T, 512) rows of the same span.
    """
    activity = Features(features, Fraction(len(features), FEATURES.frame_rate)).activity
    activity = activity.repeat(mel.shape[1] // len(activity))
    asked = PEAK_LEVEL + 20 / RANGE_DB * np.log10(np.maximum(activity, FAINT))
    around = mel.shape[1] * FEATURES.frame_rate // len(features)  # frames of a second
    peaks = [maximum_filter1d(level, around) for level in (asked, frame_level(mel.T.numpy()))]
    gain = np.clip(peaks[0] - peaks[1], -LOWERED / RANGE_DB, RAISED / RANGE_DB)
    gain = torch.from_numpy(uniform_filter1d(gain, around).astype(np.float32))
    return torch.where(mel > 0, mel + gain, 0).clamp(0, 1)


def write_tensors(path: Path, tensors: dict[str, Tensor], sizes: dict[str, int]) -> None:
    """Write tensors with the sizes of their module in the metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ready = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(ready, path, metadata={"sizes": json.dumps(sizes)})
    path.chmod(0o644)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, int]]:
    """float32 tensors and the sizes of the module they belong to.

    Raises:
        ModelError: the file is cut off, a pointer, or another one.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            return tensors, parse_json((file.metadata() or {})["sizes"])
    except (*BROKEN, SafetensorError) as error:
        raise broken(path, error) from error


def read_autoencoder(path: Path) -> PatchAutoencoder:
    """The autoencoder of a safetensors file.

    Raises:
        ModelError: it is cut off, a pointer, or another file.
    """
    tensors, sizes = read_tensors(path)
    try:
        with torch.device("meta"):
            autoencoder = PatchAutoencoder(**sizes)
        autoencoder.load_state_dict(tensors, assign=True)
    except BROKEN as error:
        raise broken(path, error) from error
    return autoencoder.eval()
