"""A page to hear takes beside the picture, each in time with it, and to choose one.

A page cannot run a program: it gives the command that renders what was chosen, to be copied, and
the same as a small file to save, which ``foley redo`` follows.
"""

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from foleycli.documents import is_file, parse_json
from foleycli.errors import MediaError
from foleycli.evaluate.rank import TakeScore
from foleycli.output import atomic_output
from foleycli.spot.cues import NO_RECORDING


@dataclass(frozen=True, slots=True)
class Audition:
    """One take on the page."""

    name: str
    seed: int
    score: TakeScore
    recipe: Path


def write_page(
    path: Path,
    clip: Path,
    picture: Path,
    takes: Sequence[Audition],
    unheard: Sequence[str] = (),
    *,
    offset: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write a page that stands alone but for the files beside it.

    Args:
        path: HTML to write.
        clip: the film that is played.
        picture: PNG of film strip, waveforms and onsets.
        takes: in the order they are shown, the best first.
        unheard: words that nothing is played for.
        offset: seconds from the film's first frame at which the sounds begin.
    """
    rows = "".join(_row(path, clip, number, take) for number, take in enumerate(takes))
    page = _PAGE.format(
        title=escape(clip.name),
        stem=escape(clip.stem),
        choice=escape(shlex.quote(f"{clip.stem}_choice.json")),
        film=escape(_link(path, clip)),
        picture=escape(_link(path, picture)),
        rows=rows,
        remark=f"<p>{_capital(NO_RECORDING)}: {escape(', '.join(unheard))}.</p>" if unheard else "",
        offset=json.dumps(offset),
    )
    with atomic_output(path, overwrite=overwrite) as beside:
        beside.write_text(page, encoding="utf-8", errors="replace")


def read_choice(path: Path) -> tuple[Path, Path] | None:
    """The recipe that was chosen on a page, and the video to write; None if it is no such file.

    The recipe is looked for where the page stood, then beside the choice itself.

    Raises:
        MediaError: the recipe is gone.
    """
    try:
        said = parse_json(path.read_text(encoding="utf-8"))
        recipe, out = Path(said["chosen"]), Path(said["out"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for folder in (recipe.parent, path.parent):
        if is_file(folder / recipe.name):
            return folder / recipe.name, out if out.parent.is_dir() else folder / out.name
    raise MediaError(
        f"The chosen {recipe.name} is not in {recipe.parent}.", "Put the choice into its folder."
    )


def _row(page: Path, clip: Path, number: int, take: Audition) -> str:
    recipe = take.recipe.resolve()
    out = page.resolve().with_name(f"{clip.stem}_chosen{clip.suffix}")
    command = f"foley redo {shlex.quote(str(recipe))} -o {shlex.quote(str(out))} --overwrite"
    choice = json.dumps({"chosen": str(recipe), "out": str(out), "seed": take.seed}, indent=1)
    return (
        f'<tr><td><label><input type="radio" name="take" value="{number}"'
        f'{" checked" if number == 0 else ""} data-command="{escape(command)}"'
        f' data-edit="{escape(f"foley edit {shlex.quote(str(recipe))}")}"'
        f' data-choice="{escape(choice)}"> '
        f"{escape(take.name)}</label>"
        f'<audio preload="auto" src="{escape(_link(page, take.score.sound))}"></audio></td>'
        f"<td>{take.seed}</td><td>{take.score.sync:.2f}</td>"
        f"<td>{take.score.speech:.2f}</td><td>{take.score.music:.2f}</td></tr>\n"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _link(page: Path, file: Path) -> str:
    relative = os.path.relpath(file.resolve(), page.parent.resolve())
    return quote(os.fsencode(relative.replace(os.sep, "/")))  # names need not be UTF-8


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}: takes</title>
<style>
body {{ font: 15px system-ui, sans-serif; margin: 1.5em auto; max-width: 1000px; padding: 0 1em }}
video, img {{ max-width: 100%; background: #000 }}
table {{ border-collapse: collapse; margin: 1em 0 }}
td, th {{ padding: .3em 1em .3em 0; text-align: left }}
code {{ background: #eee; color: #000; padding: .2em .4em; user-select: all }}
</style>
<h1>{title}</h1>
<video id="film" src="{film}" controls muted playsinline></video>
<table><tr><th>take</th><th>seed</th><th>sync (z)</th><th>speech</th><th>music</th></tr>
{rows}</table>
{remark}
<p>Keys 1 to 9 choose a take while the film runs. To render the chosen one:</p>
<p><code id="command"></code> <button id="copy">Copy</button></p>
<p>Or <a id="save" download="{stem}_choice.json">save the choice</a> and run
<code>foley redo {choice}</code></p>
<p>To change single sounds of it: <code id="edit"></code></p>
<img src="{picture}" alt="film strip, waveforms, spectrograms, onsets against motion">
<script>
const film = document.getElementById("film"), offset = {offset};
const radios = [...document.querySelectorAll("input[name=take]")];
const sounds = [...document.querySelectorAll("audio")];
function choose(take) {{
  if (document.getElementById("command").textContent == take.command) return;
  document.getElementById("command").textContent = take.command;
  document.getElementById("edit").textContent = take.edit;
  document.getElementById("copy").textContent = "Copy";
  document.getElementById("save").href = "data:application/json," + encodeURIComponent(take.choice);
}}
document.getElementById("copy").addEventListener("click", event => {{
  getSelection().selectAllChildren(document.getElementById("command"));
  event.target.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl-C";
}});
// All takes run along, unheard but the chosen one: a sound that starts is late by some frames,
// one that runs is not. What is late hurries a little.
function follow(seek) {{
  radios.forEach((radio, i) => {{
    const sound = sounds[i], at = film.currentTime - offset, late = at - sound.currentTime;
    const runs = !film.paused && at >= 0 && at < (sound.duration || 1e9);
    const hurry = Math.abs(late) < 0.01 ? 0 : Math.max(-0.1, Math.min(0.1, 4 * late));
    sound.muted = !radio.checked;
    sound.playbackRate = film.playbackRate * (1 + hurry);
    if (seek || Math.abs(late) > 0.3) sound.currentTime = Math.max(0, at);
    if (runs && sound.paused) sound.play();
    if (!runs && !sound.paused) sound.pause();
    if (radio.checked) choose(radio.dataset);
  }});
}}
for (const what of ["play", "pause", "seeked", "ratechange", "ended"])
  film.addEventListener(what, () => follow(true));
setInterval(() => follow(false), 100);
radios.forEach(radio => radio.addEventListener("change", () => follow(false)));
document.addEventListener("keydown", event => {{
  const radio = radios[Number(event.key) - 1];
  if (radio) {{ radio.checked = true; follow(false); }}
}});
follow(false);
</script></html>
"""
