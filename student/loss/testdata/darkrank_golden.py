"""Writes darkrank_golden.json: values and gradients of hard DarkRank in PyTorch, float64, as in the code of Park et al.

    OMP_NUM_THREADS=2 python3 darkrank_golden.py > darkrank_golden.json
"""
import json
import sys

import torch
import torch.nn.functional as F

from loss_golden import distances, matrix, value_and_grad

torch.set_default_dtype(torch.float64)


def dark_rank(s, t, alpha, beta, length):
    nearest = distances(t).pow(beta).sort(dim=1)[1][:, 1:length + 1]
    score = torch.gather(-alpha * distances(s).pow(beta), 1, nearest)
    rest = torch.stack([score[:, k:].logsumexp(1) for k in range(score.shape[1])], 1)
    return -(score - rest).sum(1).mean()


def main():
    g = torch.Generator().manual_seed(5)
    cases = []
    for n, ds, dt, scale, alpha, beta, length in ((9, 4, 6, 0.5, 3, 3, 4), (24, 3, 5, 1, 3, 3, 4),
        (3, 2, 2, 0.5, 3, 3, 4),
                                                  (12, 4, 4, 0.7, 1, 1.5, 7), (12, 4, 4, 0.7, 0.5, 2, 2), (10, 5, 4, 0,
                                                      3, 3, 4)):
        s, t = torch.randn(n, ds, generator=g) * (scale or 1), torch.randn(n, dt, generator=g)
        if scale == 0:  # the paper's setting: unit rows
            s, t = F.normalize(s), F.normalize(t)
        cases.append(dict(value_and_grad(dark_rank, s, t, alpha, beta, length), student=matrix(s), teacher=matrix(t),
                          alpha=alpha, beta=beta, length=length))
    json.dump(cases, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
