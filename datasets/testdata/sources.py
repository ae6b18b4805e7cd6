"""Writes testdata/sources: one small data set in the files of the libraries that people have it from.

Eight pictures of 8×8, of three classes, as Hugging Face datasets, webdataset and pandas write them, and sixteen vectors
as NumPy and pandas do. sources.json says what is in them. Run in this folder; versions are printed.
"""

import hashlib
import io
import json
import pathlib

import datasets
import numpy
import pandas
import webdataset
from PIL import Image

NAMES = ["newt", "hen", "kite"]
out = pathlib.Path("sources")
rng = numpy.random.default_rng(7)
labels = [0, 1, 2, 0, 1, 2, 0, 0]
pixels = [rng.integers(0, 256, (8, 8, 3), dtype=numpy.uint8) for _ in labels]


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


pictures = [png(array) for array in pixels]

# Hugging Face datasets: two shards of a split, ClassLabel, and one without labels (-1), as a test split of the hub.
features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
table = datasets.Dataset.from_dict(
    {"image": [{"bytes": b, "path": f"{i}.png"} for i, b in enumerate(pictures)], "label": labels}, features=features
)
(out / "hub/data").mkdir(parents=True, exist_ok=True)
for i in range(2):
    table.shard(2, i, contiguous=True).to_parquet(out / f"hub/data/train-{i:05d}-of-00002.parquet")
hidden = datasets.Dataset.from_dict(
    {"image": [{"bytes": b, "path": None} for b in pictures[:3]], "label": [-1, -1, 1]}, features=features
)
hidden.to_parquet(out / "hub/data/test-00000-of-00001.parquet")

# pandas: a column of structs, and one of bytes beside one of names, some of which are missing.
frame = pandas.DataFrame(
    {
        "picture": [{"bytes": b, "path": f"{i}.png"} for i, b in enumerate(pictures)],
        "raw": pictures,
        "species": [NAMES[label] if i != 3 else None for i, label in enumerate(labels)],
    }
)
frame.to_parquet(out / "pandas.parquet")

# pandas: a CSV file with an index, beside the pictures.
(out / "csv").mkdir(exist_ok=True)
for i, b in enumerate(pictures):
    (out / f"csv/picture {i}.png").write_bytes(b)
pandas.DataFrame(
    {
        "path": [f"picture {i}.png" for i in range(len(labels))],
        "label": [NAMES[label] if i != 3 else None for i, label in enumerate(labels)],
        "split": ["train"] * 6 + ["test"] * 2,
    }
).to_csv(out / "csv/labels.csv")

# webdataset: two shards with numbers, and one with JSON.
with webdataset.ShardWriter(str(out / "wds-%06d.tar"), maxcount=4, verbose=0, mtime=0) as sink:
    for i, label in enumerate(labels):
        sink.write({"__key__": f"sample{i:04d}", "png": pictures[i], "cls": label})
with webdataset.TarWriter(str(out / "json.tar"), mtime=0) as sink:
    for i, label in enumerate(labels):
        about = {"label": NAMES[label], "width": 8} if i != 3 else {"width": 8}
        sink.write({"__key__": f"deep/{i}", "png": pictures[i], "json": about})

# Vectors.
vectors = rng.standard_normal((16, 5)).astype(numpy.float32)
groups = numpy.arange(16) % 4
numpy.save(out / "vectors.npy", vectors)
numpy.save(out / "labels.npy", groups)
numpy.savez(out / "vectors.npz", x=vectors, y=groups)
numpy.savez_compressed(out / "names.npz", embeddings=vectors, labels=numpy.array(["a", "bb", "c", "d"])[groups])
pandas.DataFrame(
    {"embedding": list(vectors), "label": groups, "name": [f"group {g}" if g else None for g in groups]}
).to_parquet(out / "vectors.parquet")
columns = pandas.DataFrame(vectors.astype(numpy.float64), columns=[f"f{i}" for i in range(5)])
columns["target"] = groups
columns.to_parquet(out / "columns.parquet")

(out / "sources.json").write_text(
    json.dumps(
        {
            "pixels": [hashlib.sha256(array.tobytes()).hexdigest() for array in pixels],
            "labels": [NAMES[label] for label in labels],
            "vectors": [[float(v) for v in row] for row in vectors],
            "groups": [int(g) for g in groups],
        },
        indent=1,
    )
    + "\n"
)
print(*(f"{m.__name__} {m.__version__}" for m in (datasets, numpy, pandas, webdataset)))
