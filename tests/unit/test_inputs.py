"""What templates, functions and callers hand over for one order: ordered as meant, or refused before it is sent.

CASES.md A1, A2, A6, A7 and A8, for ``create``, the decorators, the hook and the batch's templates.
"""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_starvideos.batch.rows import read_rows
from airflow_provider_starvideos.batch.sources import read_requests
from airflow_provider_starvideos.decorators.batch import StarVideosBatchDecoratedOperator
from airflow_provider_starvideos.decorators.create import StarVideosCreateDecoratedOperator
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosValidationError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.locations import located
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator

U, V = "https://cdn.example.com/a.png", "https://cdn.example.com/b.png"
NATIVE = pytest.mark.parametrize("native", [False, True], ids=["text", "native"])


class TaskInstance:
    """As much of a task instance as is used; what is pushed crosses JSON, without NaN, as in Airflow."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "run", "task", -1, 1

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value, allow_nan=False))


def execute(operator: Any, native: bool = False, **variables: Any) -> Any:
    """Render an operator's fields in a Dag, and execute it."""
    with DAG("inputs", render_template_as_native_obj=native) as dag:
        dag.add_task(operator)
    operator.render_template_fields(dict(variables))
    return operator.execute({"ti": TaskInstance()})


def create(**request: Any) -> StarVideosCreateOperator:
    """Return an operator that ends when it has ordered."""
    return StarVideosCreateOperator(task_id="task", durable=False, **request)


def sent(emulator: Emulator) -> list[dict[str, Any]]:
    """Return what was ordered."""
    return [order.request for order in emulator.orders]


@NATIVE
@pytest.mark.parametrize(
    "prompt",
    ["{{ params.nothing }}", "{{ nothing }}", "{{ rows.get('gone') }}", "{{ nan }}", " {{ nothing }}\n", "{{ [] }}"],
)
def test_a_prompt_whose_template_found_nothing_is_refused(prompt: str, native: bool, emulator: Emulator) -> None:
    """A7: Jinja makes the text "None" of it, which would be ordered as a prompt."""
    operator = create(prompt=prompt)
    with pytest.raises(AirflowFailException, match=r"prompt: must be given .* missing: .* template"):
        execute(operator, native, params={"nothing": None}, nothing=None, rows={}, nan=float("nan"))
    assert sent(emulator) == []


@NATIVE
def test_text_stays_text(native: bool, emulator: Emulator) -> None:
    """A8: native rendering reads text as Python. What is a list or a number for a template stays one."""
    operator = create(prompt="2024", duration="{{ seconds }}", ratio="{{ nothing }}", reference_images="{{ urls }}")
    execute(operator, native, seconds=5, nothing=None, urls=[U, V])
    assert sent(emulator) == [
        {"model": "starvideos_o3", "prompt": "2024", "duration": 5, "referenceImages": [U, V]},
    ]


NOTHING = {"nothing": None, "params": {"nothing": None}, "nan": float("nan"), "rows": {}}
FINDS_NOTHING = [
    "{{ nothing }}",
    "{{ params.nothing }}",
    "{{ rows.get('gone') }}",
    " {{ nan }}",
    "{% if 1 %}None{% endif %}",
]
INPUTS: dict[str, Callable[[str], Any]] = {
    "reference_images": lambda template: template,
    "reference_videos": lambda template: [template],
    "first_image": lambda template: template,
    "last_image": lambda template: template,
}


@NATIVE
@pytest.mark.parametrize("template", FINDS_NOTHING)
@pytest.mark.parametrize("field", INPUTS)
def test_an_input_whose_template_found_nothing_is_refused(
    field: str, template: str, native: bool, emulator: Emulator
) -> None:
    """Without its images or its clip it would be another video than the one that was wanted."""
    operator = create(prompt="A kite", **{field: INPUTS[field](template)})
    with pytest.raises(AirflowFailException, match=rf"{field}: is given as a template, and the value is missing"):
        execute(operator, native, **NOTHING)
    assert sent(emulator) == []


@NATIVE
def test_one_of_several_inputs_whose_template_found_nothing(native: bool, emulator: Emulator) -> None:
    """The others alone would be another video, too."""
    operator = create(prompt="A kite", reference_images=["{{ url }}", "{{ nothing }}"])
    with pytest.raises(AirflowFailException, match="reference_images: is given as a template"):
        execute(operator, native, url=U, **NOTHING)
    assert sent(emulator) == []


@NATIVE
@pytest.mark.parametrize("given", [None, "", [], "{{ nothing or '' }}", "{{ [] }}", "{{ '' }}", ["{{ '' }}"]])
def test_an_input_that_its_author_leaves_empty_is_not_given(given: Any, native: bool, emulator: Emulator) -> None:
    """An empty text, an empty list, or None that isn't a template: as rows and mapped tasks have it."""
    execute(create(prompt="A kite", reference_images=given), native, **NOTHING)
    assert sent(emulator) == [KITE]


ROW_TEMPLATES = [
    {"prompt": "A kite", "referenceImages": "{{ nothing }}"},
    {"prompt": "A kite", "first_image": U, "last_image": "{{ nothing }}"},
    {"prompt": "{{ nothing }}", "name": "a"},
    {"prompt": "A kite", "variant": "{{ nothing }}"},
]


@NATIVE
@pytest.mark.parametrize("row", ROW_TEMPLATES, ids=lambda row: "-".join(row))
def test_a_row_in_the_dag_whose_template_found_nothing_is_refused(
    row: dict[str, str], native: bool, emulator: Emulator
) -> None:
    """As an argument is."""
    operator = StarVideosBatchOperator(task_id="task", requests=[row], prompt="the default")
    with pytest.raises(AirflowFailException, match="requests: is given as a template, and the value is missing"):
        execute(operator, native, **NOTHING)
    assert sent(emulator) == []


OPTIONS = ["library", "destination", "storage_conn_id"]


@NATIVE
@pytest.mark.parametrize("template", [*FINDS_NOTHING, "{{ nothing or '' }}", "{{ nothing }}/", " "])
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_whose_template_found_nothing_is_refused(
    option: str, template: str, native: bool, emulator: Emulator, tmp_path: Path
) -> None:
    """Without its library a batch orders what is there already; without a destination nothing is saved."""
    options = {"destination": f"{tmp_path}/", option: template}
    operator = StarVideosBatchOperator(task_id="task", requests=["A kite"], **options)
    with pytest.raises(AirflowFailException, match=rf"{option}: is given as a template, and the value is missing"):
        execute(operator, native, **NOTHING)
    assert sent(emulator) == []


@NATIVE
def test_a_variant_whose_template_found_nothing_is_refused(native: bool, emulator: Emulator, tmp_path: Path) -> None:
    """The video would get another request's name."""
    operator = StarVideosBatchOperator(
        task_id="task", requests=["A kite"], library=f"{tmp_path}/", variant="{{ nothing }}"
    )
    with pytest.raises(AirflowFailException, match="variant: is given as a template"):
        execute(operator, native, **NOTHING)
    assert sent(emulator) == []


@pytest.mark.parametrize("destination", ["None", " nan", "null/", "undefined"])
def test_a_destination_that_is_missing_is_refused(destination: str) -> None:
    """``download`` would write a file of that name into the worker's own folder."""
    with pytest.raises(StarVideosValidationError, match="the value is missing"):
        located(destination)


@pytest.mark.parametrize("flag", ["False", "{{ params.again }}", 1, None])
def test_a_flag_is_true_or_false(flag: Any) -> None:
    """Text counts as true in Python: ``retry_failed="False"`` would order again. None for ``reuse`` would, too."""
    for name in ("reuse", "retry_failed"):
        with pytest.raises(ValueError, match=rf"{name} must be True or False"):
            StarVideosBatchOperator(task_id="task", requests=["A kite"], **{name: flag})
    with pytest.raises(ValueError, match="durable must be True or False"):
        StarVideosCreateOperator(task_id="task", prompt="A kite", durable=flag)


TEXTS = [
    "2024",
    "1_000",
    "007",
    "1e3",
    "0x10",
    "True",
    "[1]",
    "{'a': 1}",
    "'quoted'",
    "(5)",
    "5 ",
    "None of the lights",
]


@NATIVE
@pytest.mark.parametrize("text", TEXTS)
def test_every_text_of_every_field_is_kept(text: str, native: bool) -> None:
    """A8: in a batch's rows, too."""
    batch = StarVideosBatchOperator(
        task_id="task", requests=[{"prompt": text, "name": "{{ name }}"}], prompt=text, destination=text
    )
    with DAG("inputs", render_template_as_native_obj=native) as dag:
        dag.add_task(batch)
    batch.render_template_fields({"name": text})  # type: ignore[typeddict-unknown-key]
    assert (batch.requests, batch.prompt, batch.destination) == ([{"prompt": text, "name": text}], text, text)


@NATIVE
def test_a_name_of_digits_is_kept(native: bool) -> None:
    """A8, to the row."""
    batch = StarVideosBatchOperator(task_id="task", requests=[{"prompt": "2024", "name": "1_000"}])
    with DAG("inputs", render_template_as_native_obj=native) as dag:
        dag.add_task(batch)
    batch.render_template_fields({})
    (row,) = read_rows(read_requests(batch.requests, None), {}, "")
    assert (row.request.prompt, row.name) == ("2024", "1_000")


def test_a_template_of_a_table_is_its_rows() -> None:
    """A1: with native rendering an XCom comes as the object that it is."""
    pandas = pytest.importorskip("pandas")
    batch = StarVideosBatchOperator(task_id="task", requests="{{ frame }}")
    with DAG("inputs", render_template_as_native_obj=True) as dag:
        dag.add_task(batch)
    batch.render_template_fields({"frame": pandas.DataFrame({"prompt": ["A kite"]})})  # type: ignore[typeddict-unknown-key]
    assert read_requests(batch.requests, None) == [{"prompt": "A kite"}]


def test_the_arguments_of_a_function_are_rendered_as_ever() -> None:
    """A8: a Dag that renders to native objects gives its functions numbers."""
    decorated = StarVideosCreateDecoratedOperator(
        task_id="task", python_callable=lambda number: "A kite", op_kwargs={"number": "1_000"}, ratio="16:9"
    )
    with DAG("inputs", render_template_as_native_obj=True) as dag:
        dag.add_task(decorated)
    decorated.render_template_fields({})
    assert decorated.op_kwargs == {"number": 1000}


@NATIVE
def test_an_unknown_name_in_a_template_is_an_error(native: bool) -> None:
    """It isn't taken for a missing value: what is misspelled would be left out in silence."""
    operator = create(prompt="A kite", duration="{{ nobody }}")
    with pytest.raises(Exception, match="nobody"):
        execute(operator, native)


Named = namedtuple("Named", "prompt duration")


@dataclass
class Request:
    prompt: str
    duration: int | None = None


KITE = {"model": "starvideos_o3", "prompt": "A kite"}
RETURNED: dict[str, tuple[Any, list[dict[str, Any]] | str]] = {
    "prompt": ("A kite", [KITE]),
    "object": ({"prompt": "A kite", "referenceImages": f"{U} {V}"}, [KITE | {"referenceImages": [U, V]}]),
    "JSON text": ('{"prompt": "A kite"}', [KITE]),
    "named tuple": (Named("A kite", 5), [KITE | {"duration": 5}]),
    "dataclass instance": (Request("A kite"), [KITE]),
    "None": (None, "prompt, from function: must be given"),
    "missing as text": ("NaN", "prompt, from function: must be given"),
    "empty object": ({}, "prompt, from function: must be given"),
    "object of missing values": ({"prompt": None, "duration": float("nan")}, "must return something to order"),
    "list": (["A kite"], "function: must return the prompt"),
    "text of a list": ("['A kite']", "the text of a list"),
    "bytes": (b"A kite", "function: must return the prompt"),
    "two names for one": ({"prompt": "A kite", "referenceImages": U, "reference_images": V}, "must be given once"),
    "unknown name": ({"prompt": "A kite", "lenght": 5}, "lenght: isn't a field"),
    "name": ({"prompt": "A kite", "name": "a"}, "name: isn't a field"),
}


@pytest.mark.parametrize(("returned", "right"), RETURNED.values(), ids=RETURNED)
def test_what_a_function_returns(returned: Any, right: list[dict[str, Any]] | str, emulator: Emulator) -> None:
    """A1, A2, A6: for ``@task.starvideos_create``, whose own prompt doesn't stand in for a missing one."""

    def function() -> Any:
        return returned

    operator = StarVideosCreateDecoratedOperator(
        task_id="task", python_callable=function, durable=False, prompt="the decorator's"
    )
    if isinstance(right, str):
        with pytest.raises(AirflowFailException) as caught:
            execute(operator)
        assert right in str(caught.value)
        assert sent(emulator) == []
    else:
        execute(operator)
        assert sent(emulator) == right


def frame(library: str) -> Any:
    """Return a table with a row of missing values."""
    return pytest.importorskip(library).DataFrame({"prompt": ["A kite", None], "duration": [5, None]})


BATCHES: dict[str, tuple[Callable[[], Any], Any]] = {
    "DataFrame of pandas": (
        lambda: frame("pandas"),
        [{"prompt": "A kite", "duration": 5}, {"prompt": None, "duration": None}],
    ),
    "DataFrame of polars": (
        lambda: frame("polars"),
        [{"prompt": "A kite", "duration": 5}, {"prompt": None, "duration": None}],
    ),
    "generator": (lambda: iter(["A kite", None]), ["A kite", None]),
    "dataclass instances": (lambda: [Request("A kite", 5)], [{"prompt": "A kite", "duration": 5}]),
    "column names": (lambda: ["prompt", "duration"], "what a table's head says"),
    "object": (lambda: {"prompt": "A kite"}, "put rows into a list"),
    "what no XCom can hold": (lambda: [object()], "row 1: request"),
}


@pytest.mark.parametrize(("make", "kept"), BATCHES.values(), ids=BATCHES)
def test_what_a_function_returns_for_a_batch(make: Callable[[], Any], kept: Any, emulator: Emulator) -> None:
    """A1: for ``@task.starvideos_batch``. What is kept while the task waits is plain, whatever the rows came in."""
    operator = StarVideosBatchDecoratedOperator(task_id="task", python_callable=make)
    if isinstance(kept, str):
        with pytest.raises(AirflowFailException) as caught:
            operator._checked(make())
        assert kept in str(caught.value)
    else:
        rows = operator._checked(make())
        assert rows == kept
        assert json.loads(json.dumps(rows, allow_nan=False)) == kept


HOOK: dict[str, tuple[dict[str, Any], dict[str, Any] | str]] = {
    "as the API spells it": ({"prompt": "A kite", "referenceImages": [U]}, KITE | {"referenceImages": [U]}),
    "missing": ({"prompt": "null"}, "prompt: must be given"),
    "nothing": ({}, "prompt: must be given"),
    "unknown name": ({"prompt": "A kite", "lenght": 5, "duration": 99}, "2 problems"),
}


@pytest.mark.parametrize(("request_", "right"), HOOK.values(), ids=HOOK)
def test_what_a_caller_hands_the_hook(
    request_: dict[str, Any], right: dict[str, Any] | str, emulator: Emulator
) -> None:
    """A6, in one error, before anything is sent."""
    if isinstance(right, str):
        with pytest.raises(StarVideosValidationError, match=right):
            StarVideosHook().create_video(**request_)
        assert sent(emulator) == []
    else:
        StarVideosHook().create_video(**request_)
        assert sent(emulator) == [right]
