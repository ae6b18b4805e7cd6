"""Writes logit_golden.json: losses on logits, on episodes, and behind learned projections, in PyTorch, float64.

    OMP_NUM_THREADS=2 python3 logit_golden.py > logit_golden.json

The last bits depend on PyTorch's version and on the processor: the file of PyTorch 2.15 differs from that of 1.13 by
1.2e-15 of a vector's largest value. The tests allow 1e-9, or 1e-12 behind projections, so that neither needs another
file.
"""
import json
import sys

import torch
import torch.nn.functional as F

from loss_golden import matrix, value_and_grad

torch.set_default_dtype(torch.float64)


def cross_entropy(s, labels, smoothing):
    return F.cross_entropy(s, labels, label_smoothing=smoothing)


def hkd(s, t, temperature, square):
    value = F.kl_div(F.log_softmax(s / temperature, 1), F.softmax(t / temperature, 1), reduction="batchmean")
    return value * temperature ** 2 if square else value


def prototypical(s, labels, shots):
    support, query, classes = [], [], labels.unique()
    for y in classes:
        rows = (labels == y).nonzero().flatten()
        support.append(s[rows[:shots]].mean(0))
        query.append(rows[shots:])
    logits = -torch.cdist(s[torch.cat(query)], torch.stack(support), compute_mode="donot_use_mm_for_euclid_dist").pow(2)
    target = torch.cat([torch.full((len(q),), k) for k, q in enumerate(query)])
    return F.cross_entropy(logits, target)


def project(s, w, b, kind, scale):
    if kind == "cosine":
        return scale * F.linear(F.normalize(s), F.normalize(w))
    return F.linear(s, w, b)


def main():
    g = torch.Generator().manual_seed(11)

    def randn(n, d):
        return torch.randn(n, d, generator=g)

    out = {"cross_entropy": [], "hkd": [], "prototypical": [], "projected": []}
    for s, labels in [(randn(1, 3), [2]), (randn(9, 5), [0, 1, 2, 3, 4, 4, 0, 1, 2]),
        (50 * randn(6, 4), [3, 0, 0, 1, 2, 2]),
                      (randn(4, 2) + 1000, [0, 1, 1, 0]), (randn(3, 1), [0, 0, 0])]:
        for smoothing in (0.0, 0.1, 0.9):
            out["cross_entropy"].append({"student": matrix(s), "labels": labels, "smoothing": smoothing,
                                         "loss": value_and_grad(cross_entropy, s, torch.tensor(labels), smoothing)})
    for s, t in [(randn(1, 3), randn(1, 3)), (3 * randn(9, 5), 3 * randn(9, 5)), (40 * randn(6, 4), 40 * randn(6, 4)),
                 (randn(4, 2) + 1000, randn(4, 2) - 1000)]:
        for temperature in (1.0, 4.0):
            for square in (False, True):
                out["hkd"].append({"student": matrix(s), "logits": matrix(t), "temperature": temperature,
                    "square": square,
                                   "loss": value_and_grad(hkd, s, t, temperature, square)})
    for s, labels, shots in [(randn(4, 3), [0, 1, 0, 1], 1), (randn(12, 4), [7, -2, 5] * 4, 2),
                             (randn(11, 2) + 100, [0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1], 3),
                             (3 * randn(8, 6), [1, 1, 0, 0, 2, 2, 2, 2], 1)]:
        out["prototypical"].append({"student": matrix(s), "labels": labels, "shots": shots,
                                    "loss": value_and_grad(prototypical, s, torch.tensor(labels), shots)})
    for n, d, c in ((2, 2, 3), (9, 5, 4), (7, 3, 11)):
        for kind, scale, bias in (("linear", 0, False), ("linear", 0, True), ("cosine", 0, False),
            ("cosine", 3, False)):
            s, w, b, t = (x.requires_grad_() for x in (randn(n, d), randn(c, d), randn(1, c)[0], randn(n, c)))
            value = F.mse_loss(project(s, w, b if bias else None, kind, scale or 16), t)
            value.backward()
            out["projected"].append({
                "kind": kind, "scale": scale, "bias": bias, "student": matrix(s), "target": matrix(t.detach()),
                "weight": matrix(w), "offset": b.tolist(), "loss": {"value": value.item(),
                    "grad": s.grad.flatten().tolist()},
                "weight_grad": w.grad.flatten().tolist(), "offset_grad": b.grad.tolist() if bias else []})
    out["logit_mse"] = []
    for s, t in [(randn(1, 3), randn(1, 3)), (3 * randn(9, 5), 3 * randn(9, 5)),
        (randn(4, 2) + 1000, randn(4, 2) - 1000)]:
        out["logit_mse"].append({"student": matrix(s), "logits": matrix(t), "loss": value_and_grad(F.mse_loss, s, t)})
    json.dump(out, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
