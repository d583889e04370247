"""Shared by all tests: one torch thread each, so that parallel workers do not fight."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
