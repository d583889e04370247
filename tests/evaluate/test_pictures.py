"""Pictures of a run, where encoders look, and the report in a browser."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from foleycli.config import GenerateConfig
from foleycli.errors import MediaError, OutputExistsError, UsageError
from foleycli.evaluate.clipset import read_set
from foleycli.evaluate.contestants import parse_contestant
from foleycli.evaluate.plan import Plan
from foleycli.evaluate.results import Results
from foleycli.evaluate.run import run
from tests.evaluate.sets import write_set, write_sounds
from tests.pages.browser import open_browser

pytest.importorskip("matplotlib")
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of two systems, on full clips and close-ups."""
    root = tmp_path_factory.mktemp("pictures")
    write_set(root / "set")
    for name, late in (("right", 0.0), ("late", 0.37)):
        write_sounds(root / name, late=late)
        write_sounds(root / name / "cu", late=late)
    contestants = [parse_contestant(f"{n}={root / n}", GenerateConfig()) for n in ("late", "right")]
    plan = Plan(
        folder=root / "run",
        examples=tuple(read_set(root / "set")),
        contestants=tuple(contestants),
        variants=("full", "cu"),
        takes=1,
        measures=("env", "onf1c"),
    )
    run(plan)
    return plan


def is_drawn(path) -> bool:
    """Whether a picture holds more than one colour."""
    from PIL import Image

    return path.read_bytes()[:4] == PNG and np.asarray(Image.open(path)).std() > 20


def test_a_clip_is_drawn_with_all_its_sounds(done, tmp_path) -> None:
    from PIL import Image

    from foleycli.evaluate.drawings import draw_comparison

    draw_comparison(done, done.examples[0], "cu", None, tmp_path / "two.png")
    draw_comparison(done, done.examples[0], "cu", ["right"], tmp_path / "one.png")
    assert is_drawn(tmp_path / "two.png")
    two, one = (Image.open(tmp_path / f"{name}.png").height for name in ("two", "one"))
    assert two > one + 100  # a model's rows
    with pytest.raises(OutputExistsError):
        draw_comparison(done, done.examples[0], "cu", None, tmp_path / "two.png")
    with pytest.raises(UsageError):
        draw_comparison(done, done.examples[0], "cm", None, tmp_path / "x.png")
    missing = replace(done.examples[0], id="gone", clip=done.examples[0].clip.with_name("g.mp4"))
    with pytest.raises(MediaError):
        draw_comparison(done, missing, "full", None, tmp_path / "x.png")


def test_categories_are_drawn(done, tmp_path) -> None:
    from foleycli.evaluate.drawings import draw_categories

    results = Results(done.folder)
    draw_categories(results, "full", ("right", "late"), "env", 25, tmp_path / "c.png")
    assert is_drawn(tmp_path / "c.png")


class Corner:
    """Sees one thing: how bright a corner is. Its maps are the picture in 7 x 7, its feature the
    mean of the corner's channel."""

    def __init__(self, row: int, column: int) -> None:
        self.row, self.column = row, column

    def maps(self, frames):
        gray = torch.from_numpy(frames).float().mean(3)[:, None] / 255
        whole = torch.nn.functional.adaptive_avg_pool2d(gray, 7)
        corner = torch.zeros_like(whole)
        corner[..., self.row, self.column] = whole[..., self.row, self.column]
        return torch.cat([whole, corner], 1)

    def feature(self, maps):
        return maps.mean((2, 3))

    def logits(self, feature):
        return feature * torch.tensor([0.0, 1.0])


@pytest.mark.parametrize(("row", "column"), [(0, 0), (6, 2)])
def test_heat_lies_where_the_evidence_is(row, column) -> None:
    from foleycli.evaluate.gradcam import grad_cam, make_score

    frames = np.full((3, 224, 224, 3), 200, np.uint8)
    frames[1] //= 2
    looker = Corner(row, column)
    heat = grad_cam(looker, frames, make_score("top", looker, frames))
    assert np.unravel_index(heat.maps[0].argmax(), (7, 7)) == (row, column)
    assert heat.maps[0].sum() == pytest.approx(1)  # nowhere else
    assert heat.maps[1].max() == pytest.approx(0.5, abs=0.02)  # half the light, half the heat


def test_targets_are_known_or_refused() -> None:
    from foleycli.evaluate.gradcam import make_score

    frames = np.full((2, 224, 224, 3), 100, np.uint8)
    looker = Corner(1, 1)
    feature = looker.feature(looker.maps(frames))
    for target in ("norm", "self", "full"):
        assert make_score(target, looker, frames)(feature).shape == (2,)
    assert make_score("full", looker, frames)(feature) == pytest.approx(1)
    with pytest.raises(UsageError):
        make_score("other", looker, frames)


def test_the_public_models_encoder_can_be_asked_too() -> None:
    from foleycli.config import CavpConfig
    from foleycli.evaluate.gradcam import CavpLooker, grad_cam, make_score
    from foleycli.sight.cavp import Cavp

    torch.manual_seed(0)
    looker = CavpLooker.__new__(CavpLooker)
    looker._cavp = Cavp(CavpConfig(base_channels=2), hears=False).eval()
    frames = np.random.default_rng(0).integers(0, 255, (3, 224, 224, 3), np.uint8)
    with torch.no_grad():
        maps = looker.maps(frames)
        rows = looker._cavp.encode_frames(torch.from_numpy(frames).permute(0, 3, 1, 2)[None])[0]
    assert maps.shape == (3, 64, 7, 7)
    assert torch.allclose(looker.feature(maps), rows, atol=1e-5)
    assert grad_cam(looker, frames, make_score("norm", looker, frames)).maps.max() == 1
    with pytest.raises(UsageError):
        make_score("top", looker, frames)(rows)


def test_looking_is_drawn_for_the_encoder_that_ships(done, tmp_path) -> None:
    from foleycli.evaluate.gradcam import draw_gradcam

    clip, out = done.examples[0].clip, tmp_path / "cam.png"
    draw_gradcam(clip, ["teacher"], "top", out, variant="cu", moments=4)
    assert is_drawn(out)
    with pytest.raises(UsageError):
        draw_gradcam(clip, [], "top", tmp_path / "x.png")
    with pytest.raises(UsageError):
        draw_gradcam(clip, ["teacher"], "top", tmp_path / "x.png", variant="sepia")


def test_a_clip_that_no_model_sounded_is_in_the_report_with_its_own(done, tmp_path) -> None:
    import shutil

    from foleycli.pages.report import write_report

    shutil.copytree(done.folder, tmp_path / "run")
    shutil.copytree(done.contestants[0].folder, tmp_path / "one")
    (tmp_path / "one" / "c0.wav").write_text("no sound")
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    told["models"] = [told["models"][0] | {"folder": str(tmp_path / "one")}]
    (tmp_path / "run" / "run.json").write_text(json.dumps(told))
    results = Results(tmp_path / "run")
    page = write_report(results, tmp_path / "report", variants=["full"], limit=1)
    assert (page.parent / "media" / "c0_full.webp").is_file()
    assert not (page.parent / "media" / "c0_full_late.m4a").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report.html", "report"])
def test_the_report_plays_every_sound_with_its_film(done, tmp_path, name) -> None:
    from foleycli.pages.report import write_report

    results = Results(done.folder)
    page = write_report(results, tmp_path / name, limit=2)
    with pytest.raises(OutputExistsError):
        write_report(results, tmp_path / name, limit=2)
    state = "({ variant: cards[1].variant, film: cards[1].film.src })"
    together = """cards[1].film.currentTime > .2 && !cards[1].film.paused && !cards[1].audio.paused
        && Math.abs(cards[1].audio.currentTime - cards[1].film.currentTime) < .15"""
    with open_browser(viewport={"width": 1280, "height": 1000}) as tab:
        tab.goto(page.as_uri())
        assert tab.locator("#tables table").count() == 2 + 2  # results and differences
        assert tab.locator("article").count() == 2
        card = tab.locator("article").nth(1)
        tab.evaluate("cards[1].film.loop = true")
        card.locator(".sounds button").nth(1).click()
        tab.wait_for_function(f"cards[1].name == 'late' && {together}")
        playing = tab.evaluate(state)
        tab.keyboard.press("3")
        tab.wait_for_function(f"cards[1].name == 'right' && {together}")
        card.locator(".variants button").nth(1).click()
        other = tab.evaluate(state)
        assert other["variant"] == "cu" and other["film"] != playing["film"]
        card.locator("summary").click()
        tab.wait_for_function("cards[1].picture.complete && cards[1].picture.naturalWidth > 500")
        tab.fill("#filter", "strikes 0")
        assert [tab.locator("article").nth(i).is_visible() for i in (0, 1)] == [True, False]
        images = "[...document.querySelectorAll('#pictures img')].every(i => i.naturalWidth > 300)"
        tab.wait_for_function(images)
        tab.fill("#filter", "")
        if os.environ.get("FOLEY_SCREENSHOT"):
            tab.screenshot(path=os.environ["FOLEY_SCREENSHOT"], full_page=True)
        assert tab.troubles == []
