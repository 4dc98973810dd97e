"""Decides whether an administrator has set an option of Airflow's configuration."""

from __future__ import annotations

import os
from configparser import RawConfigParser
from typing import Any

from airflow.providers.common.compat.sdk import conf


def is_configured(section: str, option: str) -> bool:
    """Return whether an option of Airflow's configuration is set. Takes some microseconds.

    ``conf.has_option`` also knows Airflow's defaults, and ``airflow db migrate`` writes a file with all of them. So an
    option is set if the environment has it, or if the file has another value than the default. It is also set if the
    file lacks other options of its section, because then a person has written it.

    Relies on ``conf`` being a ``ConfigParser`` of the file's options, with Airflow's defaults in ``_default_values``
    (3.0 to 3.3). Without it, the file's options count as set.

    :param option: not a sensitive one: those can also be commands and secrets
    """
    if f"AIRFLOW__{section}__{option}".upper() in os.environ:
        return True
    if not RawConfigParser.has_option(conf, section, option):
        return False
    shipped: Any = getattr(conf, "_default_values", None)
    if shipped is None or not shipped.has_option(section, option):
        return True
    written = RawConfigParser.get(conf, section, option, raw=True)
    is_generated = set(shipped.options(section)) <= set(RawConfigParser.options(conf, section))
    return not is_generated or bool(written != shipped.get(section, option, raw=True))
