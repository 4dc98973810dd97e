"""What people hand over, through the operator to the API: the right orders, or one clear error and none at all.

CASES.md A1 to A6, A9 and C16. The table is in ``tests.batch.inputs_rows``, ``inputs_files`` and ``inputs_cells``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.batch.desk import Desk
from tests.batch.inputs import Kind
from tests.batch.inputs_cells import CELLS, MISSING
from tests.batch.inputs_files import FILES
from tests.batch.inputs_rows import ROWS

KINDS = {
    **{f"rows: {name}": kind for name, kind in ROWS.items()},
    **{f"files: {name}": kind for name, kind in FILES.items()},
    **{f"cells: {name}": kind for name, kind in CELLS.items()},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_handed_over_is_ordered_as_meant_or_refused(kind: Kind, desk: Desk, tmp_path: Path) -> None:
    """A1 to A5, A9, C16: not one order more than there are rows with content."""
    given = kind.make(tmp_path)
    if isinstance(kind.right, str):
        with pytest.raises(AirflowFailException) as caught:
            desk.first_leg(given, **kind.defaults)
        assert kind.right in str(caught.value)
        assert desk.emulator.requests["create"] == 0
        return
    desk.first_leg(given, max_submit_concurrency=1, **kind.defaults)
    sent = [order.request for order in desk.emulator.orders]
    assert len(sent) == len(kind.right)
    for order, right in zip(sent, kind.right, strict=True):
        assert {name: order.get(name) for name in right} == right


@pytest.mark.parametrize("value", MISSING.values(), ids=MISSING)
def test_a_prompt_that_is_missing_is_refused(value: object, desk: Desk) -> None:
    """A6: with something that shows that a video was wanted. Alone it is a row that gives nothing."""
    with pytest.raises(AirflowFailException, match=r"row 2: prompt: must be given .* value is missing"):
        desk.first_leg([{"prompt": "A kite"}, {"prompt": value, "duration": 5}])
    with pytest.raises(AirflowFailException, match="requests: must have 1 to"):
        desk.first_leg([{"prompt": value}])
    assert desk.emulator.requests["create"] == 0


@pytest.mark.parametrize("value", MISSING.values(), ids=MISSING)
def test_what_else_is_missing_is_not_given(value: object, desk: Desk) -> None:
    """A6: in every other field, and in a name."""
    others = ("duration", "ratio", "reference_images", "first_image", "last_image", "reference_videos", "model", "name")
    desk.first_leg([{"prompt": "A kite", **dict.fromkeys(others, value)}])
    assert [order.request for order in desk.emulator.orders] == [{"model": "starvideos_o3", "prompt": "A kite"}]
