"""Sample inputs, so that all six modes can be tried without any file of one's own."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw

from airflow_provider_starvideos.emulator import media
from airflow_provider_starvideos.emulator.drawing import gradient, palette, text_block
from airflow_provider_starvideos.emulator.order import FPS
from airflow_provider_starvideos.emulator.render import SIZES

_SIDE = 512


def picture(name: str) -> bytes:
    """Return a PNG, with colours that follow from its name.

    :param name: what is written on it.
    """
    low, high, accent = palette(name)
    image = gradient((_SIDE, _SIDE), low, high)
    draw = ImageDraw.Draw(image)
    draw.ellipse((106, 66, 406, 366), fill=accent)
    block = text_block(name, _SIDE - 40, size=36, lines=2)
    image.paste(block, (20, 216 - block.height // 2), block)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def clip(name: str, seconds: int, ratio: str) -> bytes:
    """Return an MP4 clip in which something moves.

    :param name: what is written on it; its colours follow from it.
    :param seconds: how long, seconds.
    :param ratio: ``1:1``, ``9:16`` or ``16:9``.
    """
    size = SIZES[ratio]
    low, high, accent = palette(name)
    ground = gradient(size, low, high)
    label = text_block(f"{name} {seconds}s", size[0] // 2, size=18, lines=2)
    radius = min(size) // 9

    def frame(number: int) -> Image.Image:
        image = ground.copy()
        turn = number / FPS * 2
        x, y = size[0] * (0.5 + 0.35 * math.cos(turn)), size[1] * (0.5 + 0.35 * math.sin(turn))
        ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=accent)
        image.paste(label, (size[0] // 4, size[1] // 2 - label.height // 2), label)
        return image

    return media.encode((frame(number) for number in range(seconds * FPS)), size)
