"""How much a task may order: refused before its first order, with the numbers.

Counted are the orders of a task instance over all of its tries, out of its journal: also those whose videos failed,
those of unknown outcome, and those of requests that aren't asked for any more. So no retry orders more than is allowed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from airflow_provider_starvideos.api.limits import length_problem
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import StarVideosLimitError
from airflow_provider_starvideos.orders.record import Row, counted, row_numbers


def check_limits(
    rows: Sequence[Row], ordered: int, connection: str, endpoint: Endpoint, max_orders: int | None = None
) -> None:
    """Refuse what would be more than is allowed.

    :param rows: those that are about to be ordered
    :param ordered: orders of the task instance before, see ``Journal.times_ordered``
    :param connection: the Airflow connection's id
    :param endpoint: what the connection describes, with its limits
    :param max_orders: the task's own limit
    :raises StarVideosLimitError: with every limit that would be exceeded; nothing was sent
    """
    if not rows:
        return
    limits = {
        f"the connection {connection!r} allows {endpoint.max_orders_per_task} (max_orders_per_task)": (
            endpoint.max_orders_per_task
        ),
        f"the task allows {max_orders} (max_orders)": max_orders,
    }
    total = len(rows) + ordered
    numbers = f"{counted(total, 'order')}: {len(rows)} new, and {ordered} of this task before, over all its tries"
    problems = [f"{numbers}; {limit}" for limit, most in limits.items() if most is not None and total > most]
    lengths: dict[int | None, list[int]] = defaultdict(list)
    for row in rows:
        lengths[row.request.seconds].append(row.number)
    for seconds, of_rows in lengths.items():
        if problem := length_problem(seconds, connection, endpoint):
            problems.append(f"{row_numbers(of_rows)}: {problem}")
    if problems:
        raise StarVideosLimitError(problems)
