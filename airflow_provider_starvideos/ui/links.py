"""The links of tasks that order, wait for, or save a video: "Video" and "Saved file".

The plugin registers them, and Airflow then asks for a link when somebody looks at a task, in the api-server. So they
are there for mapped tasks and for tasks that ended in the triggerer, too, where nothing pushes a link; and none is
stored. They lead to the plugin's route, which asks who is asking; no link holds a key, a signature, or a URL of the API
(but on Airflow 3.0, which shows no plugins: there "Video" is the XCom ``video_url``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, BaseOperatorLink
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

PACKAGE = "airflow_provider_starvideos"
OPERATORS = {
    "StarVideosCreateOperator": "operators.create",
    "StarVideosCreateDecoratedOperator": "decorators.create",
    "StarVideosDownloadOperator": "operators.download",
    "StarVideosTaskSensor": "sensors.task",
}


class StarVideosLink(BaseOperatorLink):
    """What both links have in common."""

    source = ""

    @property
    def operators(self) -> list[Any]:  # type: ignore[override]
        """The operators whose tasks have the link."""
        return [getattr(import_module(f"{PACKAGE}.{module}"), name) for name, module in OPERATORS.items()]

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the link of a task instance; empty where there is nothing to see yet.

        :param operator: the task, as the api-server has it
        :param ti_key: the task instance
        """
        if isinstance(operator, BaseOperator):  # on a worker, by a class of the user's own: there is no database here
            from airflow_provider_starvideos.ui.paths import play_path

            return play_path(self.source, ti_key) if AIRFLOW_V_3_1_PLUS else ""
        from airflow_provider_starvideos.ui.linking import link_to

        return link_to(self.source, ti_key)


class StarVideosVideoLink(StarVideosLink):
    """To the video, at its temporary URL while that lives, else to the saved file."""

    name = "Video"
    source = "temporary"


class StarVideosSavedFileLink(StarVideosLink):
    """To the file that the run has saved."""

    name = "Saved file"
    source = "saved"


LINKS = (StarVideosVideoLink(), StarVideosSavedFileLink())
