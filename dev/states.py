"""Draw docs/images/order.svg, the life of an order, and write its tables into docs/orders.md and docs/batch.md.

python -m dev.states
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

from airflow_provider_starvideos.orders.states import STATES, Billed, OrderState

DOCS = Path(__file__).parents[1] / "docs"
PICTURE, PAGE, BATCH_PAGE = DOCS / "images" / "order.svg", DOCS / "orders.md", DOCS / "batch.md"
BEGIN, END = "<!-- life of an order: begin -->\n", "<!-- life of an order: end -->"
ROWS: tuple[tuple[str, ...], ...] = (
    ("not_sent", "open", "rejected"),
    ("reused", "sending", "unconfirmed"),
    ("timed_out", "ordered", "unknown"),
    ("failed", "completed", "saved"),
    ("", "not_saved", "unsavable"),
)
WIDTH, ROW, BOX_WIDTH, BOX_HEIGHT = 660, 84, 130, 34
COLOURS = {Billed.NO: "#dafbe1", Billed.PERHAPS: "#fff8c5", Billed.YES: "#ffebe9"}

HEAD = (
    "<title>The life of an order</title><style>text{font:13px sans-serif;fill:#1b1f24}"
    ".arrow{stroke:#57606a;fill:none;marker-end:url(#tip)}rect{stroke:#57606a}</style>"
    '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z" fill="#57606a"/></marker>'
)


def positions() -> dict[OrderState, tuple[float, float]]:
    """Return the middle of each state's box.

    :raises ValueError: a state has no position
    """
    found = {
        OrderState(name): (WIDTH / 3 * (column + 0.5), ROW * (row + 0.5))
        for row, names in enumerate(ROWS)
        for column, name in enumerate(names)
        if name
    }
    if missing := set(STATES) - set(found):
        raise ValueError(f"no position for {', '.join(sorted(missing))}")
    return found


def picture() -> str:
    """Return the states and what may follow each, as SVG."""
    position, height = positions(), ROW * len(ROWS)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        HEAD,
        f'<rect width="{WIDTH}" height="{height}" fill="#fff" stroke="none"/>',
    ]
    for state, meaning in STATES.items():
        lines.extend(_arrow(position[state], position[other]) for other in meaning.follows)
    for state, (x, y) in position.items():
        lines.append(
            f'<rect x="{x - BOX_WIDTH / 2:g}" y="{y - BOX_HEIGHT / 2:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
            f'rx="5" fill="{COLOURS[STATES[state].billed]}"/>'
            f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle">{escape(state)}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return an arrow from one box's edge to another's, bent, so that two that meet don't cover each other."""
    (x1, y1), (x2, y2) = start, end
    along, down = x2 - x1, y2 - y1
    reach = max(abs(along) / (BOX_WIDTH / 2), abs(down) / (BOX_HEIGHT / 2))
    x1, y1, x2, y2 = x1 + along / reach, y1 + down / reach, x2 - along / reach, y2 - down / reach
    length = (along**2 + down**2) ** 0.5
    bend_x, bend_y = (x1 + x2) / 2 - down / length * 14, (y1 + y2) / 2 + along / length * 14
    return f'<path class="arrow" d="M{x1:g} {y1:g}Q{bend_x:g} {bend_y:g} {x2:g} {y2:g}"/>'


def table(*, of_rows: bool = False) -> str:
    """Return the states as a table of the documentation.

    :param of_rows: of a batch: what its next try does, and nothing about persons
    """
    head = ["state", "means", "video", "billed", "the next try", *([] if of_rows else ["you may"])]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---'] * len(head))} |"]
    for state, meaning in reversed(list(STATES.items())):
        video = "yes" if meaning.video else "no"
        last = [meaning.retry_of_row or meaning.retry] if of_rows else [meaning.retry, meaning.person]
        cells = (f"`{state}`", meaning.text, video, meaning.billed, *last)
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def with_table(page: str, *, of_rows: bool = False) -> str:
    """Return a page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{table(of_rows=of_rows)}{END}{rest.partition(END)[2]}"


def main() -> int:
    """Write the picture and the tables."""
    PICTURE.write_text(picture())
    PAGE.write_text(with_table(PAGE.read_text()))
    BATCH_PAGE.write_text(with_table(BATCH_PAGE.read_text(), of_rows=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
