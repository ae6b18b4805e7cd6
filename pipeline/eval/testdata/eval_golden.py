"""Writes eval_golden.json: small retrieval problems with the scores that scikit-learn and NumPy give.

Run as: OMP_NUM_THREADS=2 python3 eval_golden.py > eval_golden.json

Neighbours come from scikit-learn's brute-force search in float64. Of equal distances the lower row comes first, which a
stable sort of (distance, row) does. Duplicated rows make such ties; their distances are equal in float64 too.
"""

import json

import numpy as np
from sklearn.neighbors import NearestNeighbors


def scores(x, y, ks):
    n = len(y)
    distances, neighbours = (
        NearestNeighbors(n_neighbors=n, algorithm="brute", metric="euclidean").fit(x).kneighbors(x)
    )
    recall = {k: [] for k in ks}
    average, share = [], []
    for q in range(n):
        order = np.lexsort((neighbours[q], np.round(distances[q], 9)))
        ranked = [j for j in neighbours[q][order] if j != q]
        relevant = y[ranked] == y[q]
        r = int(relevant.sum())
        if r == 0:
            continue
        for k in ks:
            recall[k].append(relevant[:k].any())
        precision = np.cumsum(relevant[:r]) / np.arange(1, r + 1)
        average.append((precision * relevant[:r]).sum() / r)
        share.append(relevant[:r].mean())
    return {
        "recall": {str(k): float(np.mean(v)) for k, v in recall.items()},
        "r_precision": float(np.mean(share)),
        "map_at_r": float(np.mean(average)),
        "queries": len(average),
        "lone": n - len(average),
    }


def case(name, rng, n, d, classes, spread, duplicates=0, lone=0, shift=0.0):
    """Gaussian clusters of unequal sizes; some rows are copies of others, some classes have one sample."""
    y = np.sort(rng.integers(0, classes, n) ** 2 // classes)
    centres = rng.normal(size=(classes, d))
    x = centres[y] + spread * rng.normal(size=(n, d))
    y = y.astype(np.int32)
    y[:lone] = 100 + np.arange(lone)
    order = rng.permutation(n)
    x, y = x[order].astype(np.float32), y[order]
    for _ in range(duplicates):
        a, b = rng.choice(n, 2, replace=False)
        x[a] = x[b]
    x = (np.round(x, 4) + np.float32(shift)).astype(np.float32)
    ks = [1, 2, 5, n - 1]
    return {
        "name": name, "n": n, "d": d, "embeddings": [float(str(v)) for v in x.ravel()], "labels": y.tolist(),
        "ks": ks, "want": scores(x.astype(np.float64) - x.astype(np.float64).mean(0), y, ks),
    }


rng = np.random.default_rng(20)
print(json.dumps([
    case("clusters that overlap", rng, 60, 3, 4, 1.0),
    case("clusters apart", rng, 40, 5, 3, 0.05),
    case("duplicates", rng, 50, 4, 4, 0.8, duplicates=25),
    case("classes of one sample", rng, 45, 4, 5, 0.8, duplicates=10, lone=6),
    case("far from the origin", rng, 40, 6, 4, 0.8, shift=1000.0),
    case("more samples than a block", rng, 210, 2, 6, 0.7, duplicates=40, lone=2),
]))
