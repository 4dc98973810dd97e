"""The settings of the emulator. Decides every bound of a setting. All can be changed while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from airflow_provider_starvideos.emulator.dialects import DIALECTS


class CheckError(ValueError):
    """A value breaks a rule. The message is the rule, to follow "must be"."""


class SettingsError(ValueError):
    """A setting is unknown or out of its bounds. The message names every problem."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the emulator behaves. New values hold for requests and orders from then on.

    :param seconds: how long a generation takes, from the order to its end, as (least, most) seconds, each order
        drawing its own; None holds every order in ``processing`` until it is told to end.
    :param fail_rate: share of the orders that fail, 0 to 1.
    :param references: what becomes of a reference that can't be fetched: ``lenient`` draws a placeholder,
        ``required`` fails the order, ``off`` fetches nothing at all.
    :param url_ttl: how long a result's URL works, seconds.
    :param expired_status: HTTP status of an expired URL, 400 to 599.
    :param ranges: whether downloads honour ``Range``.
    :param pad_bytes: how many bytes to append to every video, as an MP4 ``free`` box; 0 or at least 8.
    :param max_requests_per_second: API requests per second before 429; None for no limit.
    :param dialect: how answers differ from the documentation, see ``dialects``; empty: not at all.
    :param price_per_second: completed videos say an ``amount`` of so much per second; None: they say none.
    :param files_url: where result URLs point, ``http://host:port``; None for the host the query was sent to.
    """

    seconds: tuple[float, float] | None = (8.0, 15.0)
    fail_rate: float = 0.0
    references: str = "lenient"
    url_ttl: float = 86_400.0
    expired_status: int = 403
    ranges: bool = True
    pad_bytes: int = 0
    max_requests_per_second: float | None = None
    dialect: tuple[str, ...] = ()
    price_per_second: float | None = None
    files_url: str | None = None

    def changed(self, changes: Mapping[str, object]) -> Settings:
        """Return the settings with some of them changed.

        :param changes: new values by name.
        :returns: new settings; these stay as they are.
        :raises SettingsError: a name is unknown or a value out of bounds. Nothing is changed then.
        """
        problems: list[str] = []
        checked: dict[str, Any] = {}
        for name, value in changes.items():
            check = CHECKS.get(name)
            if check is None:
                problems.append(f"no setting named {name!r} (there are: {', '.join(CHECKS)})")
                continue
            try:
                checked[name] = check(value)
            except CheckError as exc:
                problems.append(f"{name} must be {exc} (got {value!r})")
        if problems:
            raise SettingsError("; ".join(problems))
        return replace(self, **checked)

    def public(self) -> dict[str, object]:
        """Return the settings as JSON types, in the form that :meth:`changed` takes."""
        seconds = "hold" if self.seconds is None else list(self.seconds)
        return {**asdict(self), "seconds": seconds, "dialect": list(self.dialect)}


def parse_seconds(value: object) -> tuple[float, float] | None:
    """Read how long a generation takes.

    :param value: ``"hold"`` or None, a number of seconds, ``"least-most"``, or a pair of numbers.
    :returns: (least, most), or None to hold.
    :raises CheckError: it is anything else.
    """
    rule = '"hold", seconds, "least-most" or a pair, of 0 to 86400 seconds'
    if value is None or value == "hold":
        return None
    parts: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    if isinstance(value, str):
        parts = value.split("-")
    if any(isinstance(part, bool) for part in parts) or not 1 <= len(parts) <= 2:
        raise CheckError(rule)
    try:
        least, most = float(parts[0]), float(parts[-1])
    except (TypeError, ValueError):
        raise CheckError(rule) from None
    if not 0 <= least <= most <= 86_400:
        raise CheckError(rule)
    return least, most


def number(low: float, high: float, unit: str = "", *, optional: bool = False) -> Callable[[object], float | None]:
    """Return a check for a number from ``low`` to ``high``."""

    def check(value: object) -> float | None:
        if value is None and optional:
            return None
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not good or not low <= float(value) <= high:  # type: ignore[arg-type]
            raise CheckError(f"a number from {low:g} to {high:g}{unit}{' or null' * optional}")
        return float(value)  # type: ignore[arg-type]

    return check


def integer(low: int, high: int) -> Callable[[object], int]:
    """Return a check for an integer from ``low`` to ``high``."""

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise CheckError(f"an integer from {low} to {high}")
        return value

    return check


def one_of(*values: str) -> Callable[[object], str]:
    """Return a check for one of a few strings."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in values:
            raise CheckError(f"one of {', '.join(values)}")
        return value

    return check


def boolean(value: object) -> bool:
    """Check for true or false."""
    if not isinstance(value, bool):
        raise CheckError("true or false")
    return value


def _pad(value: object) -> int:
    size = integer(0, 1 << 40)(value)
    if 0 < size < 8:
        raise CheckError("0 or at least 8, the size of an MP4 box's head")
    return size


def _dialect(value: object) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    names = [name for name in names if name] if isinstance(names, list | tuple) else [value]
    if not all(name in DIALECTS for name in names):
        raise CheckError(f"some of {', '.join(DIALECTS)}, with commas between them")
    return tuple(str(name) for name in names)


def _origin(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise CheckError("an http(s) URL or null")
    return value.rstrip("/")


CHECKS: dict[str, Callable[[object], object]] = {
    "seconds": parse_seconds,
    "fail_rate": number(0, 1),
    "references": one_of("lenient", "required", "off"),
    "url_ttl": number(0, 1e9, " seconds"),
    "expired_status": integer(400, 599),
    "ranges": boolean,
    "pad_bytes": _pad,
    "max_requests_per_second": number(0.001, 1e6, optional=True),
    "dialect": _dialect,
    "price_per_second": number(0, 1e6, optional=True),
    "files_url": _origin,
}
