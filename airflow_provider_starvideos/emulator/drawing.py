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

_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
# Beginnings of file names, best first, of fonts that hold Chinese, Japanese and Korean; and of wide ones for the rest.
_EAST_ASIAN = (
    "notosanscjk",
    "notosanssc",
    "sourcehansans",
    "wqy",
    "droidsansfallback",
    "pingfang",
    "hiragino",
    "msyh",
    "arial unicode",
    "unifont",
)
_WIDE = ("dejavusans.", "notosans-regular", "liberationsans-regular", "arial unicode", "arial", "segoeui", *_EAST_ASIAN)


@lru_cache(maxsize=1)
def _font_files() -> dict[str, str]:
    """Return the system's fonts: file name in lower case to path."""
    suffixes = {".ttf", ".ttc", ".otf"}
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        try:
            paths = sorted(Path(folder).expanduser().rglob("*"))
        except (OSError, RuntimeError):
            continue
        found.update((path.name.lower(), str(path)) for path in paths if path.suffix.lower() in suffixes)
    return found


@lru_cache(maxsize=32)
def _system_font(beginnings: tuple[str, ...], size: int) -> Font | None:
    for beginning in beginnings:
        for name, path in _font_files().items():
            if name.startswith(beginning):
                try:
                    return ImageFont.truetype(path, size)
                except OSError:
                    continue
    return None


@lru_cache(maxsize=8)
def _default_font(size: int) -> Font:
    # Without FreeType this would be a bitmap font, but Pillow's wheels all have it.
    return cast(Font, ImageFont.load_default(size))


def font_for(text: str, size: int) -> Font:
    """Return a font that can probably draw a text: Pillow's own for Latin, else one of the system's if there is one.

    :param text: what to draw.
    :param size: pixels.
    """
    if all(ord(character) < 0x250 for character in text):
        return _default_font(size)
    east_asian = any(unicodedata.east_asian_width(character) in "WF" for character in text)
    found = _system_font(_EAST_ASIAN, size) if east_asian else None
    return found or _system_font(_WIDE, size) or _default_font(size)


def drawable(text: str) -> str:
    """Return a text without what no font can draw: control characters, lone surrogates."""
    kept = (" " if character.isspace() else character for character in text)
    return "".join(character for character in kept if unicodedata.category(character) not in ("Cc", "Cs", "Cf"))


def wrap(text: str, size: int, width: int, lines: int) -> list[list[tuple[float, str, Font]]]:
    """Break a text into lines: between words, and inside those that are too long or have no spaces.

    :param text: what to break.
    :param size: height of the letters, pixels.
    :param width: widest line, pixels.
    :param lines: most lines; the rest becomes an ellipsis.
    :returns: for each line its pieces: how far right, what, and the font, which each word has of its own.
    """
    space = _default_font(size).getlength(" ")
    broken: list[list[tuple[float, str, Font]]] = [[]]
    x = 0.0
    for word in drawable(text).split():
        font = font_for(word, size)
        rest = word
        while rest and len(broken) <= lines:
            fitting = rest if x + font.getlength(rest) <= width else ""
            if not fitting and x == 0:
                # No line is wide enough for this word: fill one with as much of it as goes, at least a letter.
                fitting = rest[:1]
                while len(fitting) < len(rest) and font.getlength(rest[: len(fitting) + 1]) <= width:
                    fitting = rest[: len(fitting) + 1]
            if fitting:
                broken[-1].append((x, fitting, font))
                x += font.getlength(fitting) + space
                rest = rest[len(fitting) :]
            if rest:
                broken.append([])
                x = 0.0
    if len(broken) > lines:
        x, last, font = broken[lines - 1][-1]
        broken[lines - 1][-1] = (x, last[:-2] + "...", font)
    return broken[:lines]


def text_block(text: str, width: int, *, size: int, lines: int = 8) -> Image.Image:
    """Return a text as a picture with a dark, see-through ground.

    :param text: what to write.
    :param width: the picture's width, pixels.
    :param size: height of the letters, pixels.
    :param lines: most lines.
    """
    margin, leading = size // 2, round(size * 1.35)
    broken = wrap(text, size, width - 2 * margin, lines)
    block = Image.new("RGBA", (width, leading * len(broken) + 2 * margin), (0, 0, 0, 150))
    draw = ImageDraw.Draw(block)
    for number, line in enumerate(broken):
        # Fonts differ in where their letters sit; the common line is the one they stand on.
        baseline = margin + number * leading + size
        for x, piece, font in line:
            draw.text((margin + x, baseline), piece, font=font, fill=(255, 255, 255, 255), anchor="ls")
    return block


def palette(seed: str) -> tuple[Colour, Colour, Colour]:
    """Return two colours for a backdrop and one to stand out, always the same for a seed."""
    digest = hashlib.sha256(seed.encode("utf-8", "replace")).digest()
    hue = digest[0] / 255
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
    """Return what stands for a picture that is not there: a frame with its name."""
    low, high, accent = palette(label)
    image = gradient(size, low, high)
    draw = ImageDraw.Draw(image)
    draw.rectangle((4, 4, size[0] - 5, size[1] - 5), outline=accent, width=2)
    draw.line((4, 4, size[0] - 5, size[1] - 5), fill=accent)
    block = text_block(label, size[0] - 16, size=max(10, size[0] // 14), lines=3)
    image.paste(block, (8, (size[1] - block.height) // 2), block)
    return image
