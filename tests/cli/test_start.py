"""``foley gen`` with recordings starts without what takes long to import."""

import subprocess
import sys

from tests.films import strikes, write_film

SLOW = ("torch", "scipy", "diffusers", "transformers", "tokenizers", "huggingface_hub")
CODE = """
import sys
sys.argv = ["foley", "gen", {clip!r}, "-o", {out!r}, "--model", "library", "-q"]
from foleycli.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print([name for name in {slow!r} if name in sys.modules])
"""


def test_the_library_needs_neither_torch_nor_scipy(tmp_path):
    clip = write_film(tmp_path / "clip.mp4", strikes([0.4], 0.8))
    code = CODE.format(clip=str(clip), out=str(tmp_path / "out.mp4"), slow=SLOW)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "out.mp4").exists()
