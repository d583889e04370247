"""The version, which recipes and caches carry."""

VERSION = "0.1.0"
