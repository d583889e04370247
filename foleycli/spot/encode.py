"""Pictures to features, in one pass over the film and in memory that does not grow with it.

Two encoders read pictures: the *teacher*, as small as can be, and the *student*, which is meant to
find in a close-up or a camera move what there is in the whole picture (arXiv 2507.02271;
docs/distillation.md). The student ships and is used unless another is asked for.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foleycli.config import FEATURES, GENERATE
from foleycli.documents import parse_json
from foleycli.errors import MediaError, ModelError
from foleycli.frames.decode import Picture
from foleycli.processes import Aside, count_threads
from foleycli.sight.motion import is_unlike
from foleycli.sight.track import Reading
from foleycli.sight.watch import Watcher
from foleycli.sight.when import TOGETHER, MotionReader
from foleycli.sight.when_net import load_net, read_weighed_stops
from foleycli.spot.features import Features
from foleycli.spot.seen import SEEN, SeenHead
from foleycli.spot.select import Selector, choose
from foleycli.spot.text import embed_text
from foleycli.spot.what import Seer, is_dark

if TYPE_CHECKING:
    from foleycli.sight.words import WordEyes

_Looked = tuple[NDArray[np.float32], NDArray[np.float32] | None]  # classes; what a student reads
BATCH = 16  # pictures whose rows are made at once
MOST_EYES = 4  # pictures that are looked at side by side; one thread each
SAME = 2.0  # levels by which a 14th of a picture, each way, may differ from the last one looked at
PARTS = 14
ROWS_AT_ONCE = 1024  # of features, so that a long film takes no more memory than it must
SHIPPED = Path(__file__).parent.parent / "models" / "small"
WHAT, WHEN, TEACHER_WHEN = "what.safetensors", "when.safetensors", "when_teacher.safetensors"
FACTS, SELECT = "encoder.json", "select.safetensors"


@dataclass(frozen=True, slots=True)
class Encoder:
    """What sees and what reads motion."""

    seer: Seer
    reading: Reading
    reach: int = 0  # rows to either side, within a shot, whose mean a row of *what* is
    select: Path | None = None  # weights of what looks for words (`foley train select`)
    head: SeenHead | None = None  # of a student over the networks that see
    versions: tuple[int, ...] = (0,)  # of those networks, unless it has its own

    @classmethod
    def open(cls, name: str = GENERATE.encoder) -> "Encoder":
        """Read an encoder's weights.

        Args:
            name: ``student``, ``teacher``, or a folder with ``what.safetensors``,
                ``when.safetensors``, ``seen.safetensors`` or ``encoder.json`` (``versions`` of the
                networks that see, ``reach``); what it lacks is the teacher's.

        Raises:
            ModelError: there is no such encoder.
        """
        teacher = teacher_file()
        if name == "teacher":
            return cls(Seer(), partial(read_weighed_stops, net=load_net(teacher)))
        folder = encoder_folder(name)
        when = folder / WHEN
        files = (WHAT, WHEN, SEEN, SELECT, FACTS)
        if not any((folder / file).exists() for file in files):
            raise ModelError(
                f"{name} is no encoder: it has no {', '.join(files[:-1])} or {FACTS}.",
                "Choose student, teacher, or a folder that foley train distill wrote.",
            )
        net = load_net(when if when.exists() else teacher)
        weights, versions = what_sees(name)
        seer = Seer(weights, versions)
        reach, select = read_facts(folder)["reach"], folder / SELECT
        reading = partial(read_weighed_stops, net=net)
        head = SeenHead.open(folder / SEEN) if (folder / SEEN).exists() else None
        found = select if select.exists() else None
        return cls(seer, reading, reach, found, head, tuple(versions))

    def word_eyes(self, words: Sequence[str]) -> "WordEyes | None":
        """What looks for words, where it was trained.

        Raises:
            ModelError: its weights cannot be read.
        """
        if self.select is None or not words:
            return None
        from foleycli.sight.efficientnet import open_networks
        from foleycli.sight.words import WordEyes

        network = open_networks(*what_sees(str(self.select.parent)))[0]
        return WordEyes(self.select, network, embed_text(list(words)))


def encoder_folder(name: str) -> Path:
    """Where the files of an encoder lie, other than the teacher's."""
    return SHIPPED if name == "student" else Path(name)


def what_sees(name: str) -> tuple[Path | None, list[int]]:
    """The weights of a student, if it has its own, and the published networks to see with if not.

    Raises:
        ModelError: its ``encoder.json`` cannot be read.
    """
    if name == "teacher":
        return None, [0]
    folder = encoder_folder(name)
    weights = folder / WHAT
    if (folder / SEEN).exists() and not (folder / FACTS).exists():
        folder = SHIPPED  # whose networks a head is over
    return weights if weights.exists() else None, read_facts(folder)["versions"]


def read_facts(folder: Path) -> dict[str, Any]:
    """``encoder.json`` of an encoder's folder, with what it leaves out.

    Raises:
        ModelError: it cannot be read.
    """
    facts = {"versions": [0], "reach": 0}
    path = folder / FACTS
    if not path.exists():
        return facts
    try:
        return facts | parse_json(path.read_text("utf-8"))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Write it again.") from error


def teacher_file() -> Path:
    """The weights of the reader of motion before it was distilled."""
    kept = SHIPPED / TEACHER_WHEN
    return kept if kept.exists() else SHIPPED / WHEN


def encode_video(
    pictures: Iterable[Picture],
    encoder: Encoder,
    words: Sequence[str] = (),
    *,
    watch: bool = True,
) -> Features:
    """What is seen, four times a second, and when it moves, 64 times a second.

    Args:
        words: what is asked for by name, each to have curves of its own (see `spot.select`).
        watch: also look for things, people and hands.

    Raises:
        MediaError: there is not one picture.
    """
    motion, watcher = MotionReader(encoder.reading, keep=bool(words)), Watcher()
    selector = Selector(words, encoder.seer, encoder.word_eyes(words))
    looker = _Looker(encoder.seer, encoder.head)
    moves: list[tuple[Fraction, NDArray[np.uint8]]] = []
    end = Fraction(0)
    with Aside(motion.push_all) as reading, Aside(watcher.look) as watching, looker:
        for picture in pictures:
            moves.append((picture.time, picture.luma))
            if len(moves) == TOGETHER:
                reading.put(moves)
                moves = []
            if watch and watcher.takes(picture):
                watching.put(picture)
            end = picture.end
            if picture.rgb is not None:
                looker.push(picture.rgb, picture.repeats)
                selector.look(float(picture.time), picture.rgb)
        reading.put(moves)
    what, classes, dark, inner = looker.seen
    if not what:
        raise MediaError("The clip has no picture in that span.", "Check --in and --out.")
    hits, activity = motion.curves(end)
    cuts = motion.cuts()
    seen, classes, dark = (np.concatenate(part) for part in (what, classes, dark))
    what.clear()  # as long as the film
    if encoder.head is not None:
        shots = shot_numbers(cuts, len(seen))
        shares = encoder.head.settle(classes.astype(np.float32), np.concatenate(inner), shots)
        seen, classes = encoder.seer.words(shares, dark), shares.astype(np.float16)
    rows = share_context(seen, cuts, encoder.reach)
    sizes, force = motion.sizes(end)
    features = Features.assemble(
        rows,
        hits,
        activity,
        end,
        cuts,
        classes=classes,
        sightings=tuple(watcher.sightings),
        dark=dark,
        places=motion.places(end),
        sizes=sizes,
        force=force,
    )
    return replace(features, selections=choose(selector, motion, features)) if words else features


def shot_numbers(cuts: Sequence[Fraction], rows: int) -> NDArray[np.intp]:
    """(rows,), four a second: the number of the shot that each belongs to."""
    edges = [round(cut * FEATURES.frame_rate) for cut in cuts]
    return np.searchsorted(edges, np.arange(rows), "right")


def share_context(
    what: NDArray[np.float32], cuts: Sequence[Fraction], reach: int
) -> NDArray[np.float32]:
    """Each row (T, size) becomes the mean of the rows of its shot within ``reach`` of it."""
    if not reach:
        return what
    edges = [0, *(min(len(what), round(cut * FEATURES.frame_rate)) for cut in cuts), len(what)]
    shared = np.empty_like(what)
    for first, last in itertools.pairwise(edges):
        for begin in range(first, last, ROWS_AT_ONCE):
            rows = np.arange(begin, min(begin + ROWS_AT_ONCE, last))
            low, high = np.maximum(rows - reach, first), np.minimum(rows + reach + 1, last)
            sums = what[low[0] : high[-1]].cumsum(axis=0, dtype=np.float64)
            sums = np.concatenate([np.zeros_like(sums[:1]), sums])
            total = sums[high - low[0]] - sums[low - low[0]]
            shared[rows] = total / (high - low)[:, None]
    return shared


class _Looker:
    """Pictures -> what they show, in their order; several are looked at side by side.

    A picture in which nothing differs from the last one that was looked at is taken for it.
    """

    def __init__(self, seer: Seer, head: SeenHead | None = None) -> None:
        # rows, classes, whether it is dark, and what a student reads
        self.seen: tuple[list[NDArray], ...] = ([], [], [], [])
        self.looks = 0
        self._seer, self._head = seer, head
        self._waiting: deque[tuple[NDArray[np.uint8], int, Future[_Looked]]] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._last: tuple[NDArray[np.uint8], Future[_Looked]] | None = None

    def __enter__(self) -> "_Looker":
        threads = count_threads()
        if threads > 1:
            self._pool = ThreadPoolExecutor(min(threads, MOST_EYES))
        return self

    def push(self, rgb: NDArray[np.uint8], repeats: int) -> None:
        """Take a picture (224, 224, 3) that fills so many rows."""
        if self._last is None or is_unlike(rgb, self._last[0], PARTS, PARTS, SAME):
            self._last = rgb, self._looked_at(rgb)
        self._waiting.append((rgb, repeats, self._last[1]))
        if len(self._waiting) == 2 * BATCH:  # the first half is done, or nearly
            self._gather()

    def _looked_at(self, rgb: NDArray[np.uint8]) -> Future[_Looked]:
        self.looks += 1
        if self._pool is not None:
            return self._pool.submit(self._look, rgb[None])
        done: Future[_Looked] = Future()
        done.set_result(self._look(rgb[None]))
        return done

    def _look(self, frame: NDArray[np.uint8]) -> _Looked:
        if self._head is None:
            return self._seer.classify(frame), None
        shares, embeddings = self._seer.see(frame)
        return shares, self._head.inner(embeddings)

    def _gather(self) -> None:
        """What up to 16 pictures show: rows (n, 384), ImageNet's classes (n, 1000) float16,
        whether they are dark (n,), and what a student reads of them, if there is one."""
        count = min(BATCH, len(self._waiting))
        frames, repeats, looks = zip(*(self._waiting.popleft() for _ in range(count)), strict=True)
        dark = is_dark(np.stack(frames))
        shares, inner = zip(*(look.result() for look in looks), strict=True)
        probabilities = np.concatenate(shares)
        shown = [self._seer.words(probabilities, dark), probabilities.astype(np.float16), dark]
        if self._head is not None:
            shown.append(np.concatenate(inner))
        for kept, rows in zip(self.seen, shown, strict=False):
            kept.append(np.repeat(rows, repeats, axis=0))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self._waiting and kind is None:
                self._gather()
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
