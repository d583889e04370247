"""foleycli: a silent clip in, the same picture with fitting sound out.

``foleycli.generate("shot.mp4", "shot_sfx.mp4")`` is the whole of it.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["FoleyError", "__version__", "generate", "look", "redo"]

from foleycli.errors import FoleyError
from foleycli.quiet import switch_off
from foleycli.version import VERSION as __version__

switch_off()

if TYPE_CHECKING:
    from foleycli.generate import generate, look, redo


class _Package(ModuleType):
    """Loads torch at the first call, not at ``import foleycli``; and since importing the file
    ``generate.py`` would put that module in place of the function, the name stays the function's.
    """

    @property
    def generate(self):
        from foleycli.generate import generate

        return generate

    @generate.setter
    def generate(self, module: ModuleType) -> None:
        pass

    def __getattr__(self, name: str):
        if name in ("look", "redo"):
            from foleycli import generate as _  # noqa: F401

            return getattr(sys.modules["foleycli.generate"], name)
        raise AttributeError(f"module 'foleycli' has no attribute {name!r}")


sys.modules[__name__].__class__ = _Package
