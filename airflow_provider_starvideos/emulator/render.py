"""Rendering an order's video: a backdrop for each mode, and on it the prompt, the id and a clock."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from PIL import Image, ImageDraw, ImageOps

from airflow_provider_starvideos.emulator import media
from airflow_provider_starvideos.emulator.drawing import (
    font_for,
    gradient,
    palette,
    placeholder,
    text_block,
)
from airflow_provider_starvideos.emulator.libraries import NotMediaError
from airflow_provider_starvideos.emulator.order import FPS

Size = tuple[int, int]
Picture = tuple[str, bytes | None]

SIZES: dict[str, Size] = {"1:1": (480, 480), "9:16": (360, 640), "16:9": (640, 360)}
AREA = 360 * 640
"""About how many pixels a video that follows a clip has."""


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
    count = round(job.seconds * FPS)
    backdrop = BACKDROPS[job.mode](job, count)
    return media.encode(_labelled(job, itertools.islice(backdrop, count), count), job.size)


# Backdrops: each yields at least as many pictures as asked for, all of the job's size.


def _text(job: Job, count: int) -> Iterator[Image.Image]:
    """Discs that wander over a gradient."""
    low, high, accent = palette(job.id)
    ground = gradient(job.size, low, high)
    width, height = job.size
    for number in range(count):
        image = ground.copy()
        draw = ImageDraw.Draw(image)
        turn = number / FPS
        for disc in range(3):
            x = width * (0.5 + 0.38 * math.sin(turn * (0.9 + disc * 0.35) + disc * 2))
            y = height * (0.5 + 0.38 * math.cos(turn * (0.7 + disc * 0.25) + disc))
            radius = width * (0.07 + disc * 0.035)
            draw.ellipse(
                (x - radius, y - radius, x + radius, y + radius), fill=accent if disc == 0 else None, outline=accent
            )
        yield image


def _pictures(job: Job, count: int) -> Iterator[Image.Image]:
    """The reference pictures in a grid that sways."""
    low, high, _ = palette(job.id)
    ground = gradient(job.size, low, high)
    tiles = _grid(job, job.size, 0.88)
    for number in range(count):
        yield _with_tiles(ground.copy(), tiles, number)


def _frames(job: Job, count: int) -> Iterator[Image.Image]:
    """The first picture, fading into the last."""
    first, last = (_fitted(picture, job.size) for picture in job.frames)
    for number in range(count):
        yield Image.blend(first, last, number / max(1, count - 1))


def _clip(job: Job, count: int) -> Iterator[Image.Image]:
    """The clip's own pictures; its last one stays if it has too few."""
    shown = None
    if job.clip is not None:
        for shown in media.clip_frames(job.clip, job.size):
            yield shown.copy()
    if shown is None:
        shown = placeholder(_name(job.clip_name or "clip"), job.size)
    while True:
        yield shown.copy()


def _clip_and_pictures(job: Job, count: int) -> Iterator[Image.Image]:
    """The clip, and on it the reference pictures, small and swaying."""
    tiles = _grid(job, job.size, 0.5)
    for number, image in enumerate(_clip(job, count)):
        yield _with_tiles(image, tiles, number)


BACKDROPS: dict[str, Callable[[Job, int], Iterator[Image.Image]]] = {
    "text": _text,
    "image_reference": _pictures,
    "first_last_frame": _frames,
    "video_reference": _clip,
    "image_video": _clip_and_pictures,
    "multi_image_video": _clip_and_pictures,
}


def _grid(job: Job, size: Size, share: float) -> list[tuple[int, int, Image.Image]]:
    """Return the reference pictures with their places: a grid over what the prompt leaves free, as large as it goes.

    :param job: whose pictures.
    :param size: the video's width and height, pixels.
    :param share: how much of its cell a picture fills, 0 to 1.
    """
    top = size[1] // 14
    width, height = size[0], max(size[1] // 3, _prompt_top(job) - top)
    count = len(job.pictures)
    columns = max(range(1, count + 1), key=lambda n: min(width / n, height / math.ceil(count / n)))
    rows = math.ceil(count / columns)
    side = max(2, int(min(width / columns, height / rows) * share))
    tiles = []
    for number, picture in enumerate(job.pictures):
        row, column = divmod(number, columns)
        in_row = min(columns, count - row * columns)
        x = int((column + 0.5) * width / in_row - side / 2)
        y = int(top + (row + 0.5) * height / rows - side / 2)
        tiles.append((x, y, _fitted(picture, (side, side))))
    return tiles


def _with_tiles(image: Image.Image, tiles: list[tuple[int, int, Image.Image]], number: int) -> Image.Image:
    for index, (x, y, tile) in enumerate(tiles):
        sway = 6 * math.sin(number / FPS * 2 + index)
        image.paste(tile, (x + round(sway), y + round(sway / 2)))
    return image


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


def _prompt(job: Job) -> Image.Image:
    width, height = job.size
    return text_block(job.prompt, width - 32, size=max(12, min(width, height) // 20), lines=max(2, height // 90))


def _foot(job: Job) -> Image.Image:
    return text_block(f"{job.mode} {job.id}", job.size[0], size=max(9, job.size[0] // 34), lines=2)


def _prompt_top(job: Job) -> int:
    """Return how far down the prompt starts, at its highest."""
    return max(0, round(job.size[1] * 0.94) - _foot(job).height - _prompt(job).height)


def _labelled(job: Job, backdrop: Iterator[Image.Image], count: int) -> Iterator[Image.Image]:
    """Write prompt, id, mode and a clock on every picture."""
    width, height = job.size
    prompt, foot, top = _prompt(job), _foot(job), _prompt_top(job)
    accent = palette(job.id)[2]
    clock_font = font_for("0", max(12, min(width, height) // 18))
    for number, image in enumerate(backdrop):
        sway = round(height * 0.02 * (1 + math.sin(number / FPS * 1.5)))
        image.paste(prompt, (16, top + sway), prompt)
        image.paste(foot, (0, height - foot.height), foot)
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, height - 4, width * (number + 1) / count, height), fill=accent)
        clock = f"{number / FPS:05.2f} / {job.seconds:.2f} s"
        draw.text((10, 8), clock, font=clock_font, fill="white", stroke_width=2, stroke_fill="black")
        yield image
