"""Content credentials, read back by the reader of c2pa itself."""

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("c2pa")
pytest.importorskip("cryptography")

import c2pa
from cryptography.x509.oid import ExtendedKeyUsageOID

from foleycli.clip.probe import probe
from foleycli.config import GenerateConfig
from foleycli.errors import FoleyError, UsageError
from foleycli.generate import generate
from foleycli.mux import sign
from foleycli.mux.adm import read_layout
from foleycli.mux.bwf_read import read_broadcast
from foleycli.mux.sign import is_signed, open_signing
from foleycli.mux.verify import verify_picture
from foleycli.recipe import read_recipe, recipe_path
from foleycli.sources.library import LibrarySource
from foleycli.timeline.batch import run_batch
from foleycli.timeline.manifest import find_jobs
from tests.certificates import KEYS, write_chain
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks

TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@pytest.fixture
def signing(tmp_path, monkeypatch):
    """Options that sign; whoever asks the network fails."""

    def refuse(*_):
        raise AssertionError("a network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    chain, key = write_chain(tmp_path / "keys")
    return GenerateConfig(sign=True, certificate=str(chain), key=str(key))


@pytest.fixture
def film(tmp_path):
    return write_film(tmp_path / "shot.mp4", strikes([0.2], 0.5))


def manifest(path: Path, root: Path | None = None) -> tuple[dict, str]:
    """What the reader says: the manifest, and how far it is trusted."""
    settings: dict = {"version": 1}
    if root:
        settings |= {"trust": {"trust_anchors": root.read_text()}, "verify": {"verify_trust": True}}
    with c2pa.Reader(str(path), context=c2pa.Context(c2pa.Settings.from_dict(settings))) as reader:
        store = json.loads(reader.json())
        return store["manifests"][store["active_manifest"]], reader.get_validation_state()


def actions(read: dict) -> list[dict]:
    found = [one for one in read["assertions"] if one["label"].startswith("c2pa.actions")]
    return found[0]["data"]["actions"]


def test_recordings_and_the_clip_are_ingredients(film, signing, tmp_path):
    sheet = tmp_path / "cues.csv"
    sheet.write_text("start,what\n0.2,wood hit\n0.3,door slam\n")
    out = tmp_path / "out.mov"
    config = replace(signing, cues=str(sheet), wav=True, stems=True, adm=True, verify=True)
    take = generate(film, out, config, LibrarySource()).takes[0]
    read, state = manifest(out, Path(str(signing.certificate)).with_name("root.pem"))
    assert state == "Trusted" and read["signature_info"]["common_name"] == "Foley Ltd"
    assert take.proof and take.proof.packets == 12
    opened, placed = actions(read)
    assert (opened["action"], placed["action"]) == ("c2pa.opened", "c2pa.placed")
    assert placed["digitalSourceType"] == TYPES + "compositeCapture"
    parents = [one for one in read["ingredients"] if one["relationship"] == "parentOf"]
    heard = [one for one in read["ingredients"] if one["relationship"] == "componentOf"]
    assert [one["title"] for one in parents] == ["shot.mp4"]
    said = json.loads(recipe_path(out).read_text())
    assert {one["title"] for one in heard} == {id for cue in said["cues"] for id in cue["heard"]}
    assert all("licence: " in one["description"] for one in heard) and len(heard) == 2
    assert len(placed["parameters"]["ingredients"]) == 2
    assert take.wav and read_broadcast(take.wav)
    read, state = manifest(take.wav)
    assert state == "Valid" and [one["action"] for one in actions(read)] == ["c2pa.created"]
    assert is_signed(tmp_path / "out_hard.wav")
    assert take.adm and is_signed(take.adm) and len(read_layout(take.adm).objects) == 2


def test_what_a_model_generates_is_said(film, signing, tmp_path):
    out = tmp_path / "out.mp4"
    generate(film, out, signing, Clicks())
    read, _ = manifest(out)
    assert actions(read)[1]["action"] == "c2pa.edited"
    assert actions(read)[1]["digitalSourceType"] == TYPES + "compositeWithTrainedAlgorithmicMedia"
    assert verify_picture(probe(film), out).packets == 12
    recipe = read_recipe(recipe_path(out))  # who signs, and where the key lies, is not in it
    assert not recipe.config.sign and "keys" not in recipe_path(out).read_text()
    changed = bytearray(out.read_bytes())
    changed[changed.index(b"mdat") + 2000] ^= 1
    out.write_bytes(changed)
    assert not is_signed(out)


def test_every_kind_of_key_signs(tmp_path):
    for kind in KEYS:
        chain, key = write_chain(tmp_path / kind, kind)
        both = tmp_path / f"{kind}.pem"
        both.write_bytes(key.read_bytes() + chain.read_bytes())
        found = open_signing(GenerateConfig(sign=True, certificate=str(both)))
        assert found and found.algorithm == kind and "PRIVATE" not in repr(found)


def test_a_wrong_certificate_costs_a_line_before_the_slow_part(film, signing, tmp_path):
    source = Clicks()
    good, key = str(signing.certificate), str(signing.key)
    expired, its_key = map(str, write_chain(tmp_path / "expired", days=-5))
    server = ExtendedKeyUsageOID.SERVER_AUTH
    other, other_key = map(str, write_chain(tmp_path / "other", use=server))
    (tmp_path / "junk.pem").write_text("junk")
    junk = str(tmp_path / "junk.pem")
    root = str(Path(good).with_name("root.pem"))
    for words, given in {
        "is not valid today": (expired, its_key),
        "is not for signing content": (other, other_key),
        "is not of this key": (good, its_key),
        "holds no certificate": (junk, key),
        "The key in junk.pem is not there": (good, junk),
        "is not in PKCS#8 form": (good, str(Path(good).with_name("old.pem"))),
        "signed itself": (root, key),
        "cannot be read": (good, str(tmp_path)),
        "needs a certificate": (None, key),
    }.items():
        config = replace(signing, certificate=given[0], key=given[1])
        with pytest.raises(UsageError, match=words):
            generate(film, tmp_path / "out.mp4", config, source)
    for words, config in {
        "no place for content credentials": (signing, "out.mkv"),
        "no address": (replace(signing, timestamp="x"), "out.mp4"),
        "asks a server": (replace(signing, timestamp="http://a", offline=True), "out.mp4"),
        "nothing is signed": (replace(signing, sign=False), "out.mp4"),
    }.items():
        with pytest.raises(UsageError, match=words):
            generate(film, tmp_path / config[1], config[0], source)
    assert source.looked == 0 and not list(tmp_path.glob("out*"))


def test_without_the_extra_it_is_named(film, signing, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    with pytest.raises(UsageError, match="needs c2pa-python") as refused:
        generate(film, tmp_path / "out.mp4", signing, Clicks())
    assert "c2pa-python" in refused.value.remedy


def test_a_server_that_fails_leaves_nothing(film, signing, tmp_path, monkeypatch):
    monkeypatch.undo()
    asked = replace(signing, timestamp="http://127.0.0.1:9/", wav=True)
    with pytest.raises(FoleyError, match="cannot be signed"):
        generate(film, tmp_path / "out.mp4", asked, Clicks())
    assert not [p for p in tmp_path.iterdir() if "out" in p.name or p.name[0] == "."]


def test_a_batch_signs_what_it_kept_only_if_it_must(film, signing, tmp_path, monkeypatch):
    from foleycli.timeline import batch

    monkeypatch.setattr(batch, "_source", lambda job: Clicks())
    monkeypatch.setattr(batch, "source_fingerprint", lambda config: Clicks.fingerprint)
    plain = find_jobs([str(film)], tmp_path / "out", signing.unsigned)
    signed = find_jobs([str(film)], tmp_path / "out", replace(signing, overwrite=True))
    states = [[one.state for one in run_batch(jobs)] for jobs in (plain, signed, signed, plain)]
    assert states == [["made"], ["made"], ["kept"], ["kept"]]
    assert is_signed(next((tmp_path / "out").glob("*.mp4")))


def test_the_settings_ask_nobody():
    assert sign.SETTINGS["verify"] == {"remote_manifest_fetch": False, "ocsp_fetch": False}
