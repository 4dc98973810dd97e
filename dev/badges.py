"""The badges of the README, as pictures of this repository: drawn from pyproject.toml and the tested versions."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

from dev.matrix import ROWS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images"
LETTER_WIDTH, MARGIN, HEIGHT = 6.6, 7, 20
GREY, BLUE, AMBER = "#57606a", "#0969da", "#9a6700"


def badge(name: str, value: str, colour: str) -> str:
    """Return a badge as SVG.

    :param name: its left half
    :param value: its right half
    :param colour: of the right half
    """
    left, right = (round(len(text) * LETTER_WIDTH + 2 * MARGIN) for text in (name, value))
    width, title = left + right, escape(f"{name}: {value}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>"
        f'<rect width="{width}" height="{HEIGHT}" rx="3" fill="{colour}"/>'
        f'<path d="M3 0h{left - 3}v{HEIGHT}H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="{GREY}"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="14">{escape(name)}</text>'
        f'<text x="{left + right / 2:g}" y="14">{escape(value)}</text></g></svg>\n'
    )


def all_badges() -> dict[str, str]:
    """Return each badge by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    airflows = sorted({row.airflow for row in ROWS} - {"lowest"})
    pythons = sorted({row.python for row in ROWS})
    return {
        "airflow": badge("Airflow", f"{airflows[0]} – {airflows[-1]}", BLUE),
        "python": badge("Python", f"{pythons[0]} – {pythons[-1]}", BLUE),
        "licence": badge("licence", project["license"], BLUE),
        "status": badge("status", "not released, not tried with a key", AMBER),
    }
