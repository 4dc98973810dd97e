"""Text and backdrops. Whatever draws text, in any script, without failing, lives here."""

from __future__ import annotations

import colorsys
import hashlib
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import cast

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont
Colour = tuple[int, int, int]

FONT_FOLDERS = (
    "/usr/share/fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
# Beginnings of file names, best first. Pillow's own font has Latin only.
FONTS = ("notosanscjk", "notosanssc", "sourcehansans", "wqy", "droidsansfallback", "pingfang", "msyh", "arial unicode")


@lru_cache(maxsize=1)
def _wide_font() -> str | None:
    """Return the system's font that draws the most scripts, or None."""
    found: dict[str, str] = {}
    for folder in FONT_FOLDERS:
        try:
            paths = sorted(Path(folder).expanduser().rglob("*.[to]t[fc]"))
        except (OSError, RuntimeError):
            continue
        found |= {path.name.lower(): str(path) for path in paths}
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
    """Return a text as a picture with a dark, see-through ground.

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


def palette(seed: str) -> tuple[Colour, Colour, Colour]:
    """Return two colours for a backdrop and one to stand out, always the same for a seed."""
    hue = hashlib.sha256(seed.encode("utf-8", "replace")).digest()[0] / 255
    return _colour(hue, 0.55, 0.30), _colour(hue + 0.12, 0.65, 0.62), _colour(hue + 0.5, 0.75, 0.95)


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    """Return a picture that fades from one colour to another."""
    strip = Image.new("RGB", (1, 2))
    strip.putpixel((0, 0), top)
    strip.putpixel((0, 1), bottom)
    return strip.resize(size, Image.Resampling.BILINEAR)


def placeholder(label: str, size: tuple[int, int]) -> Image.Image:
    """Return what stands for a picture that isn't there: its name."""
    low, high, _ = palette(label)
    image = gradient(size, low, high)
    block = text_block(label, size[0], size=max(10, size[0] // 14), lines=3)
    image.paste(block, (0, (size[1] - block.height) // 2), block)
    return image
