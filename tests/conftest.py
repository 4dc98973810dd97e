"""For all tests: an Airflow home of their own, and nothing of the caller's Airflow, proxy or .netrc."""

import atexit
import os
import shutil
import tempfile

FOREIGN = ("AIRFLOW", "_AIRFLOW")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

for _name in list(os.environ):
    if _name.startswith(FOREIGN) or _name.lower() in PROXIES or _name == "NETRC":
        del os.environ[_name]

# Before anything imports airflow: it reads its home, and writes into it, on import.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="starvideos-tests-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
