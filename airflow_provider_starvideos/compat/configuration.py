"""What an administrator has set in Airflow's configuration."""

from __future__ import annotations

import os
from configparser import RawConfigParser

from airflow.providers.common.compat.sdk import conf


def is_configured(section: str, option: str) -> bool:
    """Tell whether an option of Airflow's configuration is set, by a file or the environment. Takes a few microseconds.

    ``conf.has_option`` doesn't tell: it also knows what Airflow ships. Relies on ``conf`` being a ``ConfigParser`` that
    keeps what Airflow ships elsewhere (3.0 to 3.3). If that is gone, each option is set or none is.

    :param section: such as ``operators``
    :param option: one that isn't sensitive: those can also be commands and secrets
    """
    return f"AIRFLOW__{section}__{option}".upper() in os.environ or RawConfigParser.has_option(conf, section, option)
