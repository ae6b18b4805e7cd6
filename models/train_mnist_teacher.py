"""Train, measure and export models/mnist-teacher.onnx, the teacher of the MNIST demo.

A batch-normalised convolutional network learns, by a triplet loss, an embedding of the digits 0-4; Recall@1,
Recall@5 and MAP@R are then measured on the digits 5-9 of the test split, which training never sees. The number of
epochs is fixed beforehand and the last weights are kept, so nothing is selected on the digits that measure it.

    python3 models/train_mnist_teacher.py --mnist DIR --out models/mnist-teacher.onnx

DIR holds the four gzip files of MNIST. Same seed, machine and number of threads give the same bytes. The defaults were
chosen with --classes and --unseen both taken from the digits 0-4.
"""

import argparse
import gzip
import hashlib
import inspect
import math
from pathlib import Path
from typing import Iterator, Sequence

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# PyTorch's exporter by TorchScript: newer versions choose another one unless told.
EXPORTER = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}


def read_idx(path: Path, rank: int) -> np.ndarray:
    """Read a gzip-compressed IDX file of unsigned bytes into an array of the shape that its header states."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:4] != bytes([0, 0, 8, rank]):
        raise ValueError(f"reading {path.name}: magic number 0x{raw[:4].hex()}, expected 0x0000080{rank}")
    shape = np.frombuffer(raw, ">u4", rank, 4).tolist()
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    if body.size != math.prod(shape):
        raise ValueError(f"reading {path.name}: {body.size} bytes of data, expected {math.prod(shape)} for {shape}")
    return body.reshape(shape)


def load_digits(folder: Path, split: str, classes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Images (N,1,28,28), scaled to x/255 - 0.5, and labels (N,) of some digits of a split ("train" or "t10k")."""
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz", 3)
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte.gz", 1)
    if len(images) != len(labels):
        raise ValueError(f"reading {split}: {len(labels)} labels for {len(images)} images, expected equal numbers")
    keep = np.isin(labels, classes)
    pixels = images[keep, None].astype(np.float32) / 255 - 0.5
    return torch.from_numpy(pixels), torch.from_numpy(labels[keep].astype(np.int64))


def conv_net(widths: Sequence[int], dim: int) -> nn.Sequential:
    """Blocks of 3x3 convolution, batch normalisation, ReLU and 2x2 max pooling on 28x28, then a dense layer."""
    layers, channels, side = [], 1, 28
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = width, side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, dim))


class Teacher(nn.Module):
    """The network that is exported: the embedding (N,D) as the dense layer gives it, and at unit length."""

    def __init__(self, widths: Sequence[int], dim: int) -> None:
        super().__init__()
        self.net = conv_net(widths, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.net(x)
        return raw, raw / raw.norm(2, dim=1, keepdim=True).clamp(min=1e-12)


def pk_batches(labels: Tensor, size: int, steps: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Indices of `steps` batches, equally many samples of every class cut to `size`; spent classes are reshuffled."""
    members = [torch.nonzero(labels == c).flatten() for c in labels.unique()]
    share = math.ceil(size / len(members))
    queues = [own[:0] for own in members]
    for _ in range(steps):
        for c, own in enumerate(members):
            if len(queues[c]) < share:
                queues[c] = own[torch.randperm(len(own), generator=rng)]
        batch = torch.cat([queue[:share] for queue in queues])
        queues = [queue[share:] for queue in queues]
        yield batch[torch.randperm(len(batch), generator=rng)[:size]]


def distances(x: Tensor) -> Tensor:
    """Euclidean distances (N,N) of the rows of x, squares clamped at 1e-12 before the root."""
    x = x - x.mean(0)  # else float32 loses the small distances
    gram = x @ x.t()
    return (gram.diagonal()[:, None] + gram.diagonal() - 2 * gram).clamp(min=1e-12).sqrt()


def triplet_loss(x: Tensor, labels: Tensor, margin: float, rng: torch.Generator) -> Tensor:
    """Mean over anchor and positive of max(0, d_ap - d_an + margin) for unit rows x (N,D), unsquared distances.

    Negatives have weight 1/q(d), q the density of the distance of two points on the unit sphere, d at least 0.5; those
    beyond 1.4 are left out, and an anchor with none left draws evenly (Wu et al., ICCV 2017, section 4).
    """
    dist, same, dim = distances(x), labels[:, None] == labels, x.shape[1]
    with torch.no_grad():
        d = dist.clamp(min=0.5, max=1.99)
        log_weight = (2 - dim) * d.log() + (3 - dim) / 2 * (1 - d.square() / 4).log()
        log_weight = log_weight.masked_fill(same | (dist > 1.4), -math.inf)
        none_left = log_weight.isinf().all(1, keepdim=True)
        log_weight = torch.where(none_left & ~same, torch.zeros_like(d), log_weight)
        anchor, positive = (same & ~torch.eye(len(x), dtype=torch.bool)).nonzero(as_tuple=True)
        negative = torch.multinomial(log_weight.softmax(1)[anchor], 1, generator=rng).flatten()
    return F.relu(dist[anchor, positive] - dist[anchor, negative] + margin).mean()


def jitter(x: Tensor, degrees: float, scale: float, shift: float, rng: torch.Generator) -> Tensor:
    """Rotate, scale and shift every image (N,1,H,W) at random; `shift` in pixels, all three as uniform half-widths."""
    turn, grow, dx, dy = 2 * torch.rand(4, len(x), generator=rng) - 1
    angle, size, pixel = turn * math.radians(degrees), 1 + grow * scale, 2 * shift / x.shape[-1]
    cos, sin = angle.cos() * size, angle.sin() * size  # of the map from output to input, which F.affine_grid takes
    theta = torch.stack([cos, -sin, dx * pixel, sin, cos, dy * pixel], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x + 0.5, grid, align_corners=False) - 0.5  # it pads with 0, the background is -0.5


def retrieval(x: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Recall@1, Recall@5 and MAP@R of the rows of x (N,D), each searched for among all the others.

    MAP@R is the mean over queries of 1/R sum_{i=1..R} precision@i [i-th neighbour is of the class], R the number of
    other rows of the query's class (Musgrave et al., ECCV 2020, eq. 2).
    """
    squares = np.square(x).sum(1)
    dist = squares[:, None] + squares - 2 * x @ x.T
    np.fill_diagonal(dist, np.inf)
    hit = labels[np.argsort(dist, axis=1, kind="stable")[:, :-1]] == labels[:, None]  # (N,N-1), nearest first
    rank, relevant = np.arange(1, len(x)), hit.sum(1, keepdims=True)  # (N-1), (N,1): R of each query
    gain = np.cumsum(hit, 1) / rank * hit * (rank <= relevant) / relevant
    return {"recall@1": hit[:, 0].mean(), "recall@5": hit[:, :5].any(1).mean(), "map@r": gain.sum(1).mean()}


@torch.no_grad()
def embed(net: nn.Module, images: Tensor) -> np.ndarray:
    """The unit-length embeddings (N,D) of images (N,1,28,28), network in inference mode."""
    net.eval()
    return torch.cat([F.normalize(net(part)) for part in images.split(512)]).numpy()


def train(teacher: Teacher, images: Tensor, labels: Tensor, args: argparse.Namespace) -> None:
    """Fit the teacher: Adam, learning rate along half a cosine from --lr to 0 over all steps."""
    rng, steps = torch.Generator().manual_seed(args.seed), len(images) // args.batch
    adam = torch.optim.Adam(teacher.parameters(), args.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps * args.epochs)
    teacher.train()
    for epoch in range(args.epochs):
        total = 0.0
        for index in pk_batches(labels, args.batch, steps, rng):
            _, embedding = teacher(jitter(images[index], args.rotate, args.scale, args.shift, rng))
            loss = triplet_loss(embedding, labels[index], args.margin, rng)
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{args.epochs}: mean triplet loss {total / steps:.5f}", flush=True)


def export(teacher: Teacher, path: Path) -> None:
    """Write the teacher as ONNX: `input` (N,1,28,28) to `embedding` (N,D); `embedding_raw` stays an inner tensor."""
    names = ["embedding_raw", "embedding"]
    torch.onnx.export(teacher.eval(), torch.zeros(2, 1, 28, 28), str(path), opset_version=17, input_names=["input"],
                      output_names=names, dynamic_axes={n: {0: "N"} for n in ["input", *names]}, **EXPORTER)
    model = onnx.load(str(path))
    del model.graph.output[0]  # naming it as an output was the way to give the tensor its name
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    print(f"{path.name}: {path.stat().st_size} bytes, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="folder of the four gzip files of MNIST")
    parser.add_argument("--out", type=Path, help="the ONNX file to write; without it the teacher is only measured")
    parser.add_argument("--classes", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="digits to train on")
    parser.add_argument("--unseen", type=int, nargs="+", default=[5, 6, 7, 8, 9], help="digits to measure on")
    defaults = {"epochs": 10, "batch": 64, "dim": 128, "seed": 1, "threads": 2, "lr": 1e-3,
                "margin": 0.2, "rotate": 10.0, "scale": 0.1, "shift": 2.0}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help="default %(default)s")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    teacher = Teacher((32, 64, 128), args.dim)
    images, labels = load_digits(args.mnist, "train", args.classes)
    print(f"{len(images)} images of {args.classes}, {sum(p.numel() for p in teacher.parameters())} parameters")
    train(teacher, images, labels, args)
    if args.out:
        export(teacher, args.out)
    images, labels = load_digits(args.mnist, "t10k", args.unseen)
    scores = retrieval(embed(teacher.net, images), labels.numpy())
    print(f"{len(images)} unseen images of {args.unseen}:", ", ".join(f"{k} {v:.4f}" for k, v in scores.items()))


if __name__ == "__main__":
    main()
