"""What a task is about to order, said before its first order: in the log, and in the question to a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from airflow_provider_starvideos.api.redaction import hide_url, hide_urls
from airflow_provider_starvideos.orders.record import MAX_PROMPT_BYTES, Order, Row, counted, shortened
from airflow_provider_starvideos.orders.states import OrderState

SHOWN_PROMPTS = 5
SHOWN_INPUTS = 10


@dataclass(frozen=True)
class Estimate:
    """What a task is about to order."""

    rows: int  # of the task, 1 for a single order
    already_ordered: int  # rows that earlier tries ordered, or may have ordered; they aren't ordered again
    reused: int  # rows whose videos are in the library; they aren't ordered
    new_orders: int  # orders that are about to be sent
    again: int  # how many of them were ordered before, over all tries: their videos failed, or they are resubmitted
    seconds: int  # of the new orders whose length is known, in all
    unknown_seconds: int  # new orders whose video gets as long as its clip
    modes: Mapping[str, int]  # new orders by mode, the most frequent first
    prompts: tuple[str, ...]  # some of theirs, shortened
    inputs: tuple[str, ...]  # some of theirs, URLs without what may be a signature

    @classmethod
    def of(cls, results: Iterable[tuple[Row, Order | None]]) -> Estimate:
        """Return what is ordered next.

        :param results: every row of the task with its order, None where there is none
        """
        listed = list(results)
        new = [(row.request, order) for row, order in listed if order is None or order.state is OrderState.OPEN]
        reused = sum(order is not None and order.state is OrderState.REUSED for _, order in listed)
        lengths = [request.seconds for request, _ in new]
        prompts = dict.fromkeys(shortened(hide_urls(request.prompt), MAX_PROMPT_BYTES) for request, _ in new)
        inputs = dict.fromkeys(hide_url(url) for request, _ in new for url in request.inputs)
        return cls(
            rows=len(listed),
            already_ordered=len(listed) - len(new) - reused,
            reused=reused,
            new_orders=len(new),
            again=sum(order is not None and order.times_ordered > 0 for _, order in new),
            seconds=sum(filter(None, lengths)),
            unknown_seconds=lengths.count(None),
            modes=dict(Counter(request.mode.value for request, _ in new).most_common()),
            prompts=tuple(islice(prompts, SHOWN_PROMPTS)),
            inputs=tuple(islice(inputs, SHOWN_INPUTS)),
        )

    def text(self) -> str:
        """Return the numbers in one line, for the log."""
        rows = f"Rows: {self.rows}, ordered already: {self.already_ordered}"
        rows += f", in the library: {self.reused}." if self.reused else "."
        if not self.new_orders:
            return f"Nothing new is ordered. {rows}"
        modes = ", ".join(f"{number} {mode}" for mode, number in self.modes.items())
        again = f" ({self.again} of them again: billed again)" if self.again else ""
        unknown = f", and {self.unknown_seconds} as long as their clips" if self.unknown_seconds else ""
        return (
            f"About to order {counted(self.new_orders, 'video')}{again}, {self.seconds} s{unknown}: {modes}. "
            f"{rows} Each order is billed."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as a JSON object."""
        shown = {"modes": dict(self.modes), "prompts": list(self.prompts), "inputs": list(self.inputs)}
        return {name: shown.get(name, value) for name, value in vars(self).items()}
