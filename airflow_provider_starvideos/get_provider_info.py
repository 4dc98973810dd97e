"""The provider's metadata for Airflow's providers manager. Every Airflow process reads it, so it imports little."""

from __future__ import annotations

from typing import Any

from airflow_provider_starvideos.hooks.form import CONN_FIELDS, FIELD_BEHAVIOUR

PACKAGE = "airflow_provider_starvideos"


def _modules(*names: str) -> list[dict[str, Any]]:
    return [{"integration-name": "StarVideos", "python-modules": [f"{PACKAGE}.{name}" for name in names]}]


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata by Airflow's provider info schema."""
    return {
        "package-name": "airflow-provider-starvideos",
        "name": "StarVideos",
        "description": "Order videos at StarVideos O3, wait for them without a worker, and pay for each once.",
        "integrations": [
            {"integration-name": "StarVideos", "external-doc-url": "https://zcbservice.aizfw.cn", "tags": ["service"]}
        ],
        "operators": _modules("operators.create", "operators.batch", "operators.download"),
        "sensors": _modules("sensors.task"),
        "hooks": _modules("hooks.starvideos"),
        "triggers": _modules("triggers.task", "triggers.batch"),
        "task-decorators": [
            {"name": f"starvideos_{name}", "class-name": f"{PACKAGE}.decorators.{name}.starvideos_{name}_task"}
            for name in ("create", "batch")
        ],
        "extra-links": [f"{PACKAGE}.ui.links.StarVideos{name}Link" for name in ("Video", "SavedFile")],
        "config": {
            "starvideos": {
                "description": "Videos in Airflow's UI.",
                "options": {
                    "media_folders": {
                        "description": (
                            "Absolute paths of folders, separated by commas, whose videos the api-server may read from "
                            "its disks and show. Users who may read a Dag see the videos that its runs saved there."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/data/videos,/mnt/share/videos",
                        "default": "",
                    }
                },
            }
        },
        "connection-types": [
            {
                "connection-type": "starvideos",
                "hook-class-name": f"{PACKAGE}.hooks.starvideos.StarVideosHook",
                "hook-name": "StarVideos",
                "conn-fields": CONN_FIELDS,
                "ui-field-behaviour": {name.replace("_", "-"): value for name, value in FIELD_BEHAVIOUR.items()},
            }
        ],
    }
