"""PyAV and Pillow: they are needed for videos only, so they are imported only then."""

from __future__ import annotations

MISSING = 'Videos need PyAV and Pillow: pip install "airflow-provider-starvideos[emulator]"'


class NotMediaError(Exception):
    """Bytes are not the picture or the clip that they should be. The message says so."""


class MissingLibraryError(Exception):
    """PyAV or Pillow is not installed."""

    def __init__(self) -> None:
        super().__init__(MISSING)


def require_libraries() -> None:
    """Check for PyAV and Pillow.

    :raises MissingLibraryError: one of them is missing.
    """
    try:
        import av
        import PIL.Image
    except ImportError as exc:
        raise MissingLibraryError from exc
    del av, PIL
