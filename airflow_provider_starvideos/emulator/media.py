"""Reading pictures and clips, writing MP4: all that touches PyAV and Pillow's codecs."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageOps

from airflow_provider_starvideos.emulator.libraries import NotMediaError
from airflow_provider_starvideos.emulator.order import FPS

# Quick to make and small, for nobody looks at these for their beauty.
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
    if container.duration is not None:
        return container.duration / av.time_base
    rate = stream.average_rate or Fraction(FPS)
    return float(sum(1 for _ in container.decode(stream)) / rate)


def clip_frames(data: bytes, size: tuple[int, int]) -> Iterator[Image.Image]:
    """Yield a clip's pictures at 24 a second, scaled. They end with the clip, or where it breaks.

    :param data: the clip's file.
    :param size: width and height, pixels.
    """
    # PyAV leaves this one method without types.
    to_image: Callable[[av.VideoFrame], Image.Image] = av.VideoFrame.to_image
    with av.open(io.BytesIO(data), "r") as container:
        shown = 0
        try:
            for frame in container.decode(video=0):
                picture = None
                # A clip with fewer frames a second shows each several times, one with more skips some.
                while frame.time is None or shown / FPS <= frame.time + 1e-6:
                    picture = picture or to_image(frame.reformat(*size, format="rgb24"))
                    yield picture
                    shown += 1
                    if frame.time is None:
                        break
        except av.FFmpegError:
            return


def encode(pictures: Iterable[Image.Image], size: tuple[int, int]) -> bytes:
    """Return an MP4 file: H.264, yuv420p, 24 frames a second, its index first. Equal pictures give equal bytes.

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
