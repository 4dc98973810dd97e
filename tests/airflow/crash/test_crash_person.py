"""Orders that ask a person, in the crash matrix: an answer orders once, or is asked for again."""

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_starvideos.orders.questions import AGAIN, APPROVE, THIS_VIDEO
from tests.airflow.crash import told
from tests.airflow.crash.bench import Bench
from tests.airflow.crash.row import Row
from tests.airflow.crash.scripts import killed_after_the_answer, killed_before_it_asks, nothing, spoiled

pytestmark = [
    pytest.mark.crash_matrix,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 can't ask a person"),
]
APPROVAL, ASKS = {"approval": "always"}, {"on_unconfirmed": "ask"}


def test_a_task_that_asks_is_killed(bench: Bench) -> None:
    """SIGKILL before the question is stored, with the answer before it is kept, and before the order."""
    lost = spoiled("reset", when="after")
    bench.run(
        [
            Row(
                "approval: killed before the question",
                killed_before_it_asks(nothing, APPROVE),
                told.APPROVED,
                tries=2,
                kwargs=APPROVAL,
            ),
            Row(
                "approval: killed with the answer, before it is kept",
                killed_after_the_answer(nothing, APPROVE, "template", asked_again=True),
                told.APPROVED,
                tries=2,
                kwargs=APPROVAL,
            ),
            Row(
                "approval: killed after it, before the order",
                killed_after_the_answer(nothing, APPROVE, "sign"),
                told.ORDERED,
                tries=2,
                kwargs=APPROVAL,
            ),
            Row(
                "unknown outcome: killed before the question; it is this video",
                killed_before_it_asks(lost, THIS_VIDEO),
                told.FOUND,
                tries=2,
                kwargs=ASKS,
            ),
            Row(
                "unknown outcome: killed with the answer, before it is kept; it is this video",
                killed_after_the_answer(lost, THIS_VIDEO, "template", asked_again=True),
                told.FOUND,
                tries=2,
                kwargs=ASKS,
            ),
            Row(
                "unknown outcome: killed after the answer, before the order; order again",
                killed_after_the_answer(lost, AGAIN, "sign"),
                told.ORDERED,
                billed=2,
                tries=2,
                kwargs=ASKS,
            ),
        ],
        timeout=400,
    )
