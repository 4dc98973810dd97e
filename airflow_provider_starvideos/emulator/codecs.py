"""Reading pictures and clips, writing MP4. Decides how PyAV and Pillow's codecs are used."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageOps

from airflow_provider_starvideos.emulator.libraries import NotMediaError
from airflow_provider_starvideos.emulator.order import FPS

Reader = Callable[[bytes], Image.Image]
# Quick to make and small: quality isn't needed.
_ENCODER = {"preset": "ultrafast", "crf": "28"}


def open_picture(data: bytes) -> Image.Image:
    """Decode a picture, upright and in RGB.

    :raises NotMediaError: it is no picture.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except Exception as exc:
        raise NotMediaError(f"not a picture ({type(exc).__name__})") from exc


def probe_clip(data: bytes) -> tuple[float, tuple[int, int]]:
    """Return a clip's seconds, and its width and height in pixels.

    :raises NotMediaError: it is no video.
    """
    try:
        with av.open(io.BytesIO(data), "r") as container:
            stream = container.streams.video[0]
            seconds = _seconds(stream, container)
            size = (stream.width, stream.height)
    except Exception as exc:
        raise NotMediaError(f"not a video ({type(exc).__name__})") from exc
    if seconds <= 0 or min(size) <= 0:
        raise NotMediaError("not a video (it has no frames)")
    return seconds, size


def _seconds(stream: av.VideoStream, container: av.container.InputContainer) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


def open_clip(data: bytes) -> Image.Image:
    """Decode a clip's first picture.

    :raises NotMediaError: there is none.
    """
    # PyAV leaves this one method without types.
    to_image: Callable[[av.VideoFrame], Image.Image] = av.VideoFrame.to_image
    try:
        with av.open(io.BytesIO(data), "r") as container:
            return to_image(next(container.decode(video=0)))
    except (av.FFmpegError, StopIteration, IndexError) as exc:
        raise NotMediaError(f"not a video ({type(exc).__name__})") from exc


def encode(pictures: Iterable[Image.Image], size: tuple[int, int]) -> bytes:
    """Return an MP4 file: H.264, yuv420p, 24 frames per second, its index first. Equal pictures give equal bytes.

    :param pictures: the frames.
    :param size: their width and height, pixels; even numbers.
    """
    # As above.
    from_image: Callable[[Image.Image], av.VideoFrame] = av.VideoFrame.from_image
    with tempfile.TemporaryDirectory(prefix="starvideos-render-") as folder:
        path = Path(folder) / "video.mp4"
        # Moving the index to the front takes a second pass over the file, which FFmpeg does for paths only.
        with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=FPS, options=_ENCODER)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            # The number of threads shows in the bytes; one gives the same everywhere.
            stream.codec_context.thread_count = 1
            for number, picture in enumerate(pictures):
                frame = from_image(picture)
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path.read_bytes()
