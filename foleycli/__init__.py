"""foleycli: a silent clip in, the same picture with fitting sound out."""

__version__ = "0.1.0"
