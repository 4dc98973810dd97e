"""Reads a destination as users write it: text, ``Path`` or ``ObjectStoragePath``, with ``~`` or ``file://localhost``.

Operators, hook and UI use it. It reads no disk and no store.
"""

from __future__ import annotations

import os
import re
from pathlib import PureWindowsPath
from typing import Any

from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.api.values import is_missing
from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError

LOCAL_SCHEMES = ("file", "local")
THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")
SUFFIX = re.compile(r"[^/]\.[A-Za-z0-9]{1,8}$")  # of a file's name; the end of a template isn't one
WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\|[A-Za-z]:$")
ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
VARIABLE = re.compile(r"\$\{?[A-Za-z_]|%[A-Za-z_]+%")


def is_path_object(value: Any) -> bool:
    """Return whether a value is a ``Path``, an ``ObjectStoragePath`` or the like, not text."""
    return isinstance(value, os.PathLike) or (hasattr(value, "protocol") and hasattr(value, "path"))


def as_text(value: Any, *, is_folder: bool = False) -> Any:
    """Return the text of a path object, with a slash at its end if it is a folder; any other value unchanged.

    Airflow renders templates in text, but not in a ``Path``. A ``Path`` drops a slash at its end, so one without a
    suffix such as ``.mp4`` counts as a folder.

    :param is_folder: it is a folder, whatever its name
    """
    if isinstance(value, PureWindowsPath) or not is_path_object(value):
        return value
    text = str(value) if hasattr(value, "protocol") else os.fspath(value)  # a store's path object is no file's path
    if not isinstance(text, str) or text.endswith("/") or (SUFFIX.search(text) and not is_folder):
        return text
    return f"{text}/"


def located(destination: Any) -> str:
    """Return the path of a local destination (absolute or not), or the URI of any other. A folder ends in ``/``.

    :raises StarVideosValidationError: it can't be a destination
    """
    text = as_text(destination)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise unusable("must be a path or a storage URI", destination)
    text = text.strip()
    if any(map(str.isalnum, text)) and is_missing(text.rstrip("/")):
        rule = "must be a path or a storage URI; the value is missing: perhaps a template found nothing"
        raise unusable(rule, destination)
    if WINDOWS.match(text):
        raise unusable("must be a path of the machine that Airflow runs on, not one of Windows", destination)
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() not in LOCAL_SCHEMES:
        return f"{scheme.lower()}://{rest}"
    if separator:
        host, slash, path = rest.partition("/")
        if host.lower() in THIS_MACHINE:
            rest = slash + path
        elif host and not host.startswith("~"):
            raise unusable(f"must not name a machine; a local path is written file:///{rest}", destination)
    elif text.lower().startswith("file:/"):
        rest = text.partition(":")[2]
    elif ONE_SLASH.match(text):
        raise unusable("must be a storage URI with two slashes, written as text: a Path can't hold one", destination)
    else:
        rest = text
    return _at_home(rest, destination)


def _at_home(path: str, destination: Any) -> str:
    path = os.path.expanduser(path)  # noqa: PTH111  Path would lose the slash at the end
    if "~" in path.split("/") or path.startswith("~"):
        raise unusable("must name a user who has a home directory on this machine", destination)
    if VARIABLE.match(path):
        raise unusable("must not begin with an environment variable: write it out, or use a template", destination)
    if not path:
        raise unusable("must be a path or a storage URI", destination)
    return path


def unusable(rule: str, destination: object) -> StarVideosValidationError:
    """Return the error of a wrong destination."""
    return StarVideosValidationError([Problem("destination", rule, shown(destination))])
