"""The small pictures: exactly PIL's, the right colours, the right way up, black at 0."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from foleycli.frames.resize import Shrinker, middle_square, resize_rgb


def pil(rgb):
    return np.asarray(Image.fromarray(rgb).resize((224, 224), Image.Resampling.BILINEAR))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_the_reference_pictures_are_matched(reference):
    golden = np.load(reference / "golden" / "frames_pil_resize.npz")
    for picture, resized in zip(golden["src_uint8"], golden["resized_uint8"], strict=True):
        assert np.array_equal(resize_rgb(picture), resized)


@pytest.mark.parametrize("shape", [(2, 2), (16, 2048), (181, 321), (720, 1280)])
def test_pictures_up_to_720p_are_resized_by_pil(shape):
    assert np.array_equal(resize_rgb(noise(*shape)), pil(noise(*shape)))


def test_larger_pictures_hardly_differ_from_pil():
    soft = np.asarray(
        Image.fromarray(noise(135, 240)).resize((1920, 1080), Image.Resampling.BICUBIC)
    )
    for picture, mean, largest in ((soft, 0.3, 10), (noise(1080, 1920), 2.0, 16)):
        frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        difference = np.abs(Shrinker().rgb(frame).astype(int) - pil(picture))
        assert difference.mean() < mean and difference.max() <= largest


@pytest.mark.parametrize("shape", [(360, 640), (640, 361), (181, 322), (720, 1280), (100, 120)])
def test_the_middle_square_is_nearly_pils(shape):
    height, width = shape
    scaled = tuple(224 * side // min(shape) for side in (width, height))
    whole = np.asarray(Image.fromarray(noise(*shape)).resize(scaled, Image.Resampling.BICUBIC))
    left, top = (round((side - 224) / 2) for side in scaled)
    square = middle_square(noise(*shape))
    difference = np.abs(square.astype(int) - whole[top : top + 224, left : left + 224])
    assert square.shape == (224, 224, 3)
    assert difference.max() <= 2
    assert difference.mean() < 0.02


def flat(red, green, blue, size, matrix, pixel_format="yuv420p"):
    rgb = np.full((*size, 3), (red, green, blue), np.uint8)
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format=pixel_format, dst_colorspace=matrix, dst_color_range=ColorRange.MPEG
    )


@pytest.mark.parametrize("size", [(360, 640), (1080, 1920)])
@pytest.mark.parametrize("tag", [1, 5])
def test_colours_follow_the_matrix_that_the_frame_states(size, tag):
    frame = flat(200, 60, 30, size, Colorspace(tag))
    frame.colorspace = tag
    assert np.abs(Shrinker().rgb(frame).astype(int) - (200, 60, 30)).max() <= 3


@pytest.mark.parametrize(
    ("size", "matrix"), [((360, 640), Colorspace.ITU601), ((1080, 1920), Colorspace.ITU709)]
)
def test_untagged_frames_have_the_matrix_of_their_size(size, matrix):
    frame = flat(200, 60, 30, size, matrix)
    frame.colorspace = 2
    assert np.abs(Shrinker().rgb(frame).astype(int) - (200, 60, 30)).max() <= 3


@pytest.mark.parametrize("tag", [1, 2, 5, 9])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuva444p12le", "gray"])
def test_brightness_is_an_area_average_from_0_to_255(pixel_format, tag):
    pattern = np.zeros((360, 640, 3), np.uint8)
    pattern[::2, 320:480] = 255  # lines of 1 pixel: half bright on average
    pattern[:, 480:] = 255
    frame = av.VideoFrame.from_ndarray(pattern, format="rgb24").reformat(format=pixel_format)
    frame.colorspace = tag
    luma = Shrinker().luma(frame)
    assert luma.shape == (90, 160)
    assert luma[:, 5:75].max() <= 1
    assert np.abs(luma[:, 85:115].astype(int) - 128).max() <= 3
    assert luma[:, 125:].min() >= 254


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_stand_upright(rotation):
    stored = np.zeros((360, 640, 3), np.uint8)
    stored[:60, :60] = 255  # the stored corner, top left
    frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
    frame.time_base = Fraction(1, 24)
    shrinker = Shrinker(rotation)
    corner = {0: (0, 0), 90: (-1, 0), 180: (-1, -1), 270: (0, -1)}[rotation]
    for small in (shrinker.luma(frame), shrinker.rgb(frame)[..., 0]):
        assert small[corner] == 255
        assert np.count_nonzero(small[[0, 0, -1, -1], [0, -1, 0, -1]]) == 1
    assert shrinker.luma(frame).shape == (90, 160)
