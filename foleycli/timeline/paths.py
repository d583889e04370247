"""Paths and file URLs as editing programs of every system write them."""

import re
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

_FILE = re.compile(r"(?:file|smb|cifs|afp):", re.I)
_DRIVE = re.compile(r"[\\/]*([A-Za-z])[:|](?=[\\/]|$)")
_HERE = ("", "localhost", "127.0.0.1")
_LONG = re.compile(r"[\\/]{2}[?.][\\/](UNC[\\/])?", re.I)  # \\?\C:\film, \\?\UNC\server\share


def path_of(url: str) -> str:
    """A file URL as a path; what is none, as it is, but for a Windows path's slashes.

    A drive becomes ``C:/film.mov`` and a share ``//server/share/film.mov``, in whichever of their
    forms they come: ``file:///C:/``, ``file://localhost/C%3a/``, ``file://C|/``; ``\\\\server``,
    ``file://server/share``, ``file:////server``, ``file://localhost/%5c%5cserver``.
    """
    text = url.strip()
    scheme = _FILE.match(text)
    if scheme is None:
        return _windows(text) if _is_windows(text) else text
    rest = text[scheme.end() :]
    if rest.startswith("//"):
        host, slash, below = rest[2:].partition("/")
        host = host.rpartition("@")[2]  # whoever mounts it
        rest = slash + below if host.lower() in _HERE else f"//{host}{slash}{below}"
    path = _unquoted(rest)
    if path.lower().startswith("/\\\\"):  # file:///\\server\share
        path = path[1:]
    if _is_windows(path):
        return _windows(path)
    return re.sub(r"^/{2,}", "//", path) if re.match(r"//+[^/]", path) else path


def url_of(path: str) -> str:
    """A path as a file URL."""
    if not path or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
        return path
    whole = _windows(path) if _is_windows(path) else path
    if whole.startswith("//"):  # a share: the server is the URL's host
        return "file:" + _quoted(whole)
    if not re.match(r"[A-Za-z]:/|/", whole):
        whole = str(Path(whole).absolute())
    return "file://" + _quoted(whole if whole.startswith("/") else f"/{whole}")


def _quoted(path: str) -> str:
    return quote(path, safe="/:", errors="surrogateescape")


def _unquoted(text: str) -> str:
    data = unquote_to_bytes(text)
    try:
        return data.decode()
    except UnicodeDecodeError:  # percent signs of an older encoding
        return data.decode("latin-1")


def _is_windows(path: str) -> bool:
    return bool(_DRIVE.match(path) or _LONG.match(path) or path.startswith("\\\\"))


def _windows(path: str) -> str:
    """``C:/film.mov`` or ``//server/share/film.mov``."""
    if long := _LONG.match(path):
        path = ("//" if long[1] else "") + path[long.end() :]
    path = path.replace("\\", "/")
    if drive := _DRIVE.match(path):
        return f"{drive[1]}:{path[drive.end() :]}"
    return "//" + path.lstrip("/")
