"""The other side of `make bench-peer`: the same work in PyTorch.

bench/peer starts this script and talks to it in lines of JSON. {"work": NAME, "arrays": [...]} gets a case ready and is
answered {}; {"repeat": N} runs it N times and is answered {"ms": a run's share of the time, "value": what the last run
gave}. Arrays are {"shape": [...], "data": float32, little-endian, base64}.

    python3 bench/peer.py --threads 2

Source of the losses: Park et al., Relational Knowledge Distillation, CVPR 2019, equations 5-9.
"""

import argparse
import base64
import json
import sys
import time
from typing import Any, Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Run = Callable[[], float]


def distances(x: Tensor) -> Tensor:
    """Euclidean distances (N,N) of the rows of x, squares clamped at 1e-12 before the root."""
    x = x - x.mean(0)  # else float32 loses the small distances
    gram = x @ x.t()
    return (gram.diagonal()[:, None] + gram.diagonal() - 2 * gram).clamp(min=1e-12).sqrt()


def distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber loss between the pairwise distances of student (N,Ds) and teacher (N,Dt), each over its own mean."""
    off = ~torch.eye(len(student), dtype=torch.bool)
    ours, theirs = (d / d[off].mean() for d in (distances(student) * off, distances(teacher) * off))
    return F.smooth_l1_loss(ours, theirs)


def angles(x: Tensor) -> Tensor:
    """Cosines (N,N,N) of the angle at row i between the directions to rows j and k."""
    unit = F.normalize(x[None, :, :] - x[:, None, :], dim=2)
    return unit @ unit.transpose(1, 2)


def relational(student: Tensor, teacher: Tensor) -> Tensor:
    """1 x distance + 2 x angle."""
    return distance_loss(student, teacher) + 2 * F.smooth_l1_loss(angles(student), angles(teacher))


def loss(student: Tensor, teacher: Tensor) -> Run:
    """Forward and backward of the relational losses."""
    student.requires_grad_()

    def run() -> float:
        student.grad = None
        value = relational(student, teacher)
        value.backward()
        return value.item()

    return run


def step(net: nn.Module, objective: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Run]:
    """Training steps of a network: forward, objective, backward, Adam, from the weights it is given."""

    def prepare(x: Tensor, target: Tensor, rate: Tensor, *weights: Tensor) -> Run:
        for parameter, weight in zip(net.parameters(), weights, strict=True):
            if parameter.shape != weight.shape:
                raise ValueError(f"a weight of shape {tuple(weight.shape)}, expected {tuple(parameter.shape)}")
            parameter.data = weight
        adam = torch.optim.Adam(net.train().parameters(), rate.item())

        def run() -> float:
            adam.zero_grad(set_to_none=True)
            value = objective(net(x), target)
            value.backward()
            adam.step()
            return value.item()

        return run

    return prepare


def demo() -> nn.Module:
    """The student of the demo: 8-16-32 with batch normalisation and pooling, dense 288 to 16."""
    layers: list[nn.Module] = []
    for inputs, width in ((1, 8), (8, 16), (16, 32)):
        layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(288, 16))


def conv() -> nn.Module:
    """Two convolutions with pooling, dense 3136 to 64 to 10."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 64), nn.ReLU(), nn.Linear(64, 10))


def mlp() -> nn.Module:
    """Dense 784 to 512 to 256 to 64."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(),
        nn.Linear(256, 64))


class Residual(nn.Module):
    """body(x) + shortcut(x)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


def resnet20() -> nn.Module:
    """The residual network for CIFAR with 20 layers, 1x1 convolutions where shapes change; dense 64 to 64."""
    def normed(inputs: int, width: int, kernel: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, width, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(width)]

    layers: list[nn.Module] = [*normed(3, 16, 3, 1), nn.ReLU()]
    inputs = 16
    for width in (16, 32, 64):
        for _ in range(3):
            stride = 1 if inputs == width else 2
            body = nn.Sequential(*normed(inputs, width, 3, stride), nn.ReLU(), *normed(width, width, 3, 1))
            shortcut = nn.Identity() if inputs == width else nn.Sequential(*normed(inputs, width, 1, stride))
            layers += [Residual(body, shortcut), nn.ReLU()]
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 64))


def mobilenet_v2() -> nn.Module:
    """MobileNetV2, batch normalisation folded into the convolutions, which pad as TensorFlow does; dense 1280 to 64."""
    def conv(inputs: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
        pad = kernel // 2 if stride == 1 else 0
        before: list[nn.Module] = [] if stride == 1 else [nn.ZeroPad2d((0, 1, 0, 1))]
        return [*before, nn.Conv2d(inputs, width, kernel, stride, pad, groups=groups)]

    layers: list[nn.Module] = [*conv(3, 32, 3, 2), nn.ReLU6()]
    inputs = 32
    for expansion, width, repeat, first in (
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for stride in [first] + [1] * (repeat - 1):
            wide = inputs * expansion
            body = nn.Sequential(
                *([*conv(inputs, wide), nn.ReLU6()] if expansion > 1 else []), *conv(wide, wide, 3, stride, wide),
                nn.ReLU6(), *conv(wide, width))
            layers.append(Residual(body, nn.Identity()) if stride == 1 and inputs == width else body)
            inputs = width
    return nn.Sequential(
        *layers, *conv(inputs, 1280), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 64))


@torch.no_grad()
def retrieval(x: Tensor, labels: Tensor) -> dict[str, float]:
    """Recall@1, Recall@5 and MAP@R of the rows of x (N,D), each compared with all the others."""
    squares = x.square().sum(1)
    dist = (squares[:, None] + squares - 2 * x @ x.t()).fill_diagonal_(torch.inf)
    relevant = (labels[:, None] == labels).sum(1, keepdim=True) - 1  # (N,1): R of each query
    deepest = max(5, int(relevant.max()))
    hit = labels[dist.topk(deepest, largest=False).indices] == labels[:, None]  # (N,deepest), nearest first
    rank = torch.arange(1, deepest + 1)
    gain = hit.cumsum(1) / rank * hit * (rank <= relevant) / relevant
    return {
        "recall@1": hit[:, 0].float().mean().item(), "recall@5": hit[:, :5].any(1).float().mean().item(),
        "map@r": gain.sum(1).mean().item(),
    }


WORK: dict[str, Callable[..., Run]] = {
    "loss": loss,
    "step/demo": step(demo(), F.mse_loss),
    "step/demo+rkd": step(demo(), relational),
    "step/conv": step(conv(), F.mse_loss),
    "step/mlp": step(mlp(), F.mse_loss),
    "step/resnet20": step(resnet20(), F.mse_loss),
    "step/mobilenet_v2": step(mobilenet_v2(), F.mse_loss),
    "eval": lambda x, labels: lambda: retrieval(x, labels)["map@r"],
}


def tensor(sent: dict[str, Any]) -> Tensor:
    values = np.frombuffer(base64.b64decode(sent["data"]), "<f4").reshape(sent["shape"])
    return torch.from_numpy(values.copy())


def measure(run: Run, repeat: int) -> dict[str, float]:
    start = time.perf_counter()
    for _ in range(repeat):
        value = run()
    return {"ms": (time.perf_counter() - start) * 1e3 / repeat, "value": value}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    for line in sys.stdin:
        request = json.loads(line)
        if "work" in request:
            run = WORK[request["work"]](*map(tensor, request["arrays"]))
            answer = {}
        else:
            answer = measure(run, request["repeat"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
