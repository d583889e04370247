import numpy as np
import pytest
import torch

from foleycli.sight.efficientnet import EfficientNetLite, SameConv
from foleycli.spot.phrases import read_shares, vocabulary
from foleycli.spot.what import Seer, class_sounds

PHRASES = [phrase.words for phrase in vocabulary()]


@pytest.fixture(scope="module")
def seer():
    torch.set_num_threads(1)
    return Seer()


def noise(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 224, 224, 3), np.uint8)


def test_same_padding_puts_the_odd_pixel_right_and_below():
    conv = SameConv(1, 1, 3, 2, bias=False)
    torch.nn.init.ones_(conv.weight)
    out = conv(torch.ones(1, 1, 4, 4))
    assert out[0, 0].tolist() == [[9, 6], [6, 4]]


def test_network_has_the_published_size():
    network = EfficientNetLite()
    # 4,652,008 published (github.com/tensorflow/tpu, efficientnet/lite), of which 42,016 are
    # gains and shifts of batch normalisation; a folded convolution keeps one bias a channel
    biases = sum(m.out_channels for m in network.modules() if isinstance(m, SameConv))
    assert sum(p.numel() for p in network.parameters()) + biases == 4_652_008


def test_a_picture_does_not_know_its_company(seer):
    frames = noise(11)
    together = seer.classify(frames)
    assert np.array_equal(together[3:4], seer.classify(frames[3:4]))
    assert together.sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_rows_carry_the_shares(seer):
    frames = noise(2)
    assert seer.look(frames).shape == (2, 384)
    assert read_shares(seer.look(frames)) == pytest.approx(seer.shares(frames), abs=0.06)


def test_a_drawn_traffic_light_stands_in_the_street(seer):
    picture = np.full((224, 224, 3), 200, np.uint8)
    picture[20:200, 80:144] = 20
    y, x = np.mgrid[:224, :224]
    for row, colour in ((55, (255, 30, 20)), (110, (255, 190, 0)), (165, (20, 230, 60))):
        picture[(y - row) ** 2 + (x - 112) ** 2 < 22**2] = colour
    assert seer.classify(picture[None])[0].argmax() == 920  # traffic light
    shares = dict(zip(PHRASES, seer.shares(picture[None])[0], strict=True))
    sounds = [p.words for p in vocabulary() if p.layer != "air"]
    assert max(sounds, key=shares.__getitem__) == "city traffic"


def test_spiders_in_the_dark_are_fireworks():
    day, night = class_sounds()
    spider, fireworks, dog = 73, PHRASES.index("fireworks"), PHRASES.index("dog barking")
    assert (day[spider, fireworks], night[spider, fireworks]) == (0, 1)
    assert day[207, dog] == night[207, dog] == 1  # golden retriever
