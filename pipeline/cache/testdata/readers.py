"""Reads a cache's shards with pandas, Polars, DuckDB and Hugging Face datasets, as docs/cache.md shows.

    python readers.py DIR

prints one JSON object a library: the ids, paths, classes and embeddings that it sees. readers_test.go compares them
with what was written (make test-readers). It takes pandas, pyarrow, polars, duckdb and datasets.
"""

import glob
import json
import sys
import tempfile

import duckdb
import numpy as np
import pandas
import polars
from datasets import load_dataset

pattern = sys.argv[1] + "/shard-*.parquet"
files = sorted(glob.glob(pattern))


def tell(library, ids, paths, classes, embeddings, metadata, scales=None):
    embeddings = [np.asarray(e, np.float32) for e in embeddings]
    if scales is not None:  # int8
        embeddings = [e * np.float32(s) for e, s in zip(embeddings, scales)]
    json.dump({"library": library, "ids": [int(i) for i in ids], "paths": list(paths), "classes": list(classes),
               "embeddings": np.stack(embeddings).tolist(), "metadata": metadata}, sys.stdout)
    print()


frame = pandas.concat([pandas.read_parquet(f) for f in files])
tell("pandas", frame["id"], frame["path"], frame["class"], frame["embedding"], {}, frame.get("scale"))

table = polars.read_parquet(pattern)
about = polars.read_parquet_metadata(files[0])
tell("polars", table["id"], table["path"], table["class"], table["embedding"].to_list(),
    {"normalize": about["normalize"]}, table["scale"] if "scale" in table.columns else None)

scale = ", scale" if "scale" in table.columns else ""
rows = duckdb.sql(f"SELECT id, path, class, embedding{scale} FROM '{pattern}' ORDER BY id, view").fetchall()
about = dict(duckdb.sql(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{files[0]}')").fetchall())
columns = list(zip(*rows))
tell("duckdb", *columns[:4], {"normalize": about["normalize"]}, *columns[4:])

with tempfile.TemporaryDirectory() as scratch:
    data = load_dataset(sys.argv[1], split="train", cache_dir=scratch)
    tell("datasets", data["id"], data["path"], data["class"], data["embedding"],
        {"features": str(data.features), "class": data.features["label"].int2str(data["label"][0])}, data["scale"] if "scale" in data.features else None)
