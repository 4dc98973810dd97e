"""The documentation and the README: every code block works as it is, and every table is true."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
import tomllib
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from airflow.cli import cli_parser
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos import __version__, exceptions
from airflow_provider_starvideos.emulator.__main__ import build_parser
from airflow_provider_starvideos.emulator.faults import parse_fault, read_fault
from airflow_provider_starvideos.failures import DOCS as DOCS_ADDRESS
from airflow_provider_starvideos.failures import help_address
from airflow_provider_starvideos.metrics import METRICS
from dev import badges, layers, pages

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^|\n)\n((?:    \S[^\n]*\n)+)")
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
WHOLE_DAG = re.compile(r"^from airflow\.sdk import .*\bdag\b", re.MULTILINE)
LANGUAGES = {"python", "sh", "ini", "json", "text", "yaml", "toml", "sql", "html"}


class Block(NamedTuple):
    """A code block of a page."""

    page: str
    number: int
    language: str
    code: str


def blocks_of(page: Path) -> list[Block]:
    """Return a page's code blocks, those that are only indented (shell, by this project's habit) too."""
    text = page.read_text()
    fenced = [(found[2].strip(), _dedented(found[3], len(found[1]))) for found in FENCE.finditer(text)]
    plain = [("sh", _dedented(found[1], 4)) for found in INDENTED.finditer(FENCE.sub("\n", text))]
    return [Block(page.name, number, *block) for number, block in enumerate(fenced + plain)]


def _dedented(code: str, by: int) -> str:
    return "".join(line[by:] if line.strip() else line for line in code.splitlines(keepends=True))


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of(language: str) -> pytest.MarkDecorator:
    """Parametrise a test with all blocks in a language."""
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=[f"{block.page}-{block.number}" for block in found])


def test_each_block_says_what_it_is() -> None:
    """So that none escapes the tests below; and none is a directive of Sphinx, which GitHub shows as it is written."""
    heads = {(block.page, block.language) for block in BLOCKS}
    assert [head for head in heads if head[1] not in LANGUAGES] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_made_in_a_page_is_fresh(page: Path) -> None:
    """Its examples, and its tables of parameters: `python -m dev.pages` writes them."""
    text = page.read_text()
    made = pages.with_examples if "<!-- parameters: retry_policy" in text and not AIRFLOW_V_3_3_PLUS else pages.filled
    assert text == made(text)
    marks = re.findall(r"^<!-- \S+\.py", page.read_text(), re.MULTILINE)
    assert len(pages.EXAMPLE.findall(page.read_text())) == len(marks)


@of("python")
def test_python_is_python(block: Block) -> None:
    """It compiles; and what it imports of this package is there."""
    tree = ast.parse(block.code)
    compile(tree, block.page, "exec")
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    ours = [node for node in imports if "airflow" in ast.unparse(node)]
    if not AIRFLOW_V_3_3_PLUS:  # as its page says
        ours = [node for node in ours if "retry_policy" not in ast.unparse(node)]
    exec(compile(ast.Module(ours, type_ignores=[]), block.page, "exec"), {})


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.language == "python" and WHOLE_DAG.search(block.code)],
    ids=lambda block: f"{block.page}-{block.number}",
)
def test_a_whole_dag_makes_a_dag(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Airflow reads its file: with tasks, one of this provider's among them."""
    from airflow.sdk import DAG

    if not AIRFLOW_V_3_1_PLUS and "approval=" in block.code:  # as its page says
        return
    made: list[DAG] = []
    leave = DAG.__exit__
    monkeypatch.setattr(DAG, "__exit__", lambda dag, *args: (made.append(dag), leave(dag, *args))[1])
    file = tmp_path / "shown.py"
    file.write_text(block.code)
    runpy.run_path(str(file))
    kinds = [type(task).__name__ for dag in made for task in dag.tasks]
    assert any("StarVideos" in kind or kind == "DecoratedMappedOperator" for kind in kinds)


def test_each_operator_has_a_whole_dag_on_its_page() -> None:
    """It can be copied as it is; the hook's page shows a task."""
    pages_with_dags = {block.page for block in BLOCKS if "import" in block.code and "@dag" in block.code}
    operators = {f"{name}.md" for name in ("create", "sensor", "download", "batch")}
    assert operators | {"decorators_create.md", "decorators_batch.md", "README.md"} <= pages_with_dags


@of("python")
def test_calls_of_operators_name_parameters_that_exist(block: Block) -> None:
    """Operators, sensors and the hook are called as they can be called; also inside of functions and fragments."""
    known = _signatures()
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
            given = {word.arg for word in node.keywords if word.arg}
            assert given <= known[node.func.id], f"{node.func.id}: {given - known[node.func.id]}"


def _signatures() -> dict[str, set[str]]:
    import inspect

    from airflow.sdk import BaseOperator, BaseSensorOperator

    from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
    from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
    from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
    from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

    base = set(inspect.signature(BaseOperator.__init__).parameters)
    sensor = base | set(inspect.signature(BaseSensorOperator.__init__).parameters)
    # From 3.3 on; older ones don't take it.
    base.add("retry_policy")
    operators = (StarVideosBatchOperator, StarVideosCreateOperator, StarVideosDownloadOperator)
    found = {
        kind.__name__: base.union(*(inspect.signature(one.__init__).parameters for one in kind.__mro__))
        for kind in operators
    }
    return found | {"StarVideosTaskSensor": sensor | set(inspect.signature(StarVideosTaskSensor.__init__).parameters)}


def commands(code: str) -> list[list[str]]:
    """Return the commands of a shell block as words, without comments, assignments and redirections."""
    joined = code.replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in joined.splitlines()]
    return [line for line in lines if line]


@of("sh")
def test_shell_commands_exist(block: Block) -> None:
    """Make's targets, the emulator's options and faults, Airflow's subcommands, this package's extras and modules."""
    for words in commands(block.code):
        check = COMMANDS.get(words[0].rpartition("/")[2])
        assert check, f"{block.page}: nothing knows how to test {words[0]!r}"
        check(words)


def _make(words: list[str]) -> None:
    targets = {word for word in words[1:] if "=" not in word}
    assert targets <= TARGETS, f"no such target: {targets - TARGETS}"


def _emulator(words: list[str]) -> None:
    options = [word for word in words[1:] if word != "--help"]
    given = build_parser().parse_args(options)
    for fault in given.fault:
        read_fault(parse_fault(fault), "")


def _airflow(words: list[str]) -> None:
    commands = cli_parser.ALL_COMMANDS_DICT
    assert words[1] in commands
    sub = getattr(commands[words[1]], "subcommands", None)
    assert sub is None or words[2] in {command.name for command in sub}


def _python(words: list[str]) -> None:
    module = words[words.index("-m") + 1]
    if module in ("venv", "pip"):
        return
    file = ROOT / module.replace(".", "/")
    assert file.with_suffix(".py").is_file() or (file / "__main__.py").is_file(), f"no module {module}"
    source = "".join(path.read_text() for path in [file.with_suffix(".py"), *file.glob("*.py")] if path.is_file())
    for word in words[words.index("-m") + 2 :]:
        assert not word.startswith("--") or f'"{word}"' in source, f"{module} has no option {word}"


def _pip(words: list[str]) -> None:
    assert words[1] == "install"
    extras = set(metadata("airflow-provider-starvideos").get_all("Provides-Extra") or [])
    for word in words:
        found = re.match(r"(?:airflow-provider-starvideos|\.+)\[(.*)\]", word)
        assert not found or set(found[1].split(",")) <= extras


def _anything(words: list[str]) -> None:
    """It belongs to the shell, or to a tool that everybody has."""


COMMANDS = {
    "make": _make,
    "starvideos-emulator": _emulator,
    "airflow": _airflow,
    "python": _python,
    "python3": _python,
    "pip": _pip,
    **dict.fromkeys(("export", "mkdir", "cp", ".", "cd", "git", "pre-commit", "uv", "curl", "cat"), _anything),
    "END": _anything,  # of the text that cat writes
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_and_modules_named_in_the_text_exist(page: Path) -> None:
    """``make x`` and ``python -m package.module`` in a sentence or a table, too."""
    text = page.read_text()
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert target in TARGETS
    for module in re.findall(r"`python -m ((?:airflow_provider|dev|benchmarks)[a-z_.]*)", text):
        _python(["python", "-m", module])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A file of this tree, and in it the heading that the link names, as GitHub makes its anchor."""
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors_of(file), target


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page: those that GitHub makes of its headings, and those that it sets itself."""
    text = page.read_text()
    heads = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
    return made | set(re.findall(r'<a id="([^"]+)"></a>', text))


def test_every_error_leads_to_its_documentation() -> None:
    """The address at the end of an error's message is that of a section of the runbook, or of a row of Errors."""
    for name, kind in error_classes().items():
        file, _, anchor = help_address(kind).partition("#")
        assert anchor in anchors_of(ROOT / file), name
        assert f'<a id="{name.lower()}"></a>' in (DOCS / "errors.md").read_text()


def test_errors_and_the_project_name_the_same_address() -> None:
    """Once the documentation has a public address; until then errors name the folder of a checkout."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert urls.get("Documentation", "docs") == DOCS_ADDRESS


def error_classes() -> dict[str, type[exceptions.StarVideosError]]:
    """Return the public errors by name."""
    return {
        name: kind
        for name, kind in vars(exceptions).items()
        if isinstance(kind, type) and name.startswith("StarVideos")
    }


def rows(page: str, column: int = 0) -> dict[str, list[str]]:
    """Return the table rows of a page whose first cell is a name in code."""
    found: dict[str, list[str]] = {}
    for line in (DOCS / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if line.startswith("| `") and len(cells) > 1:
            found[cells[column].partition("<a ")[0].strip("`")] = cells
    return found


def test_every_error_has_a_row() -> None:
    """With what it means, what to do, and whether a retry may help, as ``permanent`` says."""
    told = {name: cells for name, cells in rows("errors.md").items() if name.startswith("StarVideos")}
    classes = error_classes()
    assert told.keys() == classes.keys()
    assert {name: cells[-1] for name, cells in told.items()} == {
        name: "no" if kind.permanent else "yes" for name, kind in classes.items()
    }
    assert all(len(cells) == 5 and all(cells) for cells in told.values())


# Errors with one meaning each: the row of the class says it all.
TOLD_BY_CLASS = {
    "StarVideosValidationError",  # each problem says what must hold
    "StarVideosLimitError",
    "StarVideosRequestsChangedError",
    "StarVideosNotReadyError",
    "StarVideosTooLargeError",
    "StarVideosExistsError",
    "StarVideosWaitTimeoutError",
}
# Becomes another error before a user sees it, or can't be caused by a Dag.
NOT_SEEN = {
    "a part before part … is missing",
    "without a destination there must be a library",
    "the answer is no listing, but …",
    "the listing is cut, and nothing says how it goes on",
}


def _message(node: ast.expr) -> str:
    """Return a message with … for what differs."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


def messages() -> set[str]:
    """Return all messages that the package writes out in an error that ends a task; the UI has others."""
    errors = ({name for name in vars(exceptions) if name.endswith("Error")} - TOLD_BY_CLASS) | {
        "ValueError",
        "AirflowSkipException",
        "_OtherParametersError",
    }
    found: set[str] = set()
    package = ROOT / "airflow_provider_starvideos"
    for path in package.rglob("*.py"):
        # Relative: the checkout may lie in a folder of such a name.
        if path.name == "exceptions.py" or {"emulator", "check", "ui"} & set(path.relative_to(package).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in errors and node.args:
                found.add(_message(node.args[0]))
    # Without a constant text a message is put together elsewhere: the API's, or another error's.
    return {one for one in found if re.search("[A-Za-z]{2}", one)} - NOT_SEEN


def test_every_message_has_a_row() -> None:
    """And no row is about a message that isn't there any more."""
    told = {name.removeprefix("…").removesuffix("…").strip() for name in _first_cells("errors.md") if " " in name}
    raised = messages()
    assert [one for one in raised if not any(name in one for name in told)] == []
    assert [name for name in told if not any(name in one for one in raised)] == []


def _first_cells(page: str) -> list[str]:
    text = (DOCS / page).read_text().partition("## By message")[2].partition("## Other symptoms")[0]
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_every_metric_has_a_row() -> None:
    """The names and texts of the table in ``metrics``."""
    assert {name: cells[1] for name, cells in rows("metrics.md").items()} == dict(METRICS)


def test_the_badges_are_fresh() -> None:
    """`python -m dev.pages` draws them."""
    assert {name: (badges.FOLDER / f"badge-{name}.svg").read_text() for name in badges.all_badges()} == (
        badges.all_badges()
    )


def test_the_readme_names_the_version() -> None:
    """As the package has it."""
    assert f"Version {__version__}," in (ROOT / "README.md").read_text()


def test_the_picture_shows_the_layers_as_they_are() -> None:
    """`make docs` draws it again."""
    assert layers.PICTURE.read_text() == layers.draw()


def test_every_page_is_in_the_contents() -> None:
    """And the contents name no page that isn't there."""
    made = pages.with_contents((DOCS / "index.md").read_text())
    listed = re.findall(
        r"^(\S+)$", "".join(re.findall(r"```\{toctree\}\n[^`]*?\n\n(.*?)```", made, re.DOTALL)), re.MULTILINE
    )
    top = {"../README", "../SECURITY", "../CONTRIBUTING", "../CHANGELOG"}
    assert sorted(listed) == sorted({page.stem for page in DOCS.glob("*.md")} - {"index"} | top)


def test_the_reference_shows_what_it_lists() -> None:
    """Each object of `docs/api.md` becomes a directive of Sphinx, with the members that are named."""
    text = (DOCS / "api.md").read_text()
    made = pages.with_reference(text)
    assert re.findall(r"^\.\. auto\w+:: (\S+)$", made, re.MULTILINE) == [name for name, _ in pages.objects(text)]
    assert "Emulator\n   :members: \n" in made
    assert "Operator\n   :members: dry_run\n" in made
    assert "](../airflow_provider" not in made


def test_figures_are_compared_with_the_versions_that_are_measured() -> None:
    """The page names the peers' versions as `make bench-peers` installs them."""
    pins = (ROOT / "benchmarks" / "peers.txt").read_text()
    peers = re.findall(r"^apache-airflow-providers-(?!standard)(.+)==(.+)$", pins, re.MULTILINE)
    page = " ".join((DOCS / "performance.md").read_text().lower().split())
    assert len(peers) == 4
    assert [name for name, version in peers if f"{name.replace('-', ' ')} {version}" not in page] == []
