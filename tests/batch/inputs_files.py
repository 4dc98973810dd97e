"""Files of requests: what is right for each kind (CASES.md A2, A3, A9)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tests.batch.inputs import (
    ARRAY,
    CSV,
    DEFAULT,
    FRAME,
    KITE,
    KITES,
    LINES,
    PAIR,
    TWICE,
    Kind,
    Made,
    U,
    V,
    file,
    images,
    parquet,
)

FILES: dict[str, Kind] = {
    "CSV": Kind(file("r.csv", CSV), KITES),
    "CSV with semicolons": Kind(file("r.csv", CSV.replace(",", ";")), KITES),
    "CSV with tabs": Kind(file("r.csv", CSV.replace(",", "\t")), KITES),
    "CSV with bars": Kind(file("r.csv", CSV.replace(",", "|")), KITES),
    "CSV with semicolons, and commas in a prompt": Kind(
        file("r.csv", "prompt;duration\nA kite, red;5\n"), [{"prompt": "A kite, red"}]
    ),
    "CSV of Excel that names its separator": Kind(file("r.csv", "sep=;\n" + CSV.replace(",", ";")), KITES),
    "CSV with a mark": Kind(file("r.csv", CSV, "utf-8-sig"), KITES),
    "CSV in UTF-16": Kind(file("r.csv", CSV, "utf-16"), KITES),
    "CSV in UTF-16 without a mark": Kind(file("r.csv", CSV, "utf-16-le"), KITES),
    "CSV in UTF-16, big-endian": Kind(file("r.csv", b"\xfe\xff" + CSV.encode("utf-16-be")), KITES),
    "CSV in Latin-1": Kind(file("r.csv", "prompt\nein Bär\n", "latin-1"), "must be text in UTF-8"),
    "CSV with carriage returns alone": Kind(file("r.csv", CSV.replace("\n", "\r")), KITES),
    "TSV": Kind(file("r.tsv", CSV.replace(",", "\t")), KITES),
    "CSV of one column": Kind(file("r.csv", "prompt\nA kite\n\nA dog\n"), [{"prompt": "A kite"}, {"prompt": "A dog"}]),
    "CSV without a head": Kind(file("r.csv", "A kite,5\nA dog,3\n"), "must name the columns"),
    "CSV that is a web page": Kind(file("r.csv", "<html><body>Sign in</body></html>"), "must name the columns"),
    "CSV that is a workbook": Kind(file("r.csv", b"PK\x03\x04\x14\x00"), "a ZIP archive"),
    "CSV that is Parquet": Kind(file("r.csv", b"PAR1\x15\x04"), "Parquet"),
    "CSV with null characters": Kind(file("r.csv", b"prompt\nA\x00kite\n"), "null characters"),
    "CSV with padded rows beside a default": Kind(file("r.csv", CSV + ',\n , \n\n"",""\n'), KITES, DEFAULT),
    "CSV with missing values beside a default": Kind(file("r.csv", CSV + "NaN,NaN\n#N/A,\n"), KITES, DEFAULT),
    "CSV with empty columns at the end": Kind(file("r.csv", "prompt,duration,,\nA kite,5,,\nA dog,,,\n"), KITES),
    "CSV with an extra empty cell": Kind(file("r.csv", "prompt,duration\nA kite,5,\nA dog,,, \n"), KITES),
    "CSV with an extra cell": Kind(file("r.csv", "prompt,duration\nA kite,5,6\n"), "more cells than the head"),
    "CSV with short rows": Kind(file("r.csv", "prompt,duration\nA kite,5\nA dog\n"), KITES),
    "CSV with the index of pandas": Kind(file("r.csv", ",prompt\n0,A kite\n"), "Unnamed: 0"),
    "CSV with an empty index": Kind(file("r.csv", ",prompt\n,A kite\n"), [{"prompt": "A kite"}]),
    "CSV with a column twice": Kind(file("r.csv", "prompt,prompt\nA kite,A dog\n"), "must name a column once"),
    "CSV with one column under two names": Kind(
        file("r.csv", f"prompt,referenceImages,reference_images\nA kite,{U},{V}\n"), "given once"
    ),
    "CSV with other spellings": Kind(
        file("r.csv", f" Prompt , DURATION,referenceImages,Last Image\nA kite,5,{U},\n"),
        [KITE | {"referenceImages": [U]}],
    ),
    "CSV with a bad quote": Kind(file("r.csv", 'prompt\n"A" kite\n'), "must be CSV"),
    "JSON Lines": Kind(file("r.jsonl", LINES), KITES),
    "JSON Lines with a mark": Kind(file("r.jsonl", LINES, "utf-8-sig"), KITES),
    "JSON Lines in UTF-16": Kind(file("r.jsonl", LINES, "utf-16"), KITES),
    "JSON Lines encoded twice": Kind(file("r.jsonl", TWICE), KITES),
    "JSON Lines with empty objects beside a default": Kind(
        file("r.jsonl", LINES + '{}\nnull\n{"prompt": null}\n{"prompt": NaN}\n""\n'), KITES, DEFAULT
    ),
    "JSON Lines with a list in a line": Kind(file("r.jsonl", '{"prompt": "A kite"}\n["A dog"]\n'), "row 2: request"),
    "JSON Lines with a number in a line": Kind(file("r.jsonl", '{"prompt": "A kite"}\n5\n'), "row 2: request"),
    "JSON Lines with a field twice": Kind(file("r.jsonl", '{"prompt": "A kite", "prompt": "A dog"}\n'), "named twice"),
    "JSON Lines with a broken line": Kind(file("r.jsonl", '{"prompt": "A kite"}\n{"prompt": \n'), "line 2"),
    "JSON Lines in a .json": Kind(file("r.json", LINES), KITES),
    "JSON array": Kind(file("r.json", ARRAY), KITES),
    "JSON array in lines": Kind(file("r.json", json.dumps(PAIR, indent=2)), KITES),
    "JSON array in a .jsonl": Kind(file("r.jsonl", json.dumps(PAIR, indent=2)), KITES),
    "JSON array that is cut": Kind(file("r.json", json.dumps(PAIR, indent=2)[:-9]), "must be a JSON array"),
    "JSON array of columns": Kind(file("r.json", json.dumps(FRAME)), "row 1: prompt"),
    "JSON object of columns, as pandas writes it": Kind(
        file("r.json", '{"prompt":{"0":"A kite"},"duration":{"0":5}}'), "row 1: prompt"
    ),
    "JSON object around the rows": Kind(file("r.json", json.dumps({"rows": PAIR})), "isn't a field"),
    "JSON text of an array": Kind(file("r.json", json.dumps(ARRAY)), "the text of a list"),
    "Parquet": Kind(parquet(PAIR), KITES),
    "Parquet with lists": Kind(parquet([{"prompt": "A kite", "reference_images": [U, V]}]), images(U, V)),
    "Parquet that is none": Kind(file("r.parquet", b"prompt\nA kite\n"), "must be a Parquet file"),
    "file of a path object": Kind(Made(lambda folder: Path(file("r.csv", CSV)(folder))), KITES),
    "folder": Kind(Made(lambda folder: (folder / "r.csv").mkdir() or str(folder / "r.csv")), "not a folder"),
    "workbook": Kind(file("r.xlsx", b"PK\x03\x04"), "requests"),
    "gzip of CSV": Kind(file("r.csv.gz", gzip.compress(CSV.encode())), KITES),
    "gzip of CSV in UTF-16": Kind(file("r.csv.gz", gzip.compress(CSV.encode("utf-16"))), KITES),
    "gzip of JSON Lines": Kind(file("r.jsonl.gz", gzip.compress(LINES.encode())), KITES),
    "gzip of a JSON array": Kind(file("r.json.gz", gzip.compress(ARRAY.encode())), KITES),
    "gzip without its ending": Kind(file("r.csv", gzip.compress(CSV.encode())), KITES),
    "gzip that the store has unpacked": Kind(file("r.csv.gz", CSV), KITES),
    "gzip that is cut": Kind(file("r.csv.gz", gzip.compress(CSV.encode())[:-9]), "whole gzip"),
}
