"""Content credentials of a reel's waves: of each shot, and of the stems."""

from collections.abc import Sequence
from pathlib import Path

from foleycli.library.credits import credits_of
from foleycli.mux.names import adm_path
from foleycli.mux.sign import Made, Signing, is_signed, sign_file
from foleycli.timeline.journal import Journal
from foleycli.timeline.lanes import show
from foleycli.timeline.plan import ReelPlan
from foleycli.timeline.sound import ShotSound


def sign_reel(
    plan: ReelPlan, sounds: Sequence[ShotSound], journal: Journal, signing: Signing
) -> None:
    """Write credentials into the waves of shots that have none, and into every stem.

    A wave names the films it was made for and the recordings that are heard in it; a stem those of
    all its shots.
    """
    heard = {
        shot.number: [
            one
            for row in show(journal.lane(shot.lane), shot.window, shot.seed)
            for one in row.event.heard
        ]
        for shot in journal.shots
    }
    # a source that makes its sounds itself plays no recording in any shot
    generated = journal.source != "library" and not any(heard.values())

    def made(some: Sequence[ShotSound]) -> Made:
        films = tuple(dict.fromkeys(sound.shot.film.path for sound in some))
        ids = [one for sound in some for one in heard.get(sound.shot.number, [])]
        credits = credits_of(ids, journal.options.library)
        return Made(films, journal.source, credits, generated=generated, licence=journal.licence)

    def sign(wav: Path, whose: Made) -> None:
        if wav.is_file() and not is_signed(wav):
            sign_file(wav, wav, signing, whose, overwrite=True)

    for sound in sounds:
        for kind in ("all", *(kind for kind, _ in plan.parts)):
            sign(sound.part(kind), made([sound]))
        sign(adm_path(sound.wav), made([sound]))
    whole = made(sounds)
    for path in (*(path for _, path in plan.parts), plan.stem, plan.adm):
        if path:
            sign(path, whole)
