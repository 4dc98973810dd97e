"""Draw docs/images/layers.svg, the picture of the layers, from the table in tests/unit/test_layers.py.

    python -m dev.layers

An arrow means "imports". What follows from other arrows is left out, and so are arrows to the parts that all use.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

from tests.unit.test_layers import MAY_IMPORT

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "layers.svg"
ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("started from outside", ("get_provider_info", "ui", "check")),
    ("Dag authors use", ("decorators", "operators", "sensors", "retry_policy")),
    ("how tasks work", ("deferral", "triggers", "batch", "library", "orders", "lineage", "failures")),
    ("a client", ("hooks", "metrics", "arguments", "locations")),
    ("bytes and files", ("clients", "storage")),
    ("what Airflow doesn't promise", ("compat",)),
    ("pure: no I/O, no Airflow", ("api", "exceptions")),
    ("apart: the server to test against", ("testing", "demo", "emulator")),
)
USED_BY_ALL = {"metrics", "arguments", "locations", "failures", "compat"}
WIDTH, ROW, BOX_WIDTH, BOX_HEIGHT, LEFT = 900, 74, 108, 30, 150
STYLE = (
    "text{font:13px sans-serif;fill:#1b1f24}.row{fill:#57606a;font-size:12px}"
    ".box{fill:#f3e8ff;stroke:#8250df}.band{fill:#f6f8fa}.arrow{stroke:#8c959f;fill:none;marker-end:url(#tip)}"
)
TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z" fill="#8c959f"/></marker>'
)
Point = tuple[float, float]


def positions() -> dict[str, Point]:
    """Return the middle of each part's box.

    :raises ValueError: a part of the table has no position in ``ROWS``, or the other way round
    """
    parts = {part for part in MAY_IMPORT if part}
    positioned = {part for _, row in ROWS for part in row}
    if parts != positioned:
        raise ValueError(f"ROWS and the table of layers differ: {', '.join(sorted(parts ^ positioned))}")
    found: dict[str, Point] = {}
    for number, (_, row) in enumerate(ROWS):
        step = (WIDTH - LEFT) / len(row)
        for index, part in enumerate(row):
            found[part] = (LEFT + step * (index + 0.5), ROW * (number + 0.5))
    return found


def arrows(position: Mapping[str, Point]) -> list[tuple[str, str]]:
    """Return who imports whom, downwards, without what follows from other arrows.

    :param position: of each part
    """
    drawn = position.keys() - USED_BY_ALL
    down = {part: {to for to in MAY_IMPORT[part] & drawn if position[to][1] > position[part][1]} for part in drawn}

    def below(part: str) -> set[str]:
        return down[part].union(*map(below, down[part]))

    return [
        (part, to)
        for part in sorted(down)
        for to in sorted(down[part])
        if not any(to in below(other) for other in down[part] - {to})
    ]


def draw() -> str:
    """Return the picture as SVG."""
    position = positions()
    height = ROW * len(ROWS)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>The layers of the provider</title><style>{STYLE}</style><defs>{TIP}</defs>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for number, (name, _) in enumerate(ROWS):
        lines.append(f'<rect class="band" y="{ROW * number + 2}" width="{WIDTH}" height="{ROW - 4}"/>')
        lines.extend(
            f'<text class="row" x="10" y="{ROW * number + 30 + 16 * index}">{escape(part)}</text>'
            for index, part in enumerate(_wrapped(name))
        )
    for start, end in arrows(position):
        (x1, y1), (x2, y2) = position[start], position[end]
        y1, y2 = y1 + BOX_HEIGHT / 2, y2 - BOX_HEIGHT / 2
        bend = (y2 - y1) / 2
        lines.append(
            f'<path class="arrow" d="M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"/>'
        )
    for part, (x, y) in position.items():
        lines.append(
            f'<rect class="box" x="{x - BOX_WIDTH / 2:g}" y="{y - BOX_HEIGHT / 2:g}" width="{BOX_WIDTH}" '
            f'height="{BOX_HEIGHT}" rx="5"/><text x="{x:g}" y="{y + 4:g}" text-anchor="middle">{escape(part)}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _wrapped(text: str, width: int = 20) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def main() -> int:
    """Write the picture if it has changed."""
    picture = draw()
    if not PICTURE.exists() or PICTURE.read_text() != picture:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(picture)
        print(f"{PICTURE.relative_to(Path.cwd())}: drawn again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
