"""Text and backgrounds. Decides how any text, in any script, is drawn without failing."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import cast

from PIL import Image, ImageColor, ImageDraw, ImageFont, ImageOps

Font = ImageFont.FreeTypeFont
Size = tuple[int, int]  # width and height, pixels

FONT_FOLDERS = (
    "/usr/share/fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
# Beginnings of file names, best first. Pillow's own font has Latin letters only.
FONTS = ("notosanscjk", "notosanssc", "sourcehansans", "wqy", "droidsansfallback", "pingfang", "msyh", "arial unicode")


@lru_cache(maxsize=1)
def _wide_font() -> str | None:
    """Return the system's font that draws the most scripts, or None."""
    folders = [Path(os.path.expanduser(folder)) for folder in FONT_FOLDERS]  # noqa: PTH111  Path's raises without a home
    found = {path.name.lower(): str(path) for folder in folders for path in sorted(folder.rglob("*.[to]t[fc]"))}
    return next((found[name] for start in FONTS for name in found if name.startswith(start)), None)


@lru_cache(maxsize=32)
def font_for(text: str, size: int) -> Font:
    """Return a font that can probably draw a text.

    :param text: what to draw.
    :param size: pixels.
    """
    if not all(ord(character) < 0x250 for character in text) and (path := _wide_font()):
        return ImageFont.truetype(path, size)
    return cast(Font, ImageFont.load_default(size))  # without FreeType a bitmap font, but Pillow's wheels have it


def _lines(text: str, font: Font, width: int, most: int) -> list[str]:
    """Break a text into lines that fit, at spaces where there are some; the rest becomes an ellipsis."""
    drawable = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    rest = drawable.strip()
    lines: list[str] = []
    while rest and len(lines) < most:
        fits = next((n for n in range(1, len(rest)) if font.getlength(rest[: n + 1]) > width), len(rest))
        space = rest.rfind(" ", 1, fits + 1) if fits < len(rest) else -1
        cut = space if space > 0 else fits
        lines.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    if rest:
        lines[-1] = lines[-1][:-2] + "..."
    return lines


def text_block(text: str, width: int, *, size: int, lines: int = 8) -> Image.Image:
    """Return a text as a picture with a dark, transparent background.

    :param text: what to write.
    :param width: the picture's width, pixels.
    :param size: height of the letters, pixels.
    :param lines: most lines.
    """
    margin, leading, font = size // 2, round(size * 1.35), font_for(text, size)
    broken = _lines(text, font, width - 2 * margin, lines)
    block = Image.new("RGBA", (width, leading * len(broken) + 2 * margin), (0, 0, 0, 150))
    draw = ImageDraw.Draw(block)
    for number, line in enumerate(broken):
        draw.text((margin, margin + number * leading + size), line, font=font, fill="white", anchor="ls")
    return block


def background(seed: str, size: Size) -> Image.Image:
    """Return a picture that fades from one colour to another. The same seed always gives the same colours."""
    hue = round(hashlib.sha256(seed.encode("utf-8", "replace")).digest()[0] / 256 * 360)
    low, high = (
        ImageColor.getrgb(f"hsv({(hue + turn) % 360}, 60%, {value}%)")[:3] for turn, value in ((0, 30), (43, 62))
    )
    return ImageOps.colorize(Image.linear_gradient("L"), low, high).resize(size)


def placeholder(label: str, size: Size) -> Image.Image:
    """Return what replaces a picture that can't be read: its name."""
    image = background(label, size)
    block = text_block(label, size[0], size=max(10, size[0] // 14), lines=3)
    image.paste(block, (0, (size[1] - block.height) // 2), block)
    return image
