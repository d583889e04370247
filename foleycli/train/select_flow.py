"""Train SelVA's generator to be led by eyes that select, by flow matching.

    foley models pull selva
    foley train select --stage 2 --model selva --clips CLIPS.csv --vae v1-16.pth --out runs/select

CLIPS.csv names films with their own sound: ``file``, ``label``. Two stand side by side; from the
rows that the frozen encoder selects by the words of one, the generator learns that one's sound.
Trained are its projection of those rows, and the norms of its stream of sound (adaLN) in all
blocks: 22 M of 157 M. ``--vae`` is the public autoencoder's file: its encoder is not in the bundle.
``--one-stage`` lets the encoder's block of words, projection, [SUP] rows and pooling learn too, its
block from nothing; ``--no-sup`` leaves the [SUP] rows out.

Source: SelVA, arXiv 2512.02650, section 3.3; the objective is MMAudio's (arXiv 2412.15322). The
final layer's norm is left as it is: whether it was trained is not stated.
"""

import zlib
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from foleycli.clip.probe import probe
from foleycli.config import MelConfig, MelVaeConfig, SelectSoundTraining
from foleycli.errors import ModelError, UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.latents.flow import between
from foleycli.latents.flow_transformer import FlowTransformer, StreamBlock
from foleycli.latents.mel_vae import MelVae, fold
from foleycli.models.bundle import Bundle
from foleycli.models.checkpoint import read_checkpoint
from foleycli.sight.motionformer import FRAME_RATE, SEGMENT, STEP
from foleycli.sight.selva import SelvaEncoder, WordBlock, segments_of
from foleycli.sources.identity import SELVA, find_family, find_folder
from foleycli.sources.selva import PICTURE_RATE, SECONDS, SelvaModel, tick_frames
from foleycli.train.pair_films import LabelledClip, read_labels
from foleycli.train.run import Run, RunOptions
from foleycli.train.select import mix_batch, write_learned
from foleycli.waveform.flow_mel import flow_mel
from foleycli.waveform.sound import read_sound

HELD_OUT = 8
NOTE = """## Led by what is selected
Its generator was trained further ({updates} updates of {batch}, on the model with sha256 {base};
not for work that is paid for, as that): see arXiv 2512.02650 and `foley train select --stage 2`.
"""


def train(
    table: Path,
    films: Path | None,
    model: str,
    vae: Path,
    out: Path,
    config: SelectSoundTraining,
    options: RunOptions,
) -> Path:
    """Train, or go on; the folder of the bundle.

    Args:
        table: CSV of file and label.
        films: where the files are, if not beside it.
        vae: the public autoencoder's file.

    Raises:
        UsageError: the bundle is of another family, or there is nothing to learn from.
        ModelError: the autoencoder is of another size.
    """
    folder = find_folder(model)
    if find_family(folder) != SELVA:
        raise UsageError(f"{model} is of another family.", "Give selva, or one made of it.")
    base = Bundle.open(folder)
    with Run(out, "select-flow", config, options) as run:
        # what is learned from
        clips = read_labels(table, films)
        heard, held_out = (
            [clip for clip in clips if is_held_out(clip) == kind] for kind in (False, True)
        )
        if not heard:
            raise UsageError(f"{table} has no film to learn from.", "Give more than a handful.")

        # who reads and sees, and what learns
        eyes = SelvaModel(base, str(run.device), torch.float32)
        eyes.read([clip.label for clip in clips])
        words, tokens = (
            {text: rows.clone() for text, rows in read.items()}  # not of inference mode any more
            for read in (eyes._unit_words, eyes._words)
        )
        encoder, generator = eyes.encoder, eyes.generator
        hears = open_encoder(base, vae).to(run.device)
        learned = let_learn(generator, encoder, config)
        learning = nn.ModuleList([generator, encoder] if config.one_stage else [generator])
        average = run.average_of(learning)
        optimizer = torch.optim.AdamW(learned, config.rate, weight_decay=config.weight_decay)
        noise, chance = run.generator(), np.random.default_rng(run.seed)
        run.begin(
            {"learning": learning, "average": average},
            {"optimizer": optimizer},
            {"chance": chance, "noise": noise},
        )

        def loss_of(drawn: list[LabelledClip], chance: np.random.Generator, noise: torch.Generator):
            frames, sounds = zip(*(read_window(clip, eyes.mel) for clip in drawn), strict=True)
            named = [clip.label for clip in drawn]
            mixed, film = mix_batch(torch.stack(frames), named, config, chance)
            with torch.no_grad(), run.autocast():
                parts = [segments_of(one, SEGMENT, STEP).to(run.device) for one in mixed]
                seen = [encoder.look(part).float() for part in parts]
                mean, log_variance = hears.encode(flow_mel(torch.stack(sounds), eyes.mel))
            with run.autocast():
                rows = [
                    encoder(seen[i], *encoder.read(tokens[text][None]))
                    for i, text in zip(film, named, strict=True)
                ]
            sync = torch.stack([row.float().flatten(0, 1) for row in rows])
            read = torch.stack([words[text] for text in named])
            return flow_loss(generator, sync, read, mean, log_variance, noise, run)

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                picked = chance.choice(len(heard), run.share, replace=run.share > len(heard))
                run.backward(loss_of([heard[int(i)] for i in picked], chance, noise))
            run.step(optimizer)
            run.follow(average, learning)
            run.end_update()
            if run.is_due() and held_out:
                with torch.no_grad():
                    fixed = np.random.default_rng(0), torch.Generator().manual_seed(0)
                    run.validated(loss=loss_of(held_out[:HELD_OUT], *fixed))

        if run.rank == 0:
            learning.load_state_dict(average.state_dict())
            facts = {"updates": run.done, "seed": options.seed, **asdict(config)}
            parts: dict[str, nn.Module] = {"generator": generator}
            if config.one_stage:
                parts["encoder"] = encoder
            sizes = {"encoder": {"extra_words": len(encoder.sup_text_feat)}}
            write_learned(base, parts, out / "bundle", "led", facts, NOTE, sizes)
        return out / "bundle"


def flow_loss(
    generator: FlowTransformer,
    sync: Tensor,
    words: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    noise: torch.Generator,
    run: Run[SelectSoundTraining],
) -> Tensor:
    """Mean squared error of the velocity at times that lie most often in the middle.

    Args:
        sync: (batch, 8 segments, size) rows of motion; withheld at random, as are
        words: (batch, words, size), by themselves.
        mean, log_variance: (batch, channels, length) of the sound's latents.
    """
    batch, config = len(sync), run.config

    def draw(shape: tuple[int, ...] | torch.Size) -> Tensor:
        return torch.randn(shape, generator=noise).to(run.device)

    latent = (mean + (0.5 * log_variance).exp() * draw(mean.shape)).mT
    latent = (latent - generator.latent_mean) / generator.latent_std
    time = draw((batch,)).sigmoid()
    moved, velocity = between(draw(latent.shape), latent, time)
    unseen = (torch.rand(batch, generator=noise) < config.drop).to(run.device)
    unread = (torch.rand(batch, generator=noise) < config.drop_words).to(run.device)
    sync = torch.where(unseen[:, None, None], generator.empty_sync(batch, sync.shape[1]), sync)
    words = torch.where(unread[:, None, None], generator.empty_text(batch), words)
    with run.autocast():
        led = generator.prepare(sync, words, latent.shape[1], SECONDS * PICTURE_RATE)
        found = generator(moved, time, led)
    return (found.float() - velocity).square().mean()


def let_learn(
    generator: FlowTransformer, encoder: SelvaEncoder, config: SelectSoundTraining
) -> list[nn.Parameter]:
    """The weights that are trained; of a single stage also those that select, from nothing."""
    sound = [block.latent_block for block in generator.joint_blocks]
    streams = [*sound, *generator.fused_blocks]
    modules: list[nn.Module] = [generator.sync_input_proj]
    for stream in streams:
        assert isinstance(stream, StreamBlock)
        modules.append(stream.adaLN_modulation)
    if config.one_stage:
        size = encoder.sup_text_feat.shape[1]
        encoder.sup_text_feat = nn.Parameter(
            0.02 * torch.randn(config.extra_words, size, device=encoder.sup_text_feat.device)
        )
        for block in encoder.synch_text_cross_blocks:
            assert isinstance(block, WordBlock)
            block.start_as_identity()
        modules += [
            encoder.synch_text_cross_blocks,
            encoder.text_proj,
            encoder.vfeat_extractor.spatial_attn_agg,
        ]
    learned = [weight for module in modules for weight in module.parameters()]
    if config.one_stage and config.extra_words:
        learned.append(encoder.sup_text_feat)
    for weight in learned:
        weight.requires_grad_(True)
    return learned


def open_encoder(base: Bundle, path: Path) -> MelVae:
    """Mels to latents, from the public autoencoder's file.

    Raises:
        ModelError: it is another one than the bundle's.
    """
    sizes = MelVaeConfig(**base.config["parts"]["vae"])
    vae = MelVae(sizes, encodes=True)
    try:
        vae.load_state_dict(fold(read_checkpoint(path)))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"{path} is not the autoencoder of this bundle ({reason}).",
            "Give v1-16.pth, or v1-44.pth for the sizes of 44.1 kHz.",
        ) from error
    return vae.eval().requires_grad_(False)


def is_held_out(clip: LabelledClip) -> bool:
    """A tenth of the films, by name."""
    return zlib.crc32(clip.file.name.encode()) % 10 == 0


def read_window(clip: LabelledClip, mel: MelConfig) -> tuple[Tensor, Tensor]:
    """Eight seconds of a film: frames (200, 3, 224, 224) uint8, 25 a second, its last one held; and
    its sound (samples,), silence after its end."""
    begin = Fraction(clip.start).limit_denominator(1000)
    pictures = decode_pictures(probe(clip.file), begin, begin + SECONDS)
    frames = list(tick_frames(pictures))[: SECONDS * FRAME_RATE]
    if not frames:
        raise UsageError(f"{clip.file.name} has no picture at {clip.start} s.", "Leave it out.")
    frames += [frames[-1]] * (SECONDS * FRAME_RATE - len(frames))
    first, samples = round(begin * mel.sample_rate), SECONDS * mel.sample_rate
    sound = read_sound(clip.file, mel.sample_rate)[first : first + samples]
    sound = np.pad(sound, (0, samples - len(sound))).astype(np.float32)
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2), torch.from_numpy(sound)
