"""All six ways of making a video. The inputs make the mode; no argument names it.

The sample inputs come from the local StarVideos server (``starvideos-emulator``). For the vendor's own server, put the
address of a public folder with files of these names into the environment variable ``STARVIDEOS_EXAMPLE_INPUTS``.
"""

import os

from airflow.sdk import dag

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator

INPUTS = os.environ.get("STARVIDEOS_EXAMPLE_INPUTS", "http://127.0.0.1:8642/samples")
PRODUCT = [f"{INPUTS}/product-{side}.png" for side in ("front", "side", "back")]
CLIP = f"{INPUTS}/clip-4s.mp4"

# [modes: begin]
MODES = {
    "text": {"prompt": "A red kite over the sea, slow pan, golden hour", "duration": 3, "ratio": "16:9"},
    "images": {"prompt": "The product turns on a stone table", "reference_images": PRODUCT, "duration": 5},
    "frames": {
        "prompt": "The street from morning to night",
        "first_image": f"{INPUTS}/morning.png",
        "last_image": f"{INPUTS}/night.png",
        "ratio": "1:1",
    },
    "video": {"prompt": "The same movement, drawn in ink", "reference_videos": [CLIP]},
    "image_and_video": {
        "prompt": "The product follows the clip's camera",
        "reference_images": PRODUCT[:1],
        "reference_videos": [CLIP],
    },
    "images_and_video": {
        "prompt": "All sides of the product, cut as in the clip",
        "reference_images": PRODUCT,
        "reference_videos": [CLIP],
    },
}


@dag(dag_id="starvideos_six_modes", tags=["starvideos"])
def six_modes():
    for name, request in MODES.items():
        StarVideosCreateOperator(task_id=name, wait_for_completion=True, **request)


# [modes: end]


six_modes()
