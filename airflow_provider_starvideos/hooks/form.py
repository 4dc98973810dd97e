"""The connection's extras, and its form: for the provider info (Airflow 3.2+) and the hook's methods (3.0 and 3.1).

It imports nothing heavy, because ``get_provider_info`` reads it in every Airflow process. The *Test* button of Airflow
3.3.2 sends port 0 for a connection without a port. No field here can change that: the key has to be typed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class NumberExtra(NamedTuple):
    """A number among the extras."""

    default: float | None  # None: no limit
    lowest: float
    highest: float
    whole: bool = False


NUMBER_EXTRAS: Mapping[str, NumberExtra] = {
    "timeout": NumberExtra(60, 1, 600),  # seconds
    "connect_timeout": NumberExtra(10, 0.1, 120),  # seconds
    "max_retries": NumberExtra(3, 0, 20, whole=True),
    "presign_seconds": NumberExtra(3600, 60, 7 * 24 * 3600, whole=True),
    "max_orders_per_task": NumberExtra(None, 0, 1_000_000, whole=True),
    "max_seconds_per_order": NumberExtra(None, 1, 3600, whole=True),
}
TEXTS: Mapping[str, tuple[str, str]] = {  # label and description; an extra that isn't a number is true or false
    "timeout": ("Timeout (seconds)", "For a whole request to the API."),
    "connect_timeout": ("Connect timeout (seconds)", "To connect to the API."),
    "max_retries": (
        "Retries of a request",
        "How often a request is sent again. An order is sent again only if it provably wasn't accepted.",
    ),
    "allow_http": ("Allow http", "Send the key unencrypted to a host that isn't loopback. Only for a trusted network."),
    "presign_seconds": ("Presigned inputs (seconds)", "How long the API can read an input from a bucket."),
    "max_orders_per_task": (
        "Orders of a task, at most",
        "A task that would order more, over all its tries, is refused before its first order. No Dag can exceed this.",
    ),
    "max_seconds_per_order": (
        "Seconds of a video, at most",
        "An order of a longer video is refused. A video that follows a clip counts as 10 seconds.",
    ),
    "allow_private_downloads": (
        "Allow private downloads",
        "Fetch results from addresses inside your network too. The API's own host is always allowed.",
    ),
    "skip_input_checks": (
        "Skip input checks",
        "Order without checking that the API can read the inputs. An order with an unreadable input may be billed.",
    ),
}
SWITCH_EXTRAS = TEXTS.keys() - NUMBER_EXTRAS.keys()


def _field(name: str) -> dict[str, Any]:
    label, description = TEXTS[name]
    if name in SWITCH_EXTRAS:
        return {"label": label, "description": description, "schema": {"type": ["boolean", "null"], "default": False}}
    default, lowest, highest, whole = NUMBER_EXTRAS[name]
    empty = "no limit" if default is None else f"{default:g}"
    return {
        "label": label,
        "description": f"{description} {lowest:g} to {int(highest)}. Empty: {empty}.",
        "schema": {"type": ["integer" if whole else "number", "null"], "minimum": lowest, "maximum": highest},
    }


CONN_FIELDS: Mapping[str, dict[str, Any]] = {name: _field(name) for name in TEXTS}
FIELD_BEHAVIOUR: Mapping[str, Any] = {
    "hidden_fields": ["schema", "login", "port", "extra"],
    "relabeling": {"host": "Base URL", "password": "API key"},
    "placeholders": {"host": "empty: the vendor's server", "password": "the StarVideos API key"},
}


def connection_form_widgets() -> dict[str, Any]:
    """Return the extras as form fields, as a hook's method returns them.

    Airflow 3.0 without the FAB provider has no such form, and gets none. An error here would also remove its labels.
    """
    try:
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from wtforms import BooleanField, FloatField, IntegerField
    except ModuleNotFoundError:
        return {}

    kinds = {"boolean": BooleanField, "integer": IntegerField, "number": FloatField}
    widgets = {"boolean": {}, "integer": {"widget": BS3TextFieldWidget()}, "number": {"widget": BS3TextFieldWidget()}}
    return {
        name: kinds[kind](field["label"], description=field["description"], **widgets[kind])
        for name, field in CONN_FIELDS.items()
        for kind in field["schema"]["type"][:1]
    }
