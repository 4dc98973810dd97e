"""The command ``python -m airflow_provider_starvideos.check``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_starvideos.api.polling import DEFAULT_POLL_INTERVAL, DEFAULT_TIMEOUT
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.check.assumptions import Outcome
from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.check.free import FREE
from airflow_provider_starvideos.check.one_video import order_one
from airflow_provider_starvideos.check.paid import PAID
from airflow_provider_starvideos.check.probes import UNKNOWN, probe
from airflow_provider_starvideos.check.summary import EXIT_COULD_NOT_RUN, Report
from airflow_provider_starvideos.clients.sync import SyncClient
from airflow_provider_starvideos.exceptions import StarVideosConfigurationError, StarVideosError
from airflow_provider_starvideos.hooks.connection import endpoint_of

URL_VARIABLE, KEY_VARIABLE = "STARVIDEOS_API_URL", "STARVIDEOS_API_KEY"
# Unless all of these hold, an ordered video might be paid for and never found.
NEEDED_TO_ORDER = ("id-unknown", "path-apart")
EPILOG = f"""\
Without --conn-id the key is read from {KEY_VARIABLE}, and the base URL from {URL_VARIABLE} (default: the vendor's).
exit status: 0 no assumption is known not to hold, 1 one doesn't hold, 2 the check couldn't run, 130 interrupted"""


@dataclass
class _Given:
    """A connection from the environment, not from Airflow."""

    host: str | None
    password: str | None
    conn_id: str = f"of {URL_VARIABLE} and {KEY_VARIABLE}"
    schema: str | None = None
    port: int | None = None
    extra: str | None = None


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_starvideos.check",
        description="Check whether the real StarVideos server behaves as this provider assumes. Spends nothing, "
        "unless --order-one-video is given.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--conn-id", metavar="ID", help="Airflow connection to take URL and key from")
    add("--json", type=Path, metavar="FILE", help="write the report there as JSON, fit for a bug report: no secrets")
    add("--no-order-probe", action="store_true", help="don't send the two invalid orders that must be refused")
    add("--order-one-video", action="store_true", help="order one video of 3 seconds: COSTS MONEY")
    add("--poll-interval", type=_seconds, default=DEFAULT_POLL_INTERVAL, metavar="SECONDS", help="default: %(default)g")
    add("--timeout", type=_seconds, default=DEFAULT_TIMEOUT, metavar="SECONDS", help="for that video (%(default)g)")
    return parser


def _seconds(text: str) -> float:
    """Read a time. It is checked now, because an error later would come after the order."""
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0 (got {text})")
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Check a server."""
    arguments = build_parser().parse_args(argv)
    try:
        endpoint = _endpoint(arguments.conn_id)
    except StarVideosError as error:
        _say(str(error))
        return EXIT_COULD_NOT_RUN
    if arguments.json and not arguments.json.parent.is_dir():
        _say(f"There is no folder {arguments.json.parent} for the report.")
        return EXIT_COULD_NOT_RUN
    evidence = Evidence(endpoint)
    try:
        _gather(evidence, arguments)
    except KeyboardInterrupt:
        evidence.interrupted = True
    except Exception:  # noqa: BLE001  a video may be ordered, so the report is always written
        evidence.crashed = evidence.redact(traceback.format_exc(), 4000)
    if UNKNOWN not in evidence.exchanges or evidence.exchanges[UNKNOWN].response is None:
        why = evidence.seen(evidence.exchanges[UNKNOWN]) if UNKNOWN in evidence.exchanges else "It was ended."
        _say(f"The check couldn't run. {why}")
        return EXIT_COULD_NOT_RUN
    table = (*FREE, *PAID) if arguments.order_one_video else FREE
    report = Report(evidence, [(assumption, assumption.judge(evidence)) for assumption in table])
    unwritten = _write(report, arguments.json) if arguments.json else None
    _say(report.as_text(), to=sys.stdout)
    if unwritten:
        _say(unwritten)
        return EXIT_COULD_NOT_RUN
    return report.exit_code


def _write(report: Report, path: Path) -> str | None:
    """Write the JSON report; return why it can't be."""
    try:
        path.write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        return f"The report can't be written to {path}: {error.strerror or error}"
    return None


def _gather(evidence: Evidence, arguments: argparse.Namespace) -> None:
    """Send all requests."""
    with SyncClient() as client:
        probe(evidence, client, with_orders=not arguments.no_order_probe, say=_say)
        if arguments.order_one_video and _may_order(evidence):
            order_one(evidence, client, poll_interval=arguments.poll_interval, timeout=arguments.timeout, say=_say)


def _endpoint(conn_id: str | None) -> Endpoint:
    if conn_id is None:
        url, key = os.environ.get(URL_VARIABLE), os.environ.get(KEY_VARIABLE)
        if not (key or "").strip():
            raise StarVideosConfigurationError(
                f"No API key. Set it with: export {KEY_VARIABLE}=YOUR-KEY\n"
                "Or name an Airflow connection: --conn-id starvideos_default"
            )
        return endpoint_of(_Given(url, key), {})
    # As "airflow connections get" does: without it, a connection in Airflow's database isn't found outside of tasks.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

    return StarVideosHook(conn_id).get_conn()


def _may_order(evidence: Evidence) -> bool:
    """Return whether everything that an order needs was seen to hold."""
    wrong = [
        assumption.name
        for assumption in FREE
        if assumption.name in NEEDED_TO_ORDER and assumption.judge(evidence).outcome is not Outcome.HELD
    ]
    if not evidence.may_order:
        wrong.append("order-refused")
    if wrong:
        _say(f"No video is ordered, because of: {', '.join(wrong)}.")
    return not wrong


def _say(text: str, to: object = None) -> None:
    print(text, file=to or sys.stderr, flush=True)  # type: ignore[arg-type]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM gives the report, too
    sys.exit(main())
