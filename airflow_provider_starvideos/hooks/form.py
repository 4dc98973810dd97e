"""The connection form, for the provider info (Airflow 3.2+) and for the hook's methods (3.0 and 3.1).

It imports nothing, because ``get_provider_info`` reads it in every Airflow process.
"""

from __future__ import annotations

from typing import Any

CONN_FIELDS: dict[str, dict[str, Any]] = {
    "timeout": {
        "label": "Timeout (seconds)",
        "description": "For a whole request to the API, 1 to 600. Empty: 60.",
        "schema": {"type": ["number", "null"], "minimum": 1, "maximum": 600},
    },
    "connect_timeout": {
        "label": "Connect timeout (seconds)",
        "description": "To connect to the API, 0.1 to 120. Empty: 10.",
        "schema": {"type": ["number", "null"], "minimum": 0.1, "maximum": 120},
    },
    "max_retries": {
        "label": "Retries of a request",
        "description": (
            "How often a request is sent again, 0 to 20; an order only if it provably wasn't accepted. Empty: 3."
        ),
        "schema": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
    },
    "allow_http": {
        "label": "Allow http",
        "description": "Send the key unencrypted to a host that isn't loopback. Only for a trusted network.",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
    "presign_seconds": {
        "label": "Presigned inputs (seconds)",
        "description": "How long an input out of a bucket stays readable for the API, 60 to 604800. Empty: 3600.",
        "schema": {"type": ["integer", "null"], "minimum": 60, "maximum": 604800},
    },
    "max_orders_per_task": {
        "label": "Orders of a task, at most",
        "description": (
            "0 to 1000000. A task that would order more videos, over all its tries, is refused before its first order. "
            "No Dag can exceed it. Empty: no limit."
        ),
        "schema": {"type": ["integer", "null"], "minimum": 0, "maximum": 1000000},
    },
    "max_seconds_per_order": {
        "label": "Seconds of a video, at most",
        "description": (
            "An order of a longer video is refused, 1 to 3600. A video that follows a clip counts as 10 seconds. "
            "Empty: no limit."
        ),
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 3600},
    },
    "allow_private_downloads": {
        "label": "Allow private downloads",
        "description": "Fetch results from addresses inside of your network too. The API's own host is always allowed.",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
    "skip_input_checks": {
        "label": "Skip input checks",
        "description": (
            "Order without checking that inputs are at public addresses, and that the API can read those in a bucket. "
            "An order with an input that the API can't read may be billed."
        ),
        "schema": {"type": ["boolean", "null"], "default": False},
    },
}
HIDDEN_FIELDS = ["schema", "login", "port", "extra"]
RELABELING = {"host": "Base URL", "password": "API key"}
PLACEHOLDERS = {"host": "empty: the vendor's server", "password": "the StarVideos API key"}


def ui_field_behaviour() -> dict[str, Any]:
    """Return hidden and renamed fields, as a hook's method returns them."""
    return {"hidden_fields": HIDDEN_FIELDS, "relabeling": RELABELING, "placeholders": PLACEHOLDERS}


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
