"""Texts that templates, tables and programs make by mistake. Ordered as a prompt, each would be billed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from airflow_provider_starvideos.api.fields import field_of
from airflow_provider_starvideos.api.values import kind_of, literal

MOST_SHOWN = 40  # characters of a template, in a message
LONGEST_ODD = 20_000  # characters of a text that is compared with NOT_PROMPTS
FILES = "txt|md|json|jsonl|ndjson|csv|tsv|parquet|xlsx?|ya?ml|jinja2?|j2|png|jpe?g|webp|gif|mp4|mov|webm"
NOT_PROMPTS = (  # texts that templates make by mistake: pattern, and what it is
    (r"true|false", "a truth value"),
    (r"<.* at 0x[0-9a-f]+>|<class .*>|\[object \w+\]", "what a program prints of an object"),
    (r"[\w.]+\(.*\bprompt['\"]?\s*[=,:].*\)|prompt(?:\s*=|\s{2,}).*", "what a program prints of a whole request"),
    (r"[{\[(]\s*&(?:quot|apos|#3[49]);.*", "JSON with the escapes of HTML"),
    (r".*\bdtype: \w+", "a printed table"),
    (r"(?:[a-z][\w+.-]*:)?//\S+|www\.\S+", "a URL"),
    (rf"[^\s,;]+\.(?:{FILES})(?:\.gz)?", "a file's name"),
    (r"prompt", "a column's name"),
    (r"=[^\s=>].*", "a spreadsheet's formula"),
    (r"\(\d+ rows?\)", "the end of a printed table"),
    (r"```.*", "a block of code"),
)
# Of Jinja, ``str.format`` and ``%``: rows of files and functions aren't rendered. ``{image1}`` may be an input.
UNRENDERED = re.compile(
    r"\{\{[^{}]*\}\}|\{%[^{}%]*%\}|\{(?!(?:image|img|video|ref)\w*\d)[A-Za-z_]\w*\}|%\([A-Za-z_]\w*\)[sd]"
)


def broken_prompt_rule(text: str) -> str | None:
    """Return the rule that a prompt breaks if a template or a table made it by mistake; None: it is a prompt."""
    for pattern, what in NOT_PROMPTS if len(text) <= LONGEST_ODD else ():
        if re.fullmatch(pattern, text.strip(), re.IGNORECASE | re.DOTALL):
            return f"must say what to show; this is {what}"
    if found := UNRENDERED.search(text):
        return f"must say what to show; this holds a template that wasn't rendered ({found[0][:MOST_SHOWN]})"
    if "\ufffd" in text or _is_mojibake(text):
        return "must say what to show; this was read in another encoding than it was written in"
    if not any(unicodedata.category(one)[0] in "LNM" or unicodedata.category(one) == "So" for one in text):
        return "must say what to show; this has no letter"
    if not text.lstrip().startswith(("{", "[", "(", "b'", 'b"')):
        return None
    try:
        value = literal(text)
    except ValueError:
        return None
    if isinstance(value, Mapping):
        # People write prompts in JSON, but not with the names of a request's fields.
        return "must be the prompt alone; this is the text of a whole request" if any(map(field_of, value)) else None
    return f"must say what to show; this is the text of {kind_of(value)}"


def _is_mojibake(text: str) -> bool:
    """Return whether a text is UTF-8 that was read as Windows-1252: no other text has such pairs of letters."""
    try:
        return not text.isascii() and text.encode("cp1252").decode() != text
    except UnicodeError:
        return False
