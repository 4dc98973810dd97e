"""Rendering videos and samples. Decides what a video shows: its references, the prompt, the id, a clock and a bar."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from PIL import Image, ImageDraw, ImageOps

from airflow_provider_starvideos.emulator import codecs
from airflow_provider_starvideos.emulator.drawing import Size, background, font_for, placeholder, text_block
from airflow_provider_starvideos.emulator.libraries import NotMediaError
from airflow_provider_starvideos.emulator.order import FPS

Picture = tuple[str, bytes | None]  # URL, and bytes if they could be fetched

SIZES: dict[str, Size] = {"1:1": (480, 480), "9:16": (360, 640), "16:9": (640, 360)}
AREA = 360 * 640  # about how many pixels a video that follows a clip has
SAMPLE_SIZE = (512, 512)


@dataclass(frozen=True, slots=True)
class Job:
    """A video to render."""

    id: str  # the order's id
    mode: str  # which of the six modes
    prompt: str  # the prompt
    seconds: float  # how long, seconds
    size: Size  # width and height, pixels; even numbers
    pictures: list[Picture] = field(default_factory=list)  # reference pictures, and first and last frames
    clip: Picture | None = None  # the reference clip, if there is one


def size_of(ratio: str, clip: Size | None) -> Size:
    """Return a video's size: the clip's shape if there is one, else the ratio's."""
    if clip is None:
        return SIZES[ratio]
    scale = math.sqrt(AREA / (clip[0] * clip[1]))
    return max(2, round(clip[0] * scale / 2) * 2), max(2, round(clip[1] * scale / 2) * 2)


def render(job: Job) -> bytes:
    """Return an order's video as an MP4 file. Equal jobs give equal bytes."""
    return codecs.encode(_frames(job, round(job.seconds * FPS)), job.size)


def sample_picture(name: str) -> bytes:
    """Return a PNG, with its name on it and colours that follow from the name."""
    data = io.BytesIO()
    placeholder(name, SAMPLE_SIZE).save(data, "PNG")
    return data.getvalue()


def sample_clip(name: str, seconds: int, ratio: str) -> bytes:
    """Return an MP4 clip.

    :param name: what is written on it; its colours follow from it.
    :param seconds: how long, seconds.
    :param ratio: ``1:1``, ``9:16`` or ``16:9``.
    """
    return render(Job(name, "sample", name, seconds, SIZES[ratio]))


def _frames(job: Job, count: int) -> Iterator[Image.Image]:
    """Yield the pictures of a video. Only the clock and the bar move."""
    width, height = job.size
    still, font = _still(job), font_for("0", max(12, min(job.size) // 18))
    for number in range(count):
        image = still.copy()
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, height - 4, width * (number + 1) / count, height), fill="white")
        clock = f"{number / FPS:05.2f} / {job.seconds:.2f} s"
        draw.text((10, 8), clock, font=font, fill="white", stroke_width=2, stroke_fill="black")
        yield image


def _still(job: Job) -> Image.Image:
    width, height = job.size
    image = background(job.id, job.size) if job.clip is None else _fitted(job.clip, job.size, codecs.open_clip)
    prompt = text_block(job.prompt, width - 32, size=max(12, min(job.size) // 20), lines=max(2, height // 90))
    foot = text_block(f"{job.mode} {job.id}", width, size=max(9, width // 34), lines=2)
    top = max(0, height - foot.height - prompt.height - height // 20)
    for x, y, tile in _tiles(job, max(height // 3, top)):
        image.paste(tile, (x, y))
    image.paste(prompt, (16, top), prompt)
    image.paste(foot, (0, height - foot.height), foot)
    return image


def _tiles(job: Job, below: int) -> Iterator[tuple[int, int, Image.Image]]:
    """Yield the reference pictures with their positions: a grid above the prompt, as large as possible."""
    width, count = job.size[0], len(job.pictures)
    if not count:
        return
    columns = max(range(1, count + 1), key=lambda n: min(width / n, below / math.ceil(count / n)))
    rows = math.ceil(count / columns)
    side = max(2, int(min(width / columns, below / rows) * (0.5 if job.clip else 0.88)))
    for number, picture in enumerate(job.pictures):
        row, column = divmod(number, columns)
        x, y = (column + 0.5) * width / columns - side / 2, (row + 0.5) * below / rows - side / 2
        yield int(x), int(y), _fitted(picture, (side, side), codecs.open_picture)


def _fitted(picture: Picture, size: Size, read: codecs.Reader) -> Image.Image:
    """Return a picture cropped to a size, or a placeholder."""
    url, data = picture
    try:
        if data is not None:
            return ImageOps.fit(read(data), size)
    except NotMediaError:
        pass
    return placeholder(unquote(PurePosixPath(urlsplit(url).path).name) or url, size)
