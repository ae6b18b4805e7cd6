"""Golden values of optimisers, schedules and clipping from PyTorch, in float64.

Run as: python3 optim_golden.py > optim_golden.json
"""
import json

import torch

torch.manual_seed(1)
STEPS = 5
START = torch.randn(6, dtype=torch.float64)
GRADS = torch.randn(STEPS, 6, dtype=torch.float64)

CASES = {
    "sgd": (torch.optim.SGD, dict(lr=0.1)),
    "sgd momentum decay": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.01)),
    "adam": (torch.optim.Adam, dict(lr=0.01)),
    "adam decay betas": (torch.optim.Adam, dict(lr=0.01, weight_decay=0.1, betas=(0.8, 0.95), eps=1e-6)),
    "adamw": (torch.optim.AdamW, dict(lr=0.01, weight_decay=0.1)),
}


def trajectory(kind, options):
    w = START.clone().requires_grad_()
    optimizer = kind([w], **options)
    path = []
    for g in GRADS:
        w.grad = g.clone()
        optimizer.step()
        path.append(w.detach().tolist())
    return path


def rates(make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = make(optimizer)
    values = []
    for _ in range(8):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


def clipped(limit):
    w = START.clone().requires_grad_()
    w.grad = GRADS[0].clone()
    norm = torch.nn.utils.clip_grad_norm_([w], limit)
    return {"limit": limit, "norm": norm.item(), "grad": w.grad.tolist()}


print(json.dumps({
    "start": START.tolist(),
    "grads": GRADS.tolist(),
    "paths": {name: trajectory(*case) for name, case in CASES.items()},
    "cosine": rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=8, eta_min=0.05)),
    "step": rates(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=2, gamma=0.3)),
    "clip": [clipped(0.5), clipped(100.0)],
}, indent=1))
