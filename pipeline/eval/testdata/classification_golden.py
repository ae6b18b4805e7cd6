"""Writes classification_golden.json: k-nearest-neighbour and top-K accuracy, normalised mutual information and
k-means, as scikit-learn computes them.

Run as: OMP_NUM_THREADS=2 python3 classification_golden.py > classification_golden.json

scikit-learn breaks ties of a vote by the order of the classes, which is not our rule: the cases have two classes and
odd K, or K = 1. k-means is compared where its optimum is found from nearly every start.
"""

import json

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score, top_k_accuracy_score
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier


def clusters(rng, n, d, classes, spread):
    y = rng.integers(0, classes, n)
    x = rng.normal(size=(classes, d))[y] + spread * rng.normal(size=(n, d))
    return np.round(x, 4).astype(np.float32), y


def values(x):
    return [float(str(v)) for v in x.ravel()]


def knn(rng, n, d, classes, spread, ks):
    x, y = clusters(rng, n, d, classes, spread)
    want = {}
    for k in ks:
        model = KNeighborsClassifier(n_neighbors=k, algorithm="brute")
        want[k] = float(cross_val_score(model, x.astype(np.float64), y, cv=LeaveOneOut()).mean())
    return {"n": n, "d": d, "embeddings": values(x), "labels": y.tolist(), "want": want}


def top_k(rng, n, c, ks):
    y = rng.integers(0, c, n)
    logits = np.round(rng.normal(size=(n, c)) + 1.5 * np.eye(c)[y], 4).astype(np.float32)
    assert all(len(set(row)) == c for row in logits.tolist()), "ties"
    want = {k: float(top_k_accuracy_score(y, logits, k=k, labels=range(c))) for k in ks}
    return {"n": n, "c": c, "logits": values(logits), "labels": y.tolist(), "want": want}


def nmi(u, v):
    return {"u": list(map(int, u)), "v": list(map(int, v)), "want": float(normalized_mutual_info_score(v, u))}


def k_means(rng, n, d, classes, spread):
    x, y = clusters(rng, n, d, classes, spread)
    model = KMeans(classes, n_init=30, max_iter=300, tol=0, random_state=0).fit(x.astype(np.float64))
    return {
        "n": n, "d": d, "embeddings": values(x), "labels": y.tolist(), "inertia": float(model.inertia_),
        "nmi": float(normalized_mutual_info_score(y, model.labels_)),
    }


rng = np.random.default_rng(7)
print(json.dumps({
    "knn": [knn(rng, 80, 3, 2, 1.0, [1, 3, 7, 21]), knn(rng, 120, 5, 6, 0.8, [1]), knn(rng, 41, 2, 2, 2.0, [1, 5, 39])],
    "top_k": [top_k(rng, 60, 8, [1, 2, 5, 8]), top_k(rng, 33, 3, [1, 2])],
    "nmi": [
        nmi(rng.integers(0, 4, 50), rng.integers(0, 5, 50)),
        nmi([0, 0, 1, 1, 2, 2], [7, 7, -3, -3, 0, 0]),
        nmi([0, 0, 0, 0], [0, 0, 1, 1]),
        nmi([0, 1, 0, 1], [0, 0, 1, 1]),
        nmi([0, 1, 2, 3, 4], [0, 0, 1, 1, 1]),
        nmi([3, 3, 3], [5, 5, 5]),
    ],
    "k_means": [k_means(rng, 90, 4, 3, 0.3), k_means(rng, 150, 6, 5, 0.5), k_means(rng, 100, 2, 2, 1.0)],
}))
