"""A reel's waves with content credentials."""

import json

import pytest

pytest.importorskip("c2pa")
pytest.importorskip("cryptography")

import c2pa

from foleycli.mux.bwf_read import read_broadcast
from foleycli.mux.sign import is_signed
from tests.certificates import write_chain
from tests.timeline.test_reel import films, reel, run  # noqa: F401


def test_waves_of_shots_and_the_stem_are_signed_and_kept(tmp_path, films) -> None:  # noqa: F811
    chain, key = write_chain(tmp_path / "keys")
    given = {"sign": True, "certificate": str(chain), "key": str(key)}
    result = run(tmp_path, films, timeline=reel(("one", "two")), **given)
    waves = [*(sound.wav for sound in result.sounds), result.plan.stem]
    assert len(waves) == 3 and all(map(is_signed, waves))
    assert all(read_broadcast(wav) for wav in waves)
    with c2pa.Reader(str(result.plan.stem)) as reader:
        store = json.loads(reader.json())
    read = store["manifests"][store["active_manifest"]]
    looked = [one["title"] for one in read["ingredients"] if one["relationship"] == "inputTo"]
    assert looked == ["one.mp4", "two.mp4"]
    before = [wav.read_bytes() for wav in waves[:2]]
    journal = next(result.plan.folder.glob("*_reel.json")).read_text()
    assert "keys" not in journal  # nor where the key lies
    again = run(tmp_path, films, timeline=reel(("one", "two")), overwrite=True, **given)
    assert all(sound.kept for sound in again.sounds) and is_signed(again.plan.stem)
    assert [wav.read_bytes() for wav in waves[:2]] == before
    assert again.stem_hash == result.stem_hash
