"""Writes embedding_golden.json: losses on labels, and on the teacher's rows one by one, in PyTorch, float64.

    OMP_NUM_THREADS=2 python3 embedding_golden.py > embedding_golden.json
"""
import json
import sys

import torch
import torch.nn.functional as F

from loss_golden import matrix, value_and_grad

torch.set_default_dtype(torch.float64)


def active_mean(x):
    x = x[x > 0]
    return x.mean() if len(x) else x.sum()


def contrastive(s, labels, margin):
    """pytorch-metric-learning's ContrastiveLoss: unsquared distances, averages over non-zero terms of each kind."""
    i, j = torch.triu_indices(len(s), len(s), 1)
    d = (s[i] - s[j]).pow(2).sum(1)
    d = torch.where(d > 1e-12, d.clamp(min=1e-12).sqrt(), d * 0)
    same = labels[i] == labels[j]
    return active_mean(d[same]) + active_mean((margin - d[~same]).clamp(min=0))


def multi_similarity(s, labels, alpha, beta, base, epsilon):
    """The authors' loop over anchors; the anchor itself is left out by its index."""
    sim = F.normalize(s) @ F.normalize(s).t()
    total = (s * 0).sum()
    for i in range(len(s)):
        others = torch.arange(len(s)) != i
        positive, negative = sim[i][(labels == labels[i]) & others], sim[i][labels != labels[i]]
        if len(positive) < 1 or len(negative) < 1:
            continue
        mined_negative = negative[negative + epsilon > positive.min()]
        mined_positive = positive[positive - epsilon < negative.max()]
        if len(mined_positive) < 1 or len(mined_negative) < 1:
            continue
        total = total + torch.log(1 + torch.exp(-alpha * (mined_positive - base)).sum()) / alpha
        total = total + torch.log(1 + torch.exp(beta * (mined_negative - base)).sum()) / beta
    return total / len(s)


def regression(s, t, kind):
    return F.mse_loss(s, t) if kind == "mse" else (1 - F.cosine_similarity(s, t, eps=1e-12)).mean()


def info_nce(s, t, temperature):
    return F.cross_entropy(F.normalize(s) @ F.normalize(t).t() / temperature, torch.arange(len(s)))


def main():
    g = torch.Generator().manual_seed(7)

    def randn(n, d):
        return torch.randn(n, d, generator=g)

    out = {"contrastive": [], "multi_similarity": [], "regression": [], "info_nce": []}
    twice = randn(7, 3)
    twice[4], twice[6] = twice[1], twice[1]
    labelled = [(randn(9, 4), [0, 1, 2] * 3), (randn(20, 6), [0, 1, 2, 3] * 5), (twice, [0, 1, 0, 2, 1, 0, 2]),
                (randn(8, 3) + 100, [5, 5, -1, -1, 3, 3, 3, 8])]
    for s, labels in labelled:
        y = torch.tensor(labels)
        for margin in (0.5, 2.0):
            out["contrastive"].append({"student": matrix(s), "labels": labels, "margin": margin,
                                       "loss": value_and_grad(contrastive, s, y, margin)})
        for alpha, beta, base, epsilon in ((2, 50, 0.5, 0.1), (1, 4, 0.2, 0.4)):
            out["multi_similarity"].append({"student": matrix(s), "labels": labels, "alpha": alpha, "beta": beta,
                "base": base,
                                            "epsilon": epsilon,
                                            "loss": value_and_grad(multi_similarity, s, y, alpha, beta, base, epsilon)})
    for s, t in [(randn(2, 3), randn(2, 3)), (randn(19, 5), randn(19, 5)), (randn(6, 4) + 100, randn(6, 4) + 100),
                 (twice, twice + 0.1 * randn(7, 3))]:
        for kind in ("mse", "cosine"):
            out["regression"].append({"student": matrix(s), "teacher": matrix(t), "kind": kind,
                                      "loss": value_and_grad(regression, s, t, kind)})
        for temperature in (0.07, 1.0):
            out["info_nce"].append({"student": matrix(s), "teacher": matrix(t), "temperature": temperature,
                                    "loss": value_and_grad(info_nce, s, t, temperature)})
    json.dump(out, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
