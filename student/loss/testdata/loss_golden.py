"""Writes loss_golden.json: values and gradients of the losses in PyTorch, float64, from the formulas.

    OMP_NUM_THREADS=2 python3 loss_golden.py > loss_golden.json
"""
import json
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def distances(x):
    square = (x[:, None] - x[None, :]).pow(2).sum(2).clamp(min=1e-12)
    off = 1 - torch.eye(len(x))
    return square.sqrt() * off


def rkd_distance(s, t):
    with torch.no_grad():
        dt = distances(t)
        dt = dt / dt[dt > 0].mean()
    ds = distances(s)
    return F.smooth_l1_loss(ds / ds[ds > 0].mean(), dt)


def angles(x):
    e = F.normalize(x[None, :] - x[:, None], p=2, dim=2)
    return torch.bmm(e, e.transpose(1, 2))


def rkd_angle(s, t):
    with torch.no_grad():
        at = angles(t)
    return F.smooth_l1_loss(angles(s), at)


def value_and_grad(f, s, *rest):
    s = s.clone().requires_grad_()
    value = f(s, *rest)
    value.backward()
    return {"value": value.item(), "grad": s.grad.flatten().tolist()}


def matrix(x):
    return {"rows": x.shape[0], "cols": x.shape[1], "data": x.flatten().tolist()}


def relational():
    g = torch.Generator().manual_seed(1)
    cases = []

    def add(name, s, t, angle_grad=True):
        angle = value_and_grad(rkd_angle, s, t)
        if not angle_grad:  # 1/1e-12 times a derivative: not a number to compare with
            del angle["grad"]
        cases.append({"name": name, "student": matrix(s), "teacher": matrix(t),
                      "distance": value_and_grad(rkd_distance, s, t), "angle": angle})

    def randn(n, d):
        return torch.randn(n, d, generator=g)

    add("two rows", randn(2, 3), randn(2, 2))
    add("three rows in one dimension", randn(3, 1), randn(3, 1))
    add("more dimensions than rows", randn(5, 9), randn(5, 17))
    add("more rows than dimensions", randn(19, 3), randn(19, 5))
    add("rows in several tiles", randn(45, 2), randn(45, 3))
    add("offset of 100", randn(9, 4) + 100, randn(9, 6) + 100)
    add("unequal scales", randn(9, 4) * 1e-3, randn(9, 6) * 1e3)
    far = randn(10, 3)
    far[0] *= 50
    add("distances beyond the transition", far, randn(10, 4))
    line = torch.linspace(-1, 1, 8)[:, None]
    add("angles beyond the transition", torch.cat([line, line * 0], 1),
        torch.stack([torch.cos(2 * line[:, 0]), torch.sin(2 * line[:, 0])], 1))
    s, t = randn(7, 3), randn(7, 4)
    s[4], t[4] = s[1], t[1]
    add("rows identical on both sides", s, t)
    s = randn(7, 3)
    s[4], s[6] = s[1], s[1]
    add("rows identical in the student", s, randn(7, 4), angle_grad=False)
    t = randn(7, 4)
    t[5] = t[2]
    add("rows identical in the teacher", randn(7, 3), t)
    return cases


def mine(kind, dist, labels):
    triples = []
    for a in range(len(labels)):
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        for p in range(len(labels)):
            if p == a or labels[p] != labels[a]:
                continue
            if kind == "all":
                triples += [(a, p, n) for n in negatives]
            elif kind == "hard":
                triples.append((a, p, min(negatives, key=lambda n: dist[a, n])))
            elif kind == "semi_hard":
                farther = [n for n in negatives if dist[a, n] > dist[a, p]]
                if farther:
                    triples.append((a, p, min(farther, key=lambda n: dist[a, n])))
                else:
                    triples.append((a, p, max(negatives, key=lambda n: dist[a, n])))
    return triples


def triplet(s, triples, margin, squared):
    a, p, n = (s[list(x)] for x in zip(*triples))
    near, far = (a - p).pow(2).sum(1), (a - n).pow(2).sum(1)
    if not squared:
        near, far = near.sqrt(), far.sqrt()
    return (near - far + margin).clamp(min=0).mean()


def triplets():
    g = torch.Generator().manual_seed(2)
    cases = []
    for labels, dim in (([0, 1, 0, 1, 2, 2, 0, 3], 4), ([7, 7, 7, -1, -1], 2)):
        s = F.normalize(torch.randn(len(labels), dim, generator=g), dim=1)
        for kind in ("all", "hard", "semi_hard"):
            for squared in (False, True):
                triples = mine(kind, torch.cdist(s, s), labels)
                cases.append({"miner": kind, "squared": squared, "margin": 0.3, "labels": labels, "student": matrix(s),
                              "triplet": value_and_grad(triplet, s, triples, 0.3, squared)})
    return cases


def probabilities(s, labels):
    d = s.shape[1]
    dist = distances(s).clamp(min=0.5)
    log_weight = (2 - d) * dist.log() - (d - 3) / 2 * (1 - dist.pow(2) / 4).log()
    negative = (labels[:, None] != labels[None, :])
    log_weight[~(negative & (dist < 1.4))] = -float("inf")
    weight = (log_weight - log_weight.max(1, keepdim=True)[0]).exp()
    uniform = torch.isinf(log_weight).all(1)
    weight[uniform] = negative[uniform].double()
    return weight / weight.sum(1, keepdim=True)


def mining():
    g = torch.Generator().manual_seed(3)
    cases = []
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 3])
    for name, d, spread in (("16 dimensions", 16, 1.0), ("2 dimensions", 2, 1.0),
        ("a tight cluster, 128 dimensions", 128, 0.05)):
        s = torch.randn(len(labels), d, generator=g) * spread
        s[:, 0] += 1 if spread < 1 else 0
        s = F.normalize(s, dim=1)
        cases.append({"name": name, "student": matrix(s), "labels": labels.tolist(),
            "probability": probabilities(s, labels).flatten().tolist()})
    s = F.normalize(torch.randn(len(labels), 8, generator=g), dim=1)
    s[0], s[1] = -s[2], s[2] * 5
    cases.append({"name": "antipodes and a far row", "student": matrix(s), "labels": labels.tolist(),
                  "probability": probabilities(s, labels).flatten().tolist()})
    return cases


if __name__ == "__main__":
    json.dump({"relational": relational(), "triplet": triplets(), "mining": mining()}, sys.stdout,
        separators=(",", ":"))
    print()
