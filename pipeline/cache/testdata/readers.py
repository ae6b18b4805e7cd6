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


def tell(library, ids, paths, classes, embeddings, metadata):
    json.dump({"library": library, "ids": [int(i) for i in ids], "paths": list(paths), "classes": list(classes),
               "embeddings": np.stack([np.asarray(e,
                   np.float32) for e in embeddings]).tolist(), "metadata": metadata}, sys.stdout)
    print()


frame = pandas.concat([pandas.read_parquet(f) for f in files])
tell("pandas", frame["id"], frame["path"], frame["class"], frame["embedding"], {})

table = polars.read_parquet(pattern)
about = polars.read_parquet_metadata(files[0])
tell("polars", table["id"], table["path"], table["class"], table["embedding"].to_list(),
    {"normalize": about["normalize"]})

rows = duckdb.sql(f"SELECT id, path, class, embedding FROM '{pattern}' ORDER BY id, view").fetchall()
about = dict(duckdb.sql(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{files[0]}')").fetchall())
tell("duckdb", *zip(*rows), {"normalize": about["normalize"]})

with tempfile.TemporaryDirectory() as scratch:
    data = load_dataset("parquet", data_files=files, split="train", cache_dir=scratch)
    tell("datasets", data["id"], data["path"], data["class"], data["embedding"],
        {"embedding": str(data.features["embedding"])})
