"""Films with their sound become shards that training reads: frames, spectrograms, features.

A shard is a tar that webdataset reads too. An example is a run of members of one number: its facts
(``.json``), its frames four a second (``.000.jpg``, ...), the spectrogram of its sound
(``.mel.npy``, float16) and the teacher's rows (``.features.npy``, float32). ``index.csv`` says
where each example lies, so that `Prepared` reads any of them at once, in any order.
"""

import csv
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from foleycli.clip.probe import probe
from foleycli.cluster import do_on_ray
from foleycli.config import (
    DIFF_FOLEY_MEL,
    FRAMES,
    MEL,
    GenerateConfig,
    MelConfig,
    PrepareConfig,
)
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.evaluate.clipset import Example
from foleycli.frames.decode import Picture, decode_pictures
from foleycli.output import atomic_output
from foleycli.processes import do_all
from foleycli.sources.diff_foley import SeenFeatures
from foleycli.sources.identity import DIFF_FOLEY, find_family, find_folder, source_fingerprint
from foleycli.sources.open import open_source
from foleycli.spot.encode import FACTS, SHIPPED, Encoder, encode_video
from foleycli.spot.features import Features
from foleycli.spot.seen import SEEN
from foleycli.train.listing import BAD, BAD_COLUMNS, SETTINGS, keep_settings, write_table
from foleycli.waveform.mel import log_mel
from foleycli.waveform.sound import read_sound

PARTS = ("frames", "mels", "features")
INDEX = "index.csv"
COLUMNS = ("id", "shard", "offset", "size", "rows", "duration", "label", "prompt")
Encode = Callable[[Iterable[Picture]], Features]


def prepare(
    examples: Sequence[Example],
    out: Path,
    config: PrepareConfig,
    jobs: int = 1,
    on: str | None = None,
) -> Iterator[tuple[str, str]]:
    """Make shards of films. Shards that are there, of the same films, are kept.

    Args:
        examples: of `evaluate.clipset.read_set`, of the configuration's split.
        on: makes them on Ray, in place of ``jobs`` processes here: see `cluster.do_on_ray`.

    Yields:
        The id of a film, and what is the matter with it: "" when it is in a shard.

    Raises:
        UsageError: an unknown part, or the folder was made with other settings.
        ModelError: the teacher is not installed.
    """
    if not config.parts or not set(config.parts) <= set(PARTS):
        raise UsageError(f"--parts {','.join(config.parts)}: unknown.", f"Of {', '.join(PARTS)}.")
    settings = _settings(config)
    keep_settings(out, settings)
    if on is not None:  # nodes are in other folders
        out = out.absolute()
        examples = [replace(example, clip=example.clip.absolute()) for example in examples]
    shards = [
        Shard(out, number, tuple(examples[first : first + config.shard]), first, config)
        for number, first in enumerate(range(0, len(examples), config.shard))
    ]
    done = do_all(write_shard, shards, jobs) if on is None else do_on_ray(write_shard, shards, on)
    for shard, problem in done:
        if problem:
            raise FoleyError(f"{shard.path.name}: {problem}", "Run the same command again.")
        yield from ((row["id"], row.get("problem", "")) for row in shard.rows())
    rows = [row for shard in shards for row in shard.rows()]
    bad = [row for row in rows if "problem" in row]
    write_table(out / INDEX, COLUMNS, (row for row in rows if "problem" not in row))
    write_table(out / BAD, BAD_COLUMNS, bad)


def _settings(config: PrepareConfig) -> dict[str, Any]:
    """What a reader must know, and what makes two data sets differ."""
    mel = asdict(mel_of(config.model))
    settings = {**asdict(config), "mel": mel, "frame_rate": FRAMES.frame_rate, "size": FRAMES.size}
    del settings["device"]
    if "features" in config.parts:
        settings["weights"] = _weights(config)
    return settings


def mel_of(model: str) -> MelConfig:
    """The spectrograms that a model's autoencoder is for.

    Raises:
        ModelError: it is unknown, or not installed.
    """
    if model in ("small", DIFF_FOLEY):
        return MEL if model == "small" else DIFF_FOLEY_MEL
    folder = find_folder(model)
    if find_family(folder) == DIFF_FOLEY:
        return DIFF_FOLEY_MEL
    return MelConfig(**json.loads((folder / "config.json").read_text())["mel"])


def _is_cavp(model: str) -> bool:
    return model != "small" and find_family(find_folder(model)) == DIFF_FOLEY


def _weights(config: PrepareConfig) -> str:
    """A name for the teacher's weights."""
    if _is_cavp(config.model):
        return source_fingerprint(GenerateConfig(model=config.model))
    Encoder.open(config.encoder)
    folder = Path(config.encoder) if Path(config.encoder).is_dir() else SHIPPED
    digest = hashlib.blake2b(config.encoder.encode(), digest_size=16)
    for path in sorted(p for name in ("wh*.safetensors", SEEN, FACTS) for p in folder.glob(name)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _teacher(model: str, encoder: str, device: str) -> Encode:
    """What sees, kept by its process."""
    if _is_cavp(model):
        return open_source(GenerateConfig(model=model, device=device)).encode
    return partial(encode_video, encoder=Encoder.open(encoder), watch=False)


@dataclass(frozen=True, slots=True)
class Shard:
    """Some films of a set, and the tar they go into."""

    out: Path
    number: int
    examples: tuple[Example, ...]
    first: int  # number of the first example in the set
    config: PrepareConfig

    @property
    def path(self) -> Path:
        return self.out / f"shard-{self.number:06d}.tar"

    @property
    def note(self) -> Path:
        return self.path.with_suffix(".json")

    def rows(self) -> list[dict[str, Any]]:
        """Of the index, and of what could not be used (with ``problem``)."""
        return json.loads(self.note.read_text())["rows"]

    def key(self) -> str:
        """Changes when one of the films does."""
        facts = []
        for example in self.examples:
            state = example.clip.stat()
            facts.append([example.id, example.label, example.prompt, str(example.clip),
                          state.st_size, state.st_mtime_ns])  # fmt: skip
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def write_shard(shard: Shard) -> None:
    """Write a shard and its note, unless that is done.

    A film that is damaged costs itself, and is not tried again until it changes. What else goes
    wrong, such as a disk that vanished, costs the film too, and the shard is made again next time.
    """
    key = shard.key()
    if shard.path.is_file() and shard.note.is_file():
        note = json.loads(shard.note.read_text())
        if note["key"] == key and note["final"]:
            return
        shard.note.unlink()
    rows: list[dict[str, Any]] = []
    final = True
    with (
        atomic_output(shard.path, overwrite=True) as hidden,
        tarfile.open(hidden, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for number, example in enumerate(shard.examples, shard.first):
            row: dict[str, Any] = {"id": example.id}
            try:
                facts, members = read_example(example, shard.config)
            except Exception as error:  # of any kind: a night's work must not end with one film
                known = isinstance(error, FoleyError)
                why = str(error) if known else f"{type(error).__name__}: {error}"
                rows.append({**row, "file": str(example.clip), "problem": why})
                final = final and known
                continue
            offset = tar.offset
            for name, content in members:
                entry = tarfile.TarInfo(f"{number:08d}.{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            rows.append({**facts, "shard": shard.path.name, "offset": offset,
                         "size": tar.offset - offset})  # fmt: skip
    with atomic_output(shard.note, overwrite=True) as note:
        note.write_text(json.dumps({"key": key, "final": final, "rows": rows}))


def read_example(
    example: Example, config: PrepareConfig
) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    """Look at a film once and hear it: its facts, and its members by the end of their names."""
    clip = probe(example.clip)
    end = Fraction(config.duration).limit_denominator(1000) if config.duration else None
    seen = _Seen()
    pictures = seen.look(decode_pictures(clip, end=end), keep="frames" in config.parts)
    members: list[tuple[str, bytes]] = []
    if "features" in config.parts:
        features = _teacher(config.model, config.encoder, config.device)(pictures)
        rows = features.seen if isinstance(features, SeenFeatures) else features.rows
        members.append(("features.npy", _npy(rows.astype(np.float32))))
    else:
        for _ in pictures:
            pass
    if "mels" in config.parts:
        mel = _mel(example.clip, seen.duration, mel_of(config.model))
        members.append(("mel.npy", _npy(mel.astype(np.float16))))
    members += [
        (f"{n:03d}.jpg", _jpeg(frame, config.quality)) for n, frame in enumerate(seen.frames)
    ]
    facts = {"id": example.id, "rows": seen.rows, "duration": float(seen.duration),
             "label": example.label, "prompt": example.prompt}  # fmt: skip
    return facts, [("json", json.dumps(facts).encode()), *members]


@dataclass(slots=True)
class _Seen:
    """What passed by on the way to the teacher."""

    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    rows: int = 0
    duration: Fraction = Fraction(0)

    def look(self, pictures: Iterable[Picture], keep: bool) -> Iterator[Picture]:
        for picture in pictures:
            self.duration, self.rows = picture.end, self.rows + picture.repeats
            if keep and picture.rgb is not None:
                self.frames += [picture.rgb] * picture.repeats
            yield picture


def _mel(path: Path, duration: Fraction, config: MelConfig) -> NDArray[np.float32]:
    """Spectrogram of the first sound of a film, exactly as long as its picture."""
    waveform = read_sound(path, config.sample_rate)[: round(duration * config.sample_rate)]
    if not waveform.any():
        raise MediaError(f"{path.name} is silent.", "Leave it out.")
    waveform = np.pad(waveform, (0, round(duration * config.sample_rate) - len(waveform)))
    return log_mel(torch.from_numpy(waveform.astype(np.float32)), config).numpy()


def _npy(array: NDArray[Any]) -> bytes:
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()


def _jpeg(frame: NDArray[np.uint8], quality: int) -> bytes:
    held = io.BytesIO()
    Image.fromarray(frame).save(held, "JPEG", quality=quality, subsampling=0)
    return held.getvalue()


@dataclass(frozen=True, slots=True, eq=False)
class PreparedClip:
    """One example as training takes it; parts that were not prepared are None.

    Attributes:
        frames: (rows, 224, 224, 3) uint8.
        mel: (n_mels, mel frames) float32.
        features: (rows, 512) float32, the teacher's.
    """

    id: str
    label: str
    prompt: str
    duration: float  # seconds
    frames: NDArray[np.uint8] | None
    mel: NDArray[np.float32] | None
    features: NDArray[np.float32] | None


class Prepared:
    """What `prepare` wrote, by number; the same order always.

    >>> clips = Prepared(Path("vggsound"))
    >>> for number in clips.order(seed=0, epoch=1):
    ...     clip = clips[number]

    Raises:
        MediaError: the folder holds no prepared films.
    """

    def __init__(self, folder: Path, parts: Sequence[str] = PARTS) -> None:
        self.folder, self.parts = folder, tuple(parts)
        if not (folder / INDEX).is_file():
            raise MediaError(f"{folder} holds no {INDEX}.", "Make it with foley data prepare.")
        with (folder / INDEX).open(newline="", encoding="utf-8") as file:
            self.rows = list(csv.DictReader(file))
        if not self.rows:
            raise MediaError(f"{folder} holds no film that could be used.", f"See its {BAD}.")

    @cached_property
    def settings(self) -> dict[str, Any]:
        """How it was made: model, parts, mel, weights ..."""
        return json.loads((self.folder / SETTINGS).read_text())

    @property
    def mel(self) -> MelConfig:
        """Of its spectrograms."""
        return MelConfig(**self.settings["mel"])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> PreparedClip:
        row = self.rows[number]
        with (self.folder / row["shard"]).open("rb") as file:
            file.seek(int(row["offset"]))
            held = io.BytesIO(file.read(int(row["size"])))
        frames, arrays = [], {}
        with tarfile.open(fileobj=held) as tar:
            for entry in tar:
                _, _, kind = entry.name.partition(".")
                content = tar.extractfile(entry)
                if content and kind.endswith(".jpg") and "frames" in self.parts:
                    frames.append(np.asarray(Image.open(content)))
                elif content and kind.endswith(".npy"):
                    arrays[kind] = np.load(io.BytesIO(content.read())).astype(np.float32)
        return PreparedClip(
            row["id"], row["label"], row["prompt"], float(row["duration"]),
            np.stack(frames) if frames else None,
            arrays.get("mel.npy") if "mels" in self.parts else None,
            arrays.get("features.npy") if "features" in self.parts else None,
        )  # fmt: skip

    def order(self, seed: int, epoch: int, held_out: bool = False) -> list[int]:
        """Numbers of the examples that training may see, or of the held-out tenth, shuffled.

        An example is held out when crc32 of its id is a multiple of ten, as sounds are.
        """
        numbers = [
            number
            for number, row in enumerate(self.rows)
            if (zlib.crc32(row["id"].encode()) % 10 == 0) == held_out
        ]
        return list(np.random.default_rng((seed, epoch)).permutation(numbers))
