"""Writes gram_golden.json: values and gradients of SP, PKT and CC in PyTorch, float64, as public code computes them;
bilinear CC, of which there is none, from its formula.

    OMP_NUM_THREADS=2 python3 gram_golden.py > gram_golden.json
"""
import json
import math
import sys

import torch
import torch.nn.functional as F

from loss_golden import matrix, value_and_grad

torch.set_default_dtype(torch.float64)


def sp(s, t):
    gs, gt = F.normalize(s @ s.t()), F.normalize(t @ t.t())
    return (gt - gs).pow(2).sum() / len(s) ** 2


def pkt(s, t, eps=1e-7):
    def conditional(x):
        y = x / (x.pow(2).sum(1, keepdim=True).sqrt() + eps)
        k = (y @ y.t() + 1) / 2
        return k / k.sum(1, keepdim=True)

    p, q = conditional(s), conditional(t)
    return (q * torch.log((q + eps) / (p + eps))).mean()


def cc_gaussian(s, t, gamma, order):
    def kernel(x):
        y = F.normalize(x, p=2, dim=-1)
        c = y @ y.t()
        return sum(math.exp(-2 * gamma) * (2 * gamma) ** p / math.factorial(p) * c.pow(p) for p in range(order + 1))

    return F.mse_loss(kernel(s), kernel(t))


def cc_bilinear(s, t):
    return F.mse_loss(s @ s.t(), t @ t.t())


def main():
    g = torch.Generator().manual_seed(4)

    def randn(n, d):
        return torch.randn(n, d, generator=g)

    batches = [("two rows", randn(2, 3), randn(2, 2)), ("more dimensions than rows", randn(5, 9), randn(5, 17)),
               ("several tiles", randn(37, 3), randn(37, 5)), ("offset of 100", randn(9, 4) + 100, randn(9, 6) + 100),
               ("unequal scales", randn(9, 4) * 1e-3, randn(9, 6) * 1e2)]
    s, t = randn(7, 3), randn(7, 4)
    s[4], t[5] = s[1], t[2]
    batches.append(("identical rows", s, t))
    cases = []
    for name, s, t in batches:
        case = {"name": name, "student": matrix(s), "teacher": matrix(t), "sp": value_and_grad(sp, s, t),
                "pkt": value_and_grad(pkt, s, t), "bilinear": value_and_grad(cc_bilinear, s, t)}
        case["gaussian"] = [dict(value_and_grad(cc_gaussian, s, t, gamma, order), gamma=gamma, order=order)
                            for gamma, order in ((0.4, 2), (1.5, 1), (2.0, 6))]
        cases.append(case)
    json.dump(cases, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
