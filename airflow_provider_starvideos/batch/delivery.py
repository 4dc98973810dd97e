"""What a batch delivers at its end: its XComs, its lines in the log, its manifest. Also where its task then fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from airflow.providers.common.compat.sdk import Context

from airflow_provider_starvideos.batch import manifest
from airflow_provider_starvideos.batch.assembly import manifest_stem
from airflow_provider_starvideos.batch.batch import Batch
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.orders.spending import SPENDING_KEY


@dataclass
class Delivery:
    """The end of the running task's batch."""

    operator: Any  # a ``StarVideosBatchOperator``, rendered
    context: Context
    batch: Batch  # with nothing left to do, or to be given up

    def finish(self) -> Any:
        """Return the manifest's URI with a destination, else the ids.

        :raises StarVideosError: too many rows have no video, or the manifest can't be written
        """
        batch = self.batch
        self._push()
        if not self.operator.destination:
            batch.check("Completed videos stay, and a retry doesn't order them again.")
            return batch.ids()
        try:
            uri = self._write_manifest()
        except StarVideosError as error:
            batch.check(f"Saved videos stay. The manifest isn't written: {error}")  # what is with the rows matters more
            raise
        batch.check(f"Saved videos stay; the manifest {uri} has every row.")
        return uri

    def give_up(self, error: StarVideosError) -> NoReturn:
        """Raise the error of a batch that can't go on; the manifest has how far its videos came."""
        self._push()
        if self.operator.destination:
            try:
                self._write_manifest()
            except StarVideosError as another:
                self.operator.log.warning("The manifest can't be written: %s", another)
        raise error

    def _push(self) -> None:
        batch, log, ti = self.batch, self.operator.log, self.context["ti"]
        counts, spending = batch.counts(), batch.spending()
        ti.xcom_push(key="counts", value=counts)
        ti.xcom_push(key=SPENDING_KEY, value=spending.to_json())
        if self.operator.library and not self.operator.destination:
            ti.xcom_push(key="uris", value=batch.uris())
        states = ", ".join(f"{number} {name}" for name, number in counts.items() if not name.startswith("amount"))
        log.info("StarVideos batch: %s.", states)
        log.info("%s", spending.text())
        batch.settle_library()

    def _write_manifest(self) -> str:
        operator, stem = self.operator, manifest_stem(self.context)
        uri = manifest.write(self.batch.results(), operator.destination, stem, operator.storage_conn_id)
        self.context["ti"].xcom_push(key="manifest", value=uri)
        return uri
