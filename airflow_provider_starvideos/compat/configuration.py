"""What an administrator has set in Airflow's configuration."""

from __future__ import annotations

import os
from configparser import RawConfigParser

from airflow.providers.common.compat.sdk import conf


def is_configured(section: str, option: str) -> bool:
    """Tell whether an option of Airflow's configuration is set, by a file or the environment. Takes a few microseconds.

    ``conf.has_option`` doesn't tell: it also knows what Airflow ships. Nor does the file alone: ``airflow db migrate``
    and ``airflow standalone`` write one of all options. So what stands there just as Airflow writes it isn't set.

    Relies on ``conf`` being a ``ConfigParser`` that keeps what Airflow ships elsewhere, and on its
    ``get_default_value`` (3.0 to 3.3). If that is gone, each option is set, or none is, or this raises.

    :param section: such as ``operators``
    :param option: one that isn't sensitive: those can also be commands and secrets
    """
    if f"AIRFLOW__{section}__{option}".upper() in os.environ:
        return True
    if not RawConfigParser.has_option(conf, section, option):
        return False
    written = RawConfigParser.get(conf, section, option, raw=True)
    return bool(written != conf.get_default_value(section, option))
