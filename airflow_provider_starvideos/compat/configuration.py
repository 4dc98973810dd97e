"""What an administrator has set in Airflow's configuration."""

from __future__ import annotations

import os
from configparser import RawConfigParser
from typing import Any

from airflow.providers.common.compat.sdk import conf


def is_configured(section: str, option: str) -> bool:
    """Return whether somebody has set an option of Airflow's configuration. Takes some microseconds.

    ``conf.has_option`` doesn't tell: it also knows what Airflow ships. Nor does the file: ``airflow db migrate`` writes
    one in which every option stands as it is shipped. So what counts is the environment, a value that is written in
    another way than the shipped one, and a file that doesn't hold all options of the section.

    Relies on ``conf`` being a ``ConfigParser`` of the file's options, with those that Airflow ships in
    ``_default_values`` (3.0 to 3.3). If that is gone, what stands in the file counts.

    :param section: such as ``operators``
    :param option: one that isn't sensitive: those can also be commands and secrets
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
