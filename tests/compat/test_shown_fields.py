"""What Airflow shows of a task's fields and keeps as XComs has no signature, and the task orders the signed URLs."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.sdk.execution_time import task_runner
from jinja2.sandbox import SandboxedEnvironment

from airflow_provider_starvideos import lineage
from airflow_provider_starvideos.api.redaction import is_hidden
from airflow_provider_starvideos.decorators.batch import StarVideosBatchDecoratedOperator
from airflow_provider_starvideos.decorators.create import StarVideosCreateDecoratedOperator
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from tests.unit.signers import QUERIES

SIGNERS = ("S3 v4", "Alibaba OSS v1", "Tencent COS", "Azure, service SAS", "Alibaba CDN A")
URLS = [f"https://b.example/in/{n}.png?{QUERIES[signer](1)}" for n, signer in enumerate(SIGNERS)]
SECRETS = ("ignature", "auth_key=", "sig=")
BARE = [f"https://b.example/in/{n}.png?…" for n, _ in enumerate(SIGNERS)]


class TaskInstance:
    """Keeps XComs."""

    task_id, map_index, try_number = "order", -1, 1

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep one."""
        self.xcoms[key] = value

    def xcom_pull(self, key: str, **_: Any) -> Any:
        """Return one."""
        return self.xcoms[key]


def rendered(operator: Any, **context: Any) -> Any:
    """Return an operator with its fields rendered, as in a task's process."""
    operator.render_template_fields(context, SandboxedEnvironment())
    return operator


def shown(operator: Any) -> dict[str, Any]:
    """Return what Airflow would store of the fields and show."""
    return task_runner._serialize_rendered_fields(operator)


def test_a_rendered_field_shows_no_signature_and_orders_it() -> None:
    """As given, in a list, and as the text of a list."""
    for images in ("{{ urls }}", ["{{ urls[0] }}", *URLS[1:]]):
        operator = rendered(
            StarVideosCreateOperator(task_id="order", prompt="like {{ urls[0] }} a fox", reference_images=images),
            urls=URLS,
        )
        fields = shown(operator)
        assert not [one for one in SECRETS if one in str(fields)]
        assert fields["prompt"] == f"like {BARE[0]} a fox"
        assert BARE[1] in str(fields["reference_images"])
        assert operator._request().reference_images == tuple(URLS)
        assert operator._request().prompt == f"like {URLS[0]} a fox"


def test_nothing_of_the_operator_tells_it_either() -> None:
    """Listeners such as OpenLineage's write down an operator's attributes."""
    operator = rendered(StarVideosCreateOperator(task_id="order", prompt="x", first_image=URLS[0], last_image=URLS[1]))
    assert not [one for one in SECRETS if one in str(vars(operator))]
    inputs = operator.get_openlineage_facets_on_complete(None).inputs
    assert [(one.namespace, one.name) for one in inputs] == [lineage.name_of(url) for url in URLS[:2]]
    assert inputs[0].name == "/in/0.png"


def test_fields_that_are_rendered_again_or_replaced_are_ordered_as_they_are() -> None:
    """A callback may render once more; ``pre_execute`` may assign something else."""
    operator = rendered(rendered(StarVideosCreateOperator(task_id="order", prompt="x", reference_images=URLS)))
    assert operator._request().reference_images == tuple(URLS)
    operator.reference_images = [URLS[2]]
    assert operator._request().reference_images == (URLS[2],)
    operator.reference_images = None
    assert operator._request().reference_images == ()


def test_fields_without_secrets_stay_what_they_are() -> None:
    """Whatever their type."""
    given = ("https://b.example/a.png",)
    operator = rendered(
        StarVideosCreateOperator(task_id="order", prompt="Is it 5 %?", reference_images=given, duration=5)
    )
    assert (operator.prompt, operator.reference_images, operator.duration) == ("Is it 5 %?", given, 5)


class Table:
    """Compares like a DataFrame, and is shown as text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value is ambiguous")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("text", ["0  a fox", f"0  {URLS[0]}"], ids=["without", "with"])
def test_a_table_is_ordered_from_as_it_is(text: str) -> None:
    """Whether something of its text is hidden or not."""
    table = Table(text)
    operator = rendered(rendered(StarVideosBatchOperator(task_id="order", requests=table)))  # type: ignore[arg-type]
    assert not [one for one in SECRETS if one in str(shown(operator))]
    assert operator.rendered("requests") is table


def test_the_rows_of_a_batch_show_no_signature() -> None:
    """Nor do the arguments for all rows."""
    rows = [{"prompt": "x", "first_image": url, "last_image": "{{ last }}"} for url in URLS]
    folder = "/data/202611290801/0a1b2c3d4e5f60718293a4b5c6d7e8f9/"
    batch = StarVideosBatchOperator(task_id="order", requests=rows, reference_images="{{ last }}", destination=folder)
    operator = rendered(batch, last=URLS[0])
    assert not [one for one in SECRETS if one in str(shown(operator))]
    assert operator.rendered("requests") == [{"prompt": "x", "first_image": url, "last_image": URLS[0]} for url in URLS]
    assert operator.rendered("reference_images") == URLS[0]
    assert operator.destination == folder, "where files go isn't an input"


def test_what_would_be_sent_is_logged_without_signatures(capsys: pytest.CaptureFixture[str]) -> None:
    """By ``dry_run``."""
    operator = rendered(StarVideosCreateOperator(task_id="order", prompt="x", reference_images=URLS))
    operator.dry_run()
    log = capsys.readouterr().out
    assert BARE[0] in log
    assert not [one for one in SECRETS if one in log]


def test_a_function_gets_its_arguments_whole() -> None:
    """Though they are shown without signatures."""
    got: list[Any] = []

    def prompt(one: str, other: str) -> str:
        got.extend((one, other))
        return "x"

    operator = rendered(
        StarVideosCreateDecoratedOperator(
            task_id="order", python_callable=prompt, op_args=["{{ url }}"], op_kwargs={"other": "{{ url }}"}
        ),
        url=URLS[0],
    )
    assert not [one for one in SECRETS if one in str(shown(operator))]
    operator.call({"ti": TaskInstance()})
    assert got == [URLS[0], URLS[0]]


def test_a_batch_of_a_function_continues_with_urls_signed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The XCom has no signature; after a wait the function is asked for the URLs, and for nothing else."""
    calls = 0

    def requests() -> list[dict[str, Any]]:
        nonlocal calls
        calls += 1
        url = f"https://b.example/in/0.png?{QUERIES['S3 v4'](calls)}"
        return [
            {"prompt": f"by chance {calls}", "reference_images": [url, "https://b.example/x.png"]},
            {"prompt": "two"},
        ]

    ordered: list[Any] = []
    for name in ("execute", "execute_complete"):
        monkeypatch.setattr(
            StarVideosBatchOperator, name, lambda self, *_: ordered.append(self.rendered("requests")) or "done"
        )
    operator = StarVideosBatchDecoratedOperator(task_id="order", python_callable=requests)
    context: Any = {"ti": TaskInstance()}
    assert operator.execute(context) == "done"
    assert not [one for one in SECRETS if one in str(context["ti"].xcoms)]
    assert is_hidden(context["ti"].xcoms["requests"])
    assert not [one for one in SECRETS if one in str(shown(operator))]
    assert operator.execute_complete(context, {}) == "done"
    assert calls == 2
    (first, second) = ordered
    assert first[0]["reference_images"][0].endswith(QUERIES["S3 v4"](1))
    assert second == [
        {
            "prompt": "by chance 1",
            "reference_images": [f"https://b.example/in/0.png?{QUERIES['S3 v4'](2)}", "https://b.example/x.png"],
        },
        {"prompt": "two"},
    ]
    assert not [one for one in SECRETS if one in str(shown(operator))]


def test_a_function_without_signed_urls_is_called_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may ask a model for prompts, and pay for that."""
    calls: list[int] = []
    rows = [{"prompt": "Really?… yes/… no", "reference_images": ["s3://b/a.png?versionId=3"]}]
    for name in ("execute", "execute_complete"):
        monkeypatch.setattr(StarVideosBatchOperator, name, lambda self, *_: self.rendered("requests"))
    operator = StarVideosBatchDecoratedOperator(task_id="order", python_callable=lambda: calls.append(1) or rows)
    context: Any = {"ti": TaskInstance()}
    assert operator.execute(context) == operator.execute_complete(context, {}) == rows
    assert len(calls) == 1


def test_a_mapped_task_shows_no_signature() -> None:
    """Airflow renders those by another way."""
    with DAG("mapped", schedule=None):
        mapped = StarVideosCreateOperator.partial(task_id="order", prompt="x").expand(
            reference_images=[[URLS[0]], [URLS[1]]]
        )
    operator = mapped.unmap({"reference_images": [URLS[1]]})
    operator._do_render_template_fields(operator, mapped.template_fields, {}, SandboxedEnvironment(), set())
    assert not [one for one in SECRETS if one in str(shown(operator))]
    assert operator._request().reference_images == (URLS[1],)
