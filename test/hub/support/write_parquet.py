"""Parquet files as the hub's data sets are laid out, from ours.

needs: pip install pyarrow
usage: write_parquet.py sst2 IN.tsv OUT.parquet | glue IN.tsv OUT.parquet [CLASS CLASS] | wikitext IN.txt OUT.parquet

GLUE's SST-2: sentence (string, ends with a space in train), label (ClassLabel stored as int64), idx (int32).
Others of GLUE: the TSV's columns by name, label as above with the classes' names where given, all else string.
Salesforce/wikitext: text (string), a line a row with its line end; a line of white space is an empty string.
Row groups of 1,000 rows and snappy, as the datasets library writes them.
"""
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq

kind, source, target = sys.argv[1:4]
with open(source, encoding="utf-8", newline="\n") as file:
    text = file.read()
if kind == "sst2":
    rows = [line.split("\t") for line in text.split("\n")[1:] if line]
    columns = {
        "sentence": pa.array([sentence + " " for sentence, _ in rows], pa.string()),
        "label": pa.array([int(label) for _, label in rows], pa.int64()),
        "idx": pa.array(range(len(rows)), pa.int32()),
    }
    label = {"names": ["negative", "positive"], "_type": "ClassLabel"}
    features = {
        "sentence": {"dtype": "string", "_type": "Value"},
        "label": label,
        "idx": {"dtype": "int32", "_type": "Value"},
    }
elif kind == "glue":
    names, *rows = [line.split("\t") for line in text.split("\n") if line]
    columns = {
        name: pa.array([int(row[at]) for row in rows], pa.int64())
        if name == "label"
        else pa.array([row[at] for row in rows], pa.string())
        for at, name in enumerate(names)
    }
    classes = sys.argv[4:]
    features = {"label": {"names": classes, "_type": "ClassLabel"}} if classes else {}
else:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    columns = {"text": pa.array([line + "\n" if line.strip() else "" for line in lines], pa.string())}
    features = {"text": {"dtype": "string", "_type": "Value"}}
metadata = {"huggingface": json.dumps({"info": {"features": features}})}
table = pa.table(columns).replace_schema_metadata(metadata)
pq.write_table(table, target, compression="snappy", row_group_size=1000)
print(pa.__version__, table.num_rows)
