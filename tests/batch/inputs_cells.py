"""What is in a row: what is right for each kind of value and name (CASES.md A4 to A6, C16)."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import StrEnum

from tests.batch.inputs import (
    KITE,
    Kind,
    U,
    V,
    cell,
    images,
    library,
)


class Ratio(StrEnum):
    WIDE = "16:9"


CELLS: dict[str, Kind] = {
    "list": Kind(cell([U, V]), images(U, V)),
    "array of numpy": Kind(library("numpy", lambda np: cell(np.array([U, V]))), images(U, V)),
    "Series of pandas": Kind(library("pandas", lambda pd: cell(pd.Series([U, V]))), images(U, V)),
    "Series of polars": Kind(library("polars", lambda pl: cell(pl.Series([U, V]))), images(U, V)),
    "set": Kind(cell({U, V}), "must be a list of URLs"),
    "text of a JSON list": Kind(cell(json.dumps([U, V])), images(U, V)),
    "text of a Python list": Kind(cell(repr([U, V])), images(U, V)),
    "list printed by numpy": Kind(cell(f"['{U}' '{V}']"), images(U, V)),
    "list printed by numpy, in lines": Kind(cell(f"['{U}'\n '{V}']"), images(U, V)),
    "list printed by numpy, cut": Kind(cell(f"['{U}' ... '{V}']"), "must be a list of URLs"),
    "repr of an array": Kind(cell(f"array(['{U}', '{V}'], dtype=object)"), images(U, V)),
    "repr of types of numpy": Kind(cell(f"[np.str_('{U}'), np.str_('{V}')]"), images(U, V)),
    "list without quotes": Kind(cell(f"[{U}, {V}]"), images(U, V)),
    "array of PostgreSQL": Kind(cell(f"{{{U},{V}}}"), images(U, V)),
    "column printed by pandas": Kind(cell(f"0    {U}\n1    {V}\ndtype: object"), "row 1: reference_images"),
    **{
        f"separated by {name}": Kind(cell(f"{U}{sep}{V}"), images(U, V))
        for name, sep in {
            "a comma": ",",
            "a comma and a space": ", ",
            "a semicolon": ";",
            "a bar": "|",
            "a space": " ",
            "a line": "\n",
            "a tab": "\t",
            "a written line end": "\\n",
            "a written CRLF": "\\r\\n",
            "a Chinese comma": "，",
            "a bar in spaces": " | ",
        }.items()
    },
    **{
        f"glued by {name}": Kind(cell(f"{U}{sep}{V}"), "row 1: reference_images")
        for name, sep in {
            "nothing": "",
            "an ampersand": "&",
            "an encoded line end": "%0A",
            "a plus": "+",
            "a tag": "<br>",
            "a word": " and ",
            "a hyphen": "-",
            "an at sign": "@",
            "a hash": "#",
            "a tilde": "~",
            "an underscore": "_",
            "a dollar": "$",
        }.items()
    },
    "separator at the end": Kind(cell(f"{U},{V},\n"), images(U, V)),
    "with a relative one": Kind(cell(f"{U},//cdn.example.com/b.png"), "row 1: reference_images[1]"),
    "with a data URL": Kind(cell(f"{U},data:image/png;base64,iVBORw0KGgo="), "row 1: reference_images[1]"),
    "commas in a path": Kind(
        cell("https://cdn.example.com/w_300,h_200/a.png"), images("https://cdn.example.com/w_300,h_200/a.png")
    ),
    "URL in a query": Kind(cell(f"https://proxy.example.com/?u={U}"), images(f"https://proxy.example.com/?u={U}")),
    "URL in a path": Kind(cell(f"https://proxy.example.com/fit/{U}"), images(f"https://proxy.example.com/fit/{U}")),
    "two URLs in paths": Kind(
        cell(f"https://p.example.com/fit/{U} https://p.example.com/fit/{V}"),
        images(f"https://p.example.com/fit/{U}", f"https://p.example.com/fit/{V}"),
    ),
    "URL in a query, and who knows": Kind(cell(f"https://proxy.example.com/?u={U},{V}"), "seems to hold several"),
    "item of a list that holds two": Kind(cell([f"{U},{V}"]), "seems to hold several"),
    "single field with two": Kind(
        [{"prompt": "A kite", "first_image": f"{U},{V}", "last_image": V}], "first_image: must be one URL"
    ),
    "single field with two lines": Kind(
        [{"prompt": "A kite", "first_image": f"{U}\n{V}", "last_image": V}], "first_image: must be one URL"
    ),
    "single field with a list": Kind(
        [{"prompt": "A kite", "first_image": [U, V], "last_image": V}], "row 1: first_image"
    ),
    "missing value in a list": Kind(cell(f"['{U}', nan]"), images(U)),
    "bracket alone": Kind(cell("["), "must be a list of URLs"),
    "other spellings": Kind(
        [{"Prompt": "A kite", "referenceImages": [U], "DURATION": 5}], [KITE | {"referenceImages": [U]}]
    ),
    "frames, spelled as the API's siblings do": Kind(
        [{"prompt": "A kite", "firstImage": U, "lastImage": V}], [{"first_image": U, "last_image": V}]
    ),
    "duration of numpy": Kind(library("numpy", lambda np: cell(np.int64(5), "duration")), [KITE]),
    "duration of numpy, with a point": Kind(library("numpy", lambda np: cell(np.float32(5), "duration")), [KITE]),
    "duration 5.0": Kind(cell(5.0, "duration"), [KITE]),
    "duration '5.0'": Kind(cell("5.0", "duration"), [KITE]),
    "duration of Decimal": Kind(cell(Decimal(5), "duration"), [KITE]),
    "duration 5.5": Kind(cell(5.5, "duration"), "row 1: duration"),
    "duration True": Kind(cell(True, "duration"), "row 1: duration"),
    "ratio of an enum": Kind(cell(Ratio.WIDE, "ratio"), [{"ratio": "16:9"}]),
    "prompt that is a number as text": Kind([{"prompt": "2024"}], [{"prompt": "2024"}]),
    "prompt that is a number": Kind([{"prompt": 2024}], "row 1: prompt"),
    "prompt that is a truth value as text": Kind([{"prompt": "False"}], "a truth value"),
    "prompt that is an object, printed": Kind([{"prompt": "<Task object at 0x7f1c2a>"}], "prints of an object"),
    "prompt that is an object of JavaScript, printed": Kind([{"prompt": "[object Object]"}], "prints of an object"),
    "prompt without a letter": Kind([{"prompt": "...?"}], "has no letter"),
    "prompt of one picture": Kind([{"prompt": "🦊"}], [{"prompt": "🦊"}]),
    "prompt that begins with a missing word": Kind(
        ["None of the lights are on", "Nan bakes"], [{"prompt": "None of the lights are on"}, {"prompt": "Nan bakes"}]
    ),
    "unknown field without a value": Kind([KITE | {"colour": None, "Unnamed: 3": float("nan"), "": ""}], [KITE]),
    "unknown field": Kind([KITE | {"colour": "red"}], "row 1: colour"),
    "names that differ in case": Kind([KITE | {"name": "Cat"}, KITE | {"name": "cat"}], "row 2: name"),
    "names that differ in their suffix": Kind([KITE | {"name": "shoe"}, KITE | {"name": "shoe.MP4"}], "row 2: name"),
    "name that Windows reserves": Kind([KITE | {"name": "con"}], "row 1: name"),
    "name that Windows reserves, with an ending": Kind([KITE | {"name": "LPT1.x"}], "row 1: name"),
    "name with a dot at its end": Kind([KITE | {"name": "shoe."}], "row 1: name"),
    "name that is a suffix": Kind([KITE | {"name": ".mp4"}], "row 1: name"),
}

MISSING = {
    "None": None,
    "NaN": float("nan"),
    "Decimal NaN": Decimal("NaN"),
    "empty list": [],
    "empty object": {},
    "empty tuple": (),
    **{
        repr(word): word
        for word in (
            "",
            " ",
            "None",
            "none",
            "null",
            "NULL",
            "NaN",
            "nan",
            "NaT",
            "#N/A",
            "#n/a",
            "N/A",
            "NA",
            "<NA>",
            "undefined",
            "nil",
            "[]",
            "{}",
            "()",
            "[None]",
            "''",
            '""',
            "-",
            "--",
            "—",
            "–",
            "−",
            "(null)",
            "[NULL]",
            "\\N",
            "#REF!",
            "#NAME?",
            "#DIV/0!",
            "np.nan",
            "pd.NA",
            "float('nan')",
            "np.float64(nan)",
            "None None",
            "None.",
            " None\n",
            "\u200b",
            "\ufeff",
            "\u00a0",
            "____",
        )
    },
}
