"""Writes similarity_golden.json: pairs of small matrices with what NumPy, SciPy and scikit-learn make of them.

Run as: OMP_NUM_THREADS=2 python3 similarity_golden.py > similarity_golden.json

CKA is computed from centred N×N kernel matrices, the other way round than in the feature space. Duplicated and whole
numbers make ties: SciPy gives tied distances their mean rank. Overlap of whole numbers is left out: neighbours are
ranked in float32, where their equal distances may differ in the last bit.
"""

import json

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors


def cka(a, b):
    n = len(a)
    centring = np.eye(n) - np.ones((n, n)) / n
    k, l = centring @ a @ a.T @ centring, centring @ b @ b.T @ centring
    return np.trace(k @ l) / np.sqrt(np.trace(k @ k) * np.trace(l @ l))


def nearest(x, k):
    n = len(x)
    distances, neighbours = NearestNeighbors(n_neighbors=n, algorithm="brute").fit(x).kneighbors(x)
    for i in range(n):
        order = np.lexsort((neighbours[i], np.round(distances[i], 9)))
        yield set([j for j in neighbours[i][order] if j != i][:k])


def overlap(a, b, k):
    return np.mean([len(p & q) / k for p, q in zip(nearest(a, k), nearest(b, k))])


def case(name, a, b, ks):
    a, b = a.astype(np.float32), b.astype(np.float32)
    x, y = a.astype(np.float64), b.astype(np.float64)
    return {
        "name": name, "n": len(a), "da": a.shape[1], "db": b.shape[1],
        "a": [float(str(v)) for v in a.ravel()], "b": [float(str(v)) for v in b.ravel()],
        "cka": cka(x, y), "spearman": spearmanr(np.round(pdist(x) ** 2, 9), np.round(pdist(y) ** 2, 9))[0],
        "overlap": {str(k): overlap(x - x.mean(0), y - y.mean(0), k) for k in ks},
    }


rng = np.random.default_rng(7)
a = np.round(rng.normal(size=(40, 6)), 4)
duplicated = a[rng.integers(0, 12, 40)]
print(json.dumps([
    case("unrelated", a, np.round(rng.normal(size=(40, 3)), 4), [1, 5, 39]),
    case("projected", a, np.round(a @ rng.normal(size=(6, 4)) + 0.1 * rng.normal(size=(40, 4)), 4), [1, 5]),
    case("far from the origin", a + 1000, np.round(a[:, :2] * 3 - 500, 2), [1, 5]),
    case("whole numbers", rng.integers(0, 3, size=(30, 2)), rng.integers(0, 3, size=(30, 3)), []),
    case("duplicates", duplicated, np.round(duplicated[:, :3], 1), [2, 7]),
]))
