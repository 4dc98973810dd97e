"""Decides whether a task needs a worker at its end. A task that ends in the triggerer (3.3+) never runs on one again.

Then nothing calls outlets' asset events, callbacks, ``post_execute``, listeners, custom XCom backends, or what a later
Airflow, a cluster policy or a user's class adds. So ``HARMLESS`` lists what needs no worker. Any other attribute that
differs from Airflow's default keeps the worker.

Relies on the attributes of ``BaseOperator`` and ``BaseSensorOperator``. A new one of a later Airflow keeps the worker
where it is used. It also fails the contract test, so that a maintainer decides about it.
"""

from __future__ import annotations

import dis
import inspect
import threading
from functools import lru_cache
from types import FunctionType
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

PACKAGE = __name__.partition(".")[0]
OURS = (PACKAGE, "airflow")

HARMLESS = {  # why an attribute may have any value → which ones; a name that no Airflow has does no harm
    "which task it is, and where in its Dag": "task_id _task_display_name _dag dag task_group upstream_task_ids "
    "downstream_task_ids start_date end_date owner params default_args is_setup is_teardown _is_sensor _is_mapped "
    "_needs_expansion _on_failure_fail_dagrun",
    "when it runs, and how often: the scheduler's and the executor's business": "depends_on_past trigger_rule queue "
    "ignore_first_depends_on_past wait_for_past_depends_before_skipping wait_for_downstream priority_weight "
    "weight_rule pool pool_slots executor executor_config max_active_tis_per_dag max_active_tis_per_dagrun "
    "task_concurrency retries retry_delay retry_exponential_backoff max_retry_delay _can_skip_downstream",
    "for a wait that fails: a worker ends it": "retry_policy email email_on_failure email_on_retry "
    "on_failure_callback on_retry_callback on_skipped_callback soft_fail never_fail",
    "for the time on a worker, or for waits on one": "execution_timeout mode poke_interval timeout max_wait "
    "exponential_backoff silent_fail valid_modes",
    "how it is shown": "doc doc_json doc_md doc_rst doc_yaml ui_color ui_fgcolor template_fields_renderers "
    "custom_operator_name HIDE_ATTRS_FROM_UI",
    "decided by this provider: what is rendered, and where it starts": "template_fields start_from_trigger "
    "start_trigger_args",
    "Airflow's own bookkeeping": "_BaseOperator__from_mapped _BaseOperator__init_kwargs _BaseOperator__instantiated "
    "_BaseOperator__serialized_fields _lock_for_execution _comps _abc_impl _is_protocol shallow_copy_attrs "
    "_base_operator_shallow_copy_attrs logger_name _logger_name _log_config_logger_name _cached_logger "
    "deserialization_allowed_class_fields",
}
NEED_NO_WORKER = frozenset(" ".join(HARMLESS.values()).split())

_loading_plugins = threading.Lock()


def may_end_in_triggerer(operator: Any, map_index: int | None = None) -> bool:
    """Return whether nothing of a task needs a worker once its video is completed.

    :param operator: of the running task, or as its Dag has it
    :param map_index: of the task instance; None or negative: not a mapped one
    """
    return worker_need(operator, map_index) is None


def worker_need(operator: Any, map_index: int | None = None) -> str | None:
    """Return what keeps a task on a worker, in a few words; None: nothing does. See ``may_end_in_triggerer``."""
    kind = type(operator)
    if not AIRFLOW_V_3_3_PLUS:
        return "Airflow before 3.3 has no XComs in a trigger"
    if kind.__module__.partition(".")[0] != PACKAGE:
        return f"the class {kind.__qualname__}"
    patched = _patched_method(kind)
    if patched:
        return f"the method {patched}, which isn't Airflow's"
    attribute = _unknown_attribute(operator, kind)
    if attribute:
        return attribute
    return "a mapped task downstream" if _is_mapped_over_by_mistake(operator, map_index) else None


def process_needs_worker() -> bool:
    """Return whether this Airflow has listeners (for example OpenLineage) or an XCom backend: only a worker calls them.

    Relies on ``airflow.sdk.listener.get_listener_manager`` (3.2+). Without it, a worker ends the task. Don't call it on
    an event loop: it may load all plugins.
    """
    try:
        from airflow.sdk.listener import get_listener_manager
    except ImportError:
        return True

    from airflow_provider_starvideos.compat.xcoms import backend_in_use_is_airflows_own

    with _loading_plugins:  # once, also where many waits end at once
        return bool(get_listener_manager().has_listeners) or not backend_in_use_is_airflows_own()


@lru_cache(maxsize=2)
def known_attributes(is_sensor: bool) -> frozenset[str]:
    """Return the names of all plain values that an operator of this Airflow and its classes have."""
    plain = plain_operator(is_sensor)
    found = set(vars(plain))
    for kind in type(plain).__mro__:
        if kind.__module__.partition(".")[0] in OURS:
            values = vars(kind).items()
            found |= {name for name, value in values if not name.startswith("__") and not hasattr(value, "__get__")}
    return frozenset(found)


@lru_cache(maxsize=2)
def plain_operator(is_sensor: bool) -> Any:
    """Return an operator of Airflow's own class with all defaults, in a Dag that isn't the user's."""
    from airflow.sdk import DAG

    dag = DAG("starvideos_plain_operator")
    kind: Any = BaseSensorOperator if is_sensor else BaseOperator
    # Both are given, because the operator would otherwise join the Dag and task group that are being parsed.
    return kind(task_id="plain", dag=dag, task_group=dag.task_group)


def _unknown_attribute(operator: Any, kind: type) -> str | None:
    is_sensor = issubclass(kind, BaseSensorOperator)
    plain, known = plain_operator(is_sensor), known_attributes(is_sensor)
    for name in sorted((known | vars(operator).keys()) - NEED_NO_WORKER - _own_attributes(kind)):
        if name not in known or not _is_same(getattr(operator, name, None), getattr(plain, name, None)):
            return str(name)
    return None


@lru_cache(maxsize=32)
def _own_attributes(kind: type) -> frozenset[str]:
    """Return the attributes of this provider's classes: those that ``__init__`` sets, and private values."""
    found: set[str] = set()
    for members in (vars(one) for one in kind.__mro__ if one.__module__.partition(".")[0] == PACKAGE):
        init = inspect.unwrap(members["__init__"]) if "__init__" in members else None
        # Airflow gives a class without an __init__ a wrapped BaseOperator.__init__ if its first base has another one.
        if init and init.__module__.partition(".")[0] == PACKAGE:
            found |= {step.argval for step in dis.get_instructions(init) if step.opname == "STORE_ATTR"}
        found |= {name for name, value in members.items() if name.startswith("_") and not hasattr(value, "__get__")}
    return frozenset(found)


def _patched_method(kind: type) -> str | None:
    """Return the name of a method that other code has put into a class of Airflow's or of this provider."""
    for one in kind.__mro__:
        if one.__module__.partition(".")[0] in OURS:
            for name, value in vars(one).items():
                if isinstance(value, FunctionType) and value.__module__.partition(".")[0] not in (*OURS, "functools"):
                    return name
    return None


def _is_same(value: Any, default: Any) -> bool:
    try:
        return value is default or bool(value == default) or (not value and not default)
    except Exception:  # noqa: BLE001  values that can't be compared aren't the default
        return False


def _is_mapped_over_by_mistake(operator: Any, map_index: int | None) -> bool:
    """Return whether a task downstream is mapped over one id. That can't work, and only a worker gives an error.

    Relies on ``iter_mapped_dependants`` (3.0+). Without it, such a task fails as it is deferred or parsed.
    """
    is_mapped = map_index is not None and map_index >= 0
    return not is_mapped and operator.get_dag() is not None and any(True for _ in operator.iter_mapped_dependants())
