"""Rooms answer as long as they are asked to, in every octave, and chunks do not matter."""

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from foleycli.config import ROOMS as KINDS
from foleycli.errors import MediaError
from foleycli.waveform.rooms import (
    BANDS,
    CHUNK,
    ROOMS,
    Return,
    _tail,
    octave_masks,
    read_impulse,
    room_response,
)
from foleycli.waveform.space import to_mono

RATE = 48_000


def decay(tails, centre):
    """Seconds to fall by 60 dB, from the fall between -5 and -25 dB of the energy still to come
    (Schroeder, JASA 37, 1965); filtered backwards, so that the filter's own ringing is not heard.
    """
    band = butter(3, (centre / 2**0.5, centre * 2**0.5), "band", fs=RATE, output="sos")
    energy = np.square(sosfilt(band, tails[::-1], axis=0)[::-1]).sum(axis=1)
    left = 10 * np.log10(energy[::-1].cumsum()[::-1] / energy.sum() + 1e-30)
    at = np.flatnonzero((left < -5) & (left > -25))
    return -60 / np.polyfit(at / RATE, left[at], 1)[0]


@pytest.mark.parametrize("name", ROOMS)
def test_the_tail_decays_as_asked_in_every_octave(name) -> None:
    tail = _tail(ROOMS[name], RATE)
    measured = [decay(tail, centre) for centre in BANDS]
    assert measured == pytest.approx(ROOMS[name].decay, rel=0.1)


@pytest.mark.parametrize("name", ROOMS)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_room_has_its_level_and_its_mono_sum_is_within_1_db(name, channels) -> None:
    answer = room_response(name, channels).astype(np.float64)
    level = 10 * np.log10(np.square(answer).sum())
    assert level == pytest.approx(ROOMS[name].level_db, abs=0.25)
    assert abs(10 * np.log10(np.square(to_mono(answer)).sum()) - level) < 1
    assert channels < 6 or not answer[:, 3].any()


def test_the_options_name_every_room() -> None:
    assert ("auto", "off", *ROOMS) == KINDS


def test_octaves_share_the_spectrum() -> None:
    masks = octave_masks(np.geomspace(1, 24_000, 500))
    assert np.square(masks).sum(axis=0) == pytest.approx(1)


def answered(spans, sent, sizes, channels=2):
    returned, heard, at = Return(spans, channels), [], 0
    for size in sizes:
        heard.append(returned.answer(sent[at : at + size]))
        at += size
    return np.concatenate(heard)


def test_a_return_is_a_convolution_whatever_the_chunks() -> None:
    answer = room_response("small", 2)
    sent = np.random.default_rng(1).standard_normal(60_000).astype(np.float32)
    spans = [(0, 60_000, answer)]
    one = answered(spans, sent, [CHUNK, 60_000 - CHUNK])
    other = answered(spans, sent, [7_000, 20_000, 33_000])
    assert one == pytest.approx(other, abs=1e-5)
    left = np.convolve(sent.astype(np.float64), answer[:, 0])[: len(sent) - 480]
    assert one[: len(left), 0] == pytest.approx(left, abs=1e-4)
    assert np.abs(one[-1]).max() < 0.01 * np.abs(one).max()  # no click at the end


def test_a_room_fades_after_a_cut_and_hears_its_own_shot_only() -> None:
    click = np.zeros(3 * RATE, np.float32)
    click[RATE - 4_800] = 1.0
    rooms = [(0, RATE, room_response("hall", 2)), (RATE, 3 * RATE, None)]
    heard = answered(rooms, click, [CHUNK] * 3)
    assert np.abs(heard[RATE : RATE + 4_800]).max() > 1e-4
    assert np.abs(heard[round(1.41 * RATE) :]).max() < 1e-12
    silent = answered([(0, RATE, None), (RATE, 3 * RATE, room_response("hall", 2))], click,
                      [CHUNK] * 3)  # fmt: skip
    assert np.abs(silent).max() < 1e-6


def test_an_impulse_of_ones_own_is_heard_without_the_sound_itself(tmp_path) -> None:
    impulse = np.zeros(24_000)
    impulse[100], impulse[100 + 4_410] = 1.0, 0.5
    soundfile.write(tmp_path / "room.wav", impulse, 44_100, subtype="FLOAT")
    answer = read_impulse(tmp_path / "room.wav", 2)
    assert np.argmax(np.abs(answer[:, 0])) == pytest.approx(4_800, abs=2)
    assert not answer[:100].any()
    assert 10 * np.log10(np.square(answer).sum()) == pytest.approx(ROOMS["large"].level_db, abs=0.1)


def test_a_click_without_a_room_and_silence_are_refused(tmp_path) -> None:
    for name, sound in (("click", np.eye(1, 4_800)[0]), ("silence", np.zeros(4_800))):
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE, subtype="FLOAT")
        with pytest.raises(MediaError):
            read_impulse(tmp_path / f"{name}.wav", 2)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(MediaError, match="no sound file"):
        read_impulse(tmp_path / "text.wav", 2)
