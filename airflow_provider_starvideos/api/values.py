"""Reads values that come from templates, tables and files: is one missing, and which list or URLs does it spell?

No library of tables is imported here: their values are recognized by their methods.
"""

from __future__ import annotations

import ast
import json
import re
import tokenize
import unicodedata
from collections.abc import Mapping, Sequence, Sized, ValuesView
from contextlib import suppress
from enum import Enum
from itertools import islice
from typing import Any

# Types of pandas, numpy, pyarrow, Jinja and Airflow, by name; a subclass counts too.
MISSING_TYPES = frozenset({"ArgNotSet", "MaskedConstant", "NAType", "NaTType", "NullScalar", "Undefined"})
LANGUAGES = "none null nan nat na n/a n.a nil undefined nonetype \\n -nan +nan 1.#qnan -1.#qnan 1.#ind -1.#ind"
SPREADSHEETS = "#n/a #na #null #ref #value #name #div/0 #num #spill #calc #error #field #getting_data"
MISSING_WORDS = frozenset(f"{LANGUAGES} {SPREADSHEETS}".split())
LONGEST_MISSING = 1000  # characters
LONGEST_TEXT = 100_000  # characters of a text that is searched for several URLs
LONGEST_URL = 20_000  # characters
NAMESPACED = re.compile(r"(?:np|numpy|pd|pandas|math|decimal|float\d*)[.(]['\"]?(?:float\d*\(|datetime64\(['\"]?)?")
INVISIBLE = " \t\r\n\v\f\u00a0\u3000\ufeff\u200b\u200c\u200d\u2060"
WORD = re.compile(r"[^\s,;|]+")
AROUND = "\"'`’‘”“()[]{}<>.,;:!?"
EMPTY = re.compile(r"|[\[({<]\s*[\])}>]|(['\"`’‘”“])\s*['\"`’‘”“]")
NO_INK = ("Pd", "Cf", "Cc", "Zs")  # Unicode's categories: dashes, and invisible characters
DASHES = frozenset("\u2212\u2043\u02d7\u2796\u2500\u2501\u3030\u30fc\uff70~_")  # dashes by form, not by Unicode
NO_LITERAL = (SyntaxError, TypeError, ArithmeticError, RecursionError, MemoryError, Warning, tokenize.TokenError)
LITERALS = {"true": "True", "false": "False", "inf": "1e999"}
KINDS = {list: "a list", tuple: "a list", int: "a number", float: "a number", bool: "a truth value", bytes: "bytes"}
PYTHON_METHODS = ("as_py", "tolist", "to_list")  # of pyarrow, numpy, pandas and polars: to Python's value or list

SCHEMES = r"(?:https?|ftp|s3a?|gs|gcs|abfss?|adl|wasbs?|oss|cos|file|memory)"
ESCAPED = r"\\[nrt]"
SEPARATOR = rf"(?:\s|[,;|，；、｜]|{ESCAPED})"
BETWEEN_URLS = re.compile(rf"{SEPARATOR}+(?=['\"<]?(?:(?:[a-z][a-z0-9+.-]*:)?//|data:))", re.IGNORECASE)
AT_THE_ENDS = re.compile(rf"^{SEPARATOR}+|{SEPARATOR}+$")
INSIDE_A_URL = re.compile(rf"[/=?]{SCHEMES}$", re.IGNORECASE)  # before the ``://`` of a URL in another's path or query
# ``[a, b]`` without quotes, ``array(['a', 'b'], dtype=object)``, ``{a,b}``.
PRINTED_LIST = re.compile(r"(?:\w+\()?[\[({](.*?)[\])}](?:, *dtype=[^)]*)?\)?", re.DOTALL)
URL_LIKE = re.compile(r"\S+://\S+")
# A URL in a URL, then a separator and a third one, which may belong to the outer or to the inner URL.
AMBIGUOUS = re.compile(rf"^[a-z0-9+.-]+://\S*[/=?]{SCHEMES}://\S*[,;|]['\"<]?(?:[a-z0-9+.-]+:)?//", re.IGNORECASE)


def is_missing(value: Any) -> bool:
    """Return whether ``value`` means that there is no value.

    That is None, blank text, an empty container, a table's NaN, NaT and NA, Jinja's Undefined, a lone dash, and what
    these become as text: ``None``, ``null``, ``#N/A``, ``<NA>``, ``[]``, in any case. Other text ("None of the lights
    are on") isn't missing.
    """
    if value is None:
        return True
    if isinstance(value, str):
        return _is_missing_text(value)
    if any(base.__name__ in MISSING_TYPES for base in type(value).__mro__):
        return True
    try:
        if isinstance(value, list | tuple):
            return all(one is None or (isinstance(one, str) and _is_missing_text(one)) for one in value)
        if isinstance(value, Sized):
            return len(value) == 0
        return bool(value != value)  # NaN alone differs from itself
    except ArithmeticError:  # a signalling NaN
        return True
    except Exception:  # noqa: BLE001  an array of no dimension, a length without end, a broken __eq__: it is something
        return False


def _is_missing_text(text: str) -> bool:
    text = text.strip(INVISIBLE)
    if len(text) > LONGEST_MISSING:
        return False
    if EMPTY.fullmatch(text):
        return True
    if text[0] == text[-1] == '"' and "\\" in text:  # JSON's escapes
        with suppress(ValueError):
            return is_missing(json.loads(text))
    found = False
    for word in WORD.finditer(text.casefold()):
        core = NAMESPACED.sub("", word[0].strip(AROUND)).strip(AROUND)
        if core and not _is_missing_word(core):
            return False
        found = found or bool(core)
    return found


def _is_missing_word(core: str) -> bool:
    return core in MISSING_WORDS or all(one in DASHES or unicodedata.category(one) in NO_INK for one in core)


def to_python(value: Any) -> Any:
    """Return a number of numpy, a column of pandas or an enum's member as Python's value; other values unchanged."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, int | float | list | tuple | Mapping | memoryview | type):
        return float(value) if isinstance(value, float) else value
    for name in PYTHON_METHODS:
        if callable(method := getattr(value, name, None)):
            try:
                return method()
            except Exception:  # noqa: BLE001  it isn't such a value
                return value
    return value


def whole(value: Any) -> int | None:
    """Return a whole number for 5, 5.0, "5" and " 5.0 ", of any library; None for True, 3.5, "abc" and nan."""
    value = to_python(value)
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]{1,9}(\.0*)?", value.strip(), re.ASCII):
            return None
    elif isinstance(value, bool | bytes | bytearray):
        return None
    try:
        number = float(value)
    except Exception:  # noqa: BLE001  too large, or no number at all
        return None
    return int(number) if number.is_integer() else None


def literal(text: str) -> Any:
    """Return the value of JSON, of a Python ``repr``, or of what numpy prints: ``['a' 'b']``, ``[np.str_('a')]``.

    :raises ValueError: it is none of them
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(_as_python(text))
    except NO_LITERAL as error:
        raise ValueError(str(error)) from error


def _as_python(text: str) -> str:
    """Put a comma between neighbouring texts, which Python would join, and None in place of nan."""
    parts: list[str] = []
    before = (0, "")
    for token in tokenize.generate_tokens(iter([*text.strip().splitlines(keepends=True)]).__next__):
        kind, word = token.type, token.string
        if kind == tokenize.STRING and before[0] == tokenize.STRING:
            parts.append(",")
        elif kind == tokenize.NAME and before[1] == "." and parts[-2:-1] == ["np"]:
            parts[-2:] = []  # np.str_('a')
            word = ""
        elif kind == tokenize.NAME:
            word = "None" if word.casefold() in MISSING_WORDS else LITERALS.get(word.casefold(), word)
        if kind != tokenize.NL:
            before = (kind, word)
        parts.append(word)
    return " ".join(parts)


def kind_of(value: Any) -> str:
    """Return what a value is, for a sentence."""
    return KINDS.get(type(value), f"a {type(value).__name__}")


def as_list(value: Any, most: int | None = None) -> list[Any] | None:
    """Return the items of a list that a template or a table may have changed; None: it can't be read as a list.

    :param value: a list or another sequence; the text of one; or URLs with ``,`` ``;`` ``|`` or white space between
    :param most: how many of its items to read; None: all
    """
    value = to_python(value)
    if is_missing(value):
        return []
    if isinstance(value, str):
        text = value.strip()
        if len(text) > LONGEST_TEXT:
            return [text]
        printed = PRINTED_LIST.fullmatch(text)
        if not printed and not text.startswith(("[", "(")):
            return split_urls(text)
        try:
            value = literal(text)
        except ValueError:
            urls = split_urls(printed[1]) if printed else []
            return urls if urls and all(map(URL_LIKE.fullmatch, urls)) else None
    if isinstance(value, Sequence | ValuesView) and not isinstance(value, str | bytes | bytearray | memoryview):
        return list(islice(value, most))
    return None


def split_urls(text: str) -> list[str]:
    """Return the URLs of a text. A separator counts only before a URL, because a URL may contain one."""
    text = AT_THE_ENDS.sub("", text)
    if any(AMBIGUOUS.search(word) for word in text.split()):
        return [text]
    return [part.strip("'\"<>") for part in BETWEEN_URLS.split(text)]


def is_glued(url: str) -> bool:
    """Return whether several URLs are in one. One in another's path or query (``…?u=https://…``) doesn't count."""
    url = url.strip()
    if len(url) > LONGEST_URL:
        return False
    if AMBIGUOUS.search(url) or BETWEEN_URLS.search(url):
        return True
    ends = [found.start() for found in re.finditer("://", url)]
    return any(not INSIDE_A_URL.search(url[:end]) for end in ends[1:])
