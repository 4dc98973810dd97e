"""Rendering an order's video: what its mode is made of, and on it the prompt, the id and a clock."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from PIL import Image, ImageDraw, ImageOps

from airflow_provider_starvideos.emulator import media
from airflow_provider_starvideos.emulator.drawing import font_for, gradient, palette, placeholder, text_block
from airflow_provider_starvideos.emulator.libraries import NotMediaError
from airflow_provider_starvideos.emulator.order import FPS

Size = tuple[int, int]
Picture = tuple[str, bytes | None]

SIZES: dict[str, Size] = {"1:1": (480, 480), "9:16": (360, 640), "16:9": (640, 360)}
AREA = 360 * 640  # about how many pixels a video that follows a clip has


@dataclass(frozen=True, slots=True)
class Job:
    """A video to render.

    :param id: the order's id.
    :param mode: which of the six modes.
    :param prompt: the prompt.
    :param seconds: how long, seconds.
    :param size: width and height, pixels; even numbers.
    :param pictures: reference pictures: URL, and bytes if they could be fetched.
    :param frames: first and last frame, or empty.
    :param clip: the reference clip's bytes, if they could be fetched.
    :param clip_name: the reference clip's URL, if there is one.
    """

    id: str
    mode: str
    prompt: str
    seconds: float
    size: Size
    pictures: list[Picture]
    frames: list[Picture]
    clip: bytes | None
    clip_name: str | None


def size_of(ratio: str, clip: Size | None) -> Size:
    """Return a video's size: the clip's shape if there is one, else the ratio's."""
    if clip is None:
        return SIZES[ratio]
    scale = math.sqrt(AREA / (clip[0] * clip[1]))
    return max(2, round(clip[0] * scale / 2) * 2), max(2, round(clip[1] * scale / 2) * 2)


def render(job: Job) -> bytes:
    """Return an order's video as an MP4 file. Equal jobs give equal bytes."""
    return media.encode(_pictures(job, round(job.seconds * FPS)), job.size)


def _pictures(job: Job, count: int) -> Iterator[Image.Image]:
    width, height = job.size
    accent = palette(job.id)[2]
    prompt = text_block(job.prompt, width - 32, size=max(12, min(job.size) // 20), lines=max(2, height // 90))
    foot = text_block(f"{job.mode} {job.id}", width, size=max(9, width // 34), lines=2)
    top = max(0, height - foot.height - prompt.height - height // 20)
    tiles = _tiles(job, max(height // 3, top))
    font = font_for("0", max(12, min(job.size) // 18))
    for number, backdrop in enumerate(itertools.islice(_backdrop(job, count), count)):
        image = backdrop.copy()
        for x, y, tile in tiles:
            image.paste(tile, (x, y))
        image.paste(prompt, (16, top), prompt)
        image.paste(foot, (0, height - foot.height), foot)
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, height - 4, width * (number + 1) / count, height), fill=accent)
        clock = f"{number / FPS:05.2f} / {job.seconds:.2f} s"
        draw.text((10, 8), clock, font=font, fill="white", stroke_width=2, stroke_fill="black")
        yield image


def _backdrop(job: Job, count: int) -> Iterator[Image.Image]:
    """Yield pictures without end: the clip and then its last picture, the fade of two frames, or a disc that moves."""
    if job.clip_name is not None:
        shown = placeholder(_name(job.clip_name), job.size)
        for shown in media.clip_frames(job.clip, job.size) if job.clip is not None else ():
            yield shown
        yield from itertools.repeat(shown)
    elif job.frames:
        first, last = (_fitted(picture, job.size) for picture in job.frames)
        yield from (Image.blend(first, last, min(1.0, n / max(1, count - 1))) for n in itertools.count())
    low, high, accent = palette(job.id)
    ground, (width, height) = gradient(job.size, low, high), job.size
    for number in itertools.count():
        image, turn, radius = ground.copy(), number / FPS, width * 0.1
        x, y = width * (0.5 + 0.38 * math.sin(turn)), height * (0.5 + 0.38 * math.cos(turn * 0.7))
        ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=accent)
        yield image


def _tiles(job: Job, below: int) -> list[tuple[int, int, Image.Image]]:
    """Return the reference pictures with their places: a grid over what the prompt leaves free, as large as it goes."""
    width, count = job.size[0], len(job.pictures)
    if not count:
        return []
    columns = max(range(1, count + 1), key=lambda n: min(width / n, below / math.ceil(count / n)))
    rows = math.ceil(count / columns)
    cell, share = min(width / columns, below / rows), 0.5 if job.clip_name else 0.88
    side = max(2, int(cell * share))
    tiles = []
    for number, picture in enumerate(job.pictures):
        row, column = divmod(number, columns)
        x, y = (column + 0.5) * width / columns - side / 2, (row + 0.5) * below / rows - side / 2
        tiles.append((int(x), int(y), _fitted(picture, (side, side))))
    return tiles


def _fitted(picture: Picture, size: Size) -> Image.Image:
    """Return a picture cropped to a size, or what stands for it."""
    url, data = picture
    if data is not None:
        try:
            return ImageOps.fit(media.open_picture(data), size)
        except NotMediaError:
            pass
    return placeholder(_name(url), size)


def _name(url: str) -> str:
    """Return a URL's file name."""
    return unquote(PurePosixPath(urlsplit(url).path).name) or url
