"""Every measure on sounds whose order is known."""

import math

import av
import numpy as np
import pytest

from foleycli.errors import ModelError, UsageError
from foleycli.evaluate import align_acc, desync
from foleycli.evaluate.material import Film, Sound
from foleycli.evaluate.measures import (
    CLIP_MEASURES,
    MEASURES,
    ON_REQUEST,
    SET_MEASURES,
    ClipMeasure,
    check_needs,
    find_measure,
)
from foleycli.listeners import extractors

RATE, SECONDS = 16_000, 6
HITS = (0.8, 1.5, 2.9, 3.4, 4.6, 5.3)


def _clicks(times) -> np.ndarray:
    """Struck notes."""
    waveform = 1e-4 * np.random.default_rng(0).standard_normal(RATE * SECONDS)
    age = np.arange(RATE // 2) / RATE
    note = 0.5 * np.sin(2 * np.pi * 700 * age) * np.exp(-age / 0.05)
    for time in times:
        start = round(time * RATE)
        part = note[: len(waveform) - start]
        waveform[start : start + len(part)] += part
    return waveform.astype(np.float32)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A square that jumps at the hits."""
    path = tmp_path_factory.mktemp("film") / "hits.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25, width=128, height=128, pix_fmt="bgr0")
        for i in range(25 * SECONDS):
            picture = np.zeros((128, 128, 3), np.uint8)
            x = 14 * sum(i / 25 >= hit for hit in HITS)
            picture[40:72, x : x + 32] = 255
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="bgr0")
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return Film(path, "a square jumps")


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(1)
    return {
        "own": Sound(_clicks(HITS), RATE),
        "shifted": Sound(_clicks([t + 0.45 for t in HITS if t < 5]), RATE),
        "noise": Sound((0.1 * rng.standard_normal(RATE * SECONDS)).astype("f4"), RATE),
        "silence": Sound(np.zeros(RATE * SECONDS, np.float32), RATE),
    }


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path_factory.mktemp("cache")))


def _usable(measure) -> bool:
    try:
        check_needs(measure)
    except ModelError:
        return False
    return True


def test_names_are_unique_and_end_in_their_listener():
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    for measure in SET_MEASURES:
        assert measure.name.endswith("_" + measure.needs[0])
        assert len(measure.needs) == 1
    assert [find_measure(name) for name in names] == list(MEASURES)


def test_unknown_measures_list_the_known_ones():
    with pytest.raises(UsageError, match="fad_yamnet"):
        find_measure("fad")


@pytest.mark.parametrize("name", ["env", "onf1c", "onset_f1_50ms", "onset_ap_100ms", "sync_z"])
def test_own_sound_comes_before_shifted_noise_and_silence(name, film, sounds):
    measure = find_measure(name)
    assert isinstance(measure, ClipMeasure)
    own = sounds["own"]
    values = {key: measure.compute(own, sound, film) for key, sound in sounds.items()}
    assert measure.better == "higher"
    assert values["own"] > max(values["shifted"], values["noise"], values["silence"]) + 0.2


@pytest.mark.parametrize(
    "measure",
    [m for m in (*CLIP_MEASURES, *ON_REQUEST) if not {"align", "synchformer"} & {*m.needs}],
    ids=lambda m: m.name,
)
def test_every_measure_is_defined_for_silence(measure, film, sounds):
    if not _usable(measure):
        pytest.skip(f"needs {measure.needs}")
    value = measure.compute(sounds["own"], sounds["silence"], film)
    assert math.isfinite(value) or measure.name == "loudness"


def test_distances_of_a_sound_from_itself_are_zero(film, sounds):
    for name in ("kl", "kl_softmax_yamnet", "visah_mag", "visah_env", "visah_wdis"):
        measure = find_measure(name)
        assert isinstance(measure, ClipMeasure)
        if _usable(measure):
            own = sounds["own"]
            assert measure.compute(own, own, film) == pytest.approx(0, abs=1e-3)


def test_av_align_says_its_frame_rate(film, sounds):
    pytest.importorskip("cv2")
    for rate in ("native", "12fps"):
        measure = find_measure(f"av_align_2025_{rate}")
        assert isinstance(measure, ClipMeasure)
        assert measure.compute(sounds["own"], sounds["own"], film) > 0.5


def test_what_is_missing_is_named(monkeypatch):
    extractors.open_extractor.cache_clear()
    align_acc.open_judge.cache_clear()
    desync.open_judge.cache_clear()
    monkeypatch.delenv("FOLEY_ALIGN", raising=False)
    for name, command in (
        ("fd_panns", "foley models pull eval-panns"),
        ("kl_softmax_passt", "foley models pull eval-passt"),
        ("clap", "foley models pull eval-clap"),
        ("fad_vggish", "foley models pull eval-vggish"),
        ("align_acc", "foley models pull eval-align"),
        ("imagebind", "foley models pull eval-imagebind"),
        ("desync", "foley models pull eval-synchformer"),
        ("align_acc (own classifier)", "foley train align"),
    ):
        measure = find_measure(name)
        if not _usable(measure):
            with pytest.raises(ModelError, match=command):
                check_needs(measure)
