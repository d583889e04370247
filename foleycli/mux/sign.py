"""Content credentials (C2PA 2.2, https://spec.c2pa.org): who made a file, of what, and what of it
was generated, signed with a certificate of the user's own.

The manifest goes into the file: a ``uuid`` box of MP4 and MOV, a ``C2PA`` chunk of a wave. No
server is asked for anything, but for a time stamp where one is named.
"""

import io
import re
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from foleycli.config import GenerateConfig
from foleycli.errors import FoleyError, UsageError
from foleycli.install import get_extra
from foleycli.library.credits import UNKNOWN, Credit
from foleycli.output import atomic_output, scratch_folder
from foleycli.version import VERSION

KINDS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".avi": "video/avi",
         ".wav": "audio/wav"}  # fmt: skip
ALGORITHMS = ("es256", "es384", "es512", "ps256", "ed25519")
# IPTC NewsCodes, https://cv.iptc.org/newscodes/digitalsourcetype/, as C2PA's actions name them.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
OF_RECORDINGS = SOURCE_TYPE + "compositeCapture"
GENERATED = SOURCE_TYPE + "trainedAlgorithmicMedia"
PARTLY_GENERATED = SOURCE_TYPE + "compositeWithTrainedAlgorithmicMedia"
AGENT = {"name": "foleycli", "version": VERSION}
SETTINGS = {
    "version": 1,
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
PKCS8 = "openssl pkcs8 -topk8 -nocrypt -in KEY -out key.pem"
# What c2pa says of a certificate that it does not sign with, in words that help.
WRONG = (
    ("not valid at time", "is not valid today", "Renew it."),
    ("self-signed", "signed itself", "Take one that an authority signed, with its chain."),
    ("does not match", "is not of this key", "Give the key that it was made for."),
    ("not contain signing", "holds no certificate", "Give a chain in PEM form, yours first."),
    (
        "certificate is invalid",
        "is not for signing content",
        "It needs the usages digitalSignature and emailProtection or documentSigning.",
    ),
)


@dataclass(frozen=True, slots=True)
class Signing:
    """A certificate that signs."""

    algorithm: str
    chain: bytes  # PEM, its own first
    key: bytes = field(repr=False)  # PEM, PKCS#8
    timestamp: str | None = None  # address of a time-stamp server (RFC 3161)


@dataclass(frozen=True, slots=True)
class Made:
    """What a file is made of.

    Attributes:
        films: that were looked at; of a video the one that it was before.
        model: the source of sound.
        recordings: that are heard; none of a model that makes its sounds itself.
        generated: the sound is a model's own.
        licence: of the model's weights.
    """

    films: Sequence[Path]
    model: str
    recordings: Sequence[Credit]
    generated: bool
    licence: str = ""


NOTHING = Made((), "", (), generated=True)


def open_signing(config: GenerateConfig) -> Signing | None:
    """The certificate that outputs are signed with; None where they are not.

    It signs a wave of a millisecond first, so that what is wrong with it is known before the slow
    part.

    Raises:
        UsageError: c2pa-python is not installed, or the certificate or key does not sign.
    """
    if not config.sign:
        if given := config.certificate or config.key or config.timestamp:
            raise UsageError(f"{given} is given, and nothing is signed.", "Give --sign.")
        return None
    _import_c2pa()
    if not config.certificate:
        raise UsageError(
            "--sign needs a certificate.", "Give --certificate chain.pem --key key.pem"
        )
    if config.timestamp and config.offline:
        raise UsageError("--timestamp asks a server, and --offline none.", "Leave out one of them.")
    if config.timestamp and not re.match(r"https?://[^/]", config.timestamp):
        raise UsageError(f"--timestamp {config.timestamp} is no address.", "Give http://...")
    said = _read(Path(config.certificate), "certificate")
    keys = _read(Path(config.key), "key") if config.key else said
    chain, key = _blocks(said, "CERTIFICATE"), _blocks(keys, "PRIVATE KEY")
    name = Path(config.key or config.certificate).name
    if not key:
        other = _blocks(keys, r"[A-Z ]*PRIVATE KEY")
        problem = "is not in PKCS#8 form, unencrypted" if other else "is not there"
        raise UsageError(f"The key in {name} {problem}.", f"Give --key; {PKCS8}")
    reasons = {}
    for algorithm in ALGORITHMS:
        signing = Signing(algorithm, chain, key, config.timestamp)
        try:
            _try(signing)
            return signing
        except FoleyError as error:
            reasons[algorithm] = error.problem
    # the others say only that the key is not of their kind
    own = [reason for reason in reasons.values() if "private key" not in reason.lower()]
    reason = (own or list(reasons.values()))[0]
    for words, means, remedy in WRONG:
        if words in reason:
            raise UsageError(f"The certificate {Path(config.certificate).name} {means}.", remedy)
    raise UsageError(
        f"The certificate {Path(config.certificate).name} does not sign: {reason}.",
        "Give a chain in PEM form, your certificate first, and its key in PKCS#8 form.",
    )


def check_signed(path: Path) -> None:
    """Refuse a kind of file that has no place for content credentials.

    Raises:
        UsageError: it is one.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError(
            f"{path.suffix or path.name} has no place for content credentials.",
            "Write .mp4 or .mov with -o, or leave out --sign.",
        )


def sign_file(source: Path, out: Path, signing: Signing, made: Made, *, overwrite: bool) -> None:
    """Write a file again with its content credentials; nothing else in it changes.

    A video was ``opened`` from its film, and recordings were ``placed`` in it, or it was ``edited``
    with what a model generated. A wave was ``created``, and its films were what it was made for.

    Args:
        source: the file without.
        out: may be `source` itself.

    Raises:
        FoleyError: it cannot be signed; no file is written then.
    """
    check_signed(out)
    kind = KINDS[out.suffix.lower()]
    is_video = not kind.startswith("audio")
    with atomic_output(out, overwrite=overwrite) as beside:
        try:
            builder = _builder(_manifest(out, kind, made, is_video=is_video))
            for number, film in enumerate(made.films):
                relation = "parentOf" if is_video else "inputTo"
                about = {"title": film.name, "label": f"film{number}", "relationship": relation}
                if known := KINDS.get(film.suffix.lower()):
                    with film.open("rb") as file:
                        builder.add_ingredient(about, known, file)
            with source.open("rb") as before, beside.open("w+b") as after:
                builder.sign(_signer(signing), kind, before, after)
        except _import_c2pa().C2paError as error:
            raise _failed(error, out.name) from error


@contextmanager
def signed_output(
    out: Path, signing: Signing | None, made: Made, *, overwrite: bool
) -> Iterator[Path]:
    """Give a place to write a file to, which then stands at ``out`` with its credentials, or, where
    nothing is signed, as it is; whole or not at all."""
    if signing is None:
        yield out
        return
    with scratch_folder(out.parent) as folder:
        yield folder / out.name
        sign_file(folder / out.name, out, signing, made, overwrite=overwrite)


def _manifest(out: Path, kind: str, made: Made, *, is_video: bool) -> dict[str, Any]:
    films = [f"film{n}" for n, film in enumerate(made.films) if film.suffix.lower() in KINDS]
    others = [film for film in made.films if film.suffix.lower() not in KINDS]
    ingredients = [_unread(film, is_video=is_video) for film in others]
    films += [one["label"] for one in ingredients]
    heard = [_recording(number, credit) for number, credit in enumerate(made.recordings)]
    model = [_model(made)] if made.generated else []
    how = "led by what is seen in the picture"
    what = f"Sound effects: {len(heard)} recordings set by an algorithm, {how}."
    kinds = (OF_RECORDINGS, OF_RECORDINGS)
    if made.generated:
        what, kinds = (
            f"Sound effects generated by {made.model}, {how}.",
            (PARTLY_GENERATED, GENERATED),
        )
    used = [one["label"] for one in (*heard, *model)]
    done: dict[str, Any] = {"softwareAgent": AGENT, "description": what}
    if is_video:
        action = "c2pa.edited" if made.generated else "c2pa.placed"
        done |= {"action": action, "digitalSourceType": kinds[0]}
        done["parameters"] = {"ingredientIds": used}
        actions = [{"action": "c2pa.opened", "parameters": {"ingredientIds": films}}, done]
    else:
        done |= {"action": "c2pa.created", "digitalSourceType": kinds[1]}
        done["parameters"] = {"ingredientIds": [*films, *used]}
        actions = [done]
    return {
        "claim_generator_info": [AGENT],
        "title": out.name,
        "format": kind,
        "ingredients": [*ingredients, *heard, *model],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


def _unread(film: Path, *, is_video: bool) -> dict[str, Any]:
    """A film of a kind that c2pa does not read, by its name."""
    label = f"film-{film.name}"
    relation = "parentOf" if is_video else "inputTo"
    kind = f"video/x-{film.suffix[1:].lower() or 'unknown'}"
    return {"title": film.name, "label": label, "instance_id": label, "relationship": relation,
            "format": kind}  # fmt: skip


def _recording(number: int, credit: Credit) -> dict[str, Any]:
    said = (credit.label, f"by {credit.author or UNKNOWN}", credit.source)
    licence = f"licence: {credit.licence or 'not stated'}"
    about = {"title": credit.id, "label": f"recording{number}", "relationship": "componentOf",
             "instance_id": f"foleycli:{credit.id}", "format": "audio/wav",
             "description": ", ".join(filter(None, (*said, licence)))}  # fmt: skip
    return about | ({"informational_URI": credit.url} if credit.url else {})


def _model(made: Made) -> dict[str, Any]:
    said = f"The model that made the sound; licence: {made.licence or 'not stated'}"
    return {"title": made.model, "label": "model", "relationship": "inputTo",
            "instance_id": f"foleycli:{made.model}", "format": "application/octet-stream",
            "description": said}  # fmt: skip


def _import_c2pa() -> Any:
    try:
        import c2pa  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UsageError("--sign needs c2pa-python.", get_extra("sign")) from error
    return c2pa


def _builder(manifest: dict[str, Any]) -> Any:
    c2pa = _import_c2pa()
    return c2pa.Builder(manifest, c2pa.Context(c2pa.Settings.from_dict(SETTINGS)))


def _signer(signing: Signing) -> Any:
    c2pa = _import_c2pa()
    info = c2pa.C2paSignerInfo(signing.algorithm, signing.chain, signing.key, signing.timestamp)
    return c2pa.Signer.from_info(info)


def _try(signing: Signing) -> None:
    """Sign a wave of a millisecond, with no time stamp."""
    sound, signed = io.BytesIO(), io.BytesIO()
    _silence(sound)
    try:
        signer = _signer(replace(signing, timestamp=None))
        _builder(_manifest(Path("a.wav"), KINDS[".wav"], NOTHING, is_video=False)).sign(
            signer, "audio/wav", sound, signed
        )
    except _import_c2pa().C2paError as error:
        raise _failed(error, "A wave") from error


def _silence(file: IO[bytes]) -> None:
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 48_000, 0, "NONE", ""))
        sound.writeframes(bytes(96))
    file.seek(0)


def _failed(error: Exception, name: str) -> FoleyError:
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    return FoleyError(f"{name} cannot be signed: {reason}.", "Leave out --sign, or another kind.")


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise UsageError(
            f"The {what} {path} cannot be read: {error.strerror}.", f"Give --{what} a PEM file."
        ) from error


def _blocks(text: str, kind: str) -> bytes:
    """The parts of a PEM file of one kind."""
    found = re.finditer(rf"-----BEGIN ({kind})-----.*?-----END \1-----", text, re.DOTALL)
    return "".join(f"{one[0]}\n" for one in found).encode()


def is_signed(path: Path) -> bool:
    """Whether a file has content credentials that are whole, of whomever."""
    c2pa = _import_c2pa()
    try:
        with c2pa.Reader(str(path)) as reader:
            return reader.get_validation_state() in ("Valid", "Trusted")
    except (c2pa.C2paError, OSError):
        return False
