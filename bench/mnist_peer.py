"""The peer of the MNIST demo: the same protocol in PyTorch, measured on the unseen digits 5-9.

Students of width 8-16-32 and 16 dimensions learn from models/mnist-teacher.onnx on the digits 0-4: by triplets alone,
by RKD distance, by RKD angle and by both (1 x distance + 2 x angle). The teacher's embeddings are computed once, here
too, from the weights in the ONNX file, so the file itself is what is measured.

    python3 bench/mnist_peer.py --mnist DIR --seeds 1 2 3

Source of the losses: Park et al., Relational Knowledge Distillation, CVPR 2019, equations 5-9.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from peer import angles, distance_loss

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "models"))
from train_mnist_teacher import conv_net, embed, load_digits, pk_batches, retrieval, triplet_loss  # noqa: E402

# weights of distance, angle and triplet loss of each variant
VARIANTS = {"triplet": (0, 0, 1), "rkd-d": (1, 0, 0), "rkd-a": (0, 2, 0), "rkd-da": (1, 2, 0)}


def load_teacher(path: Path) -> nn.Module:
    """The teacher up to its raw embedding, rebuilt from the convolution and dense weights of the ONNX file."""
    graph = onnx.load(str(path)).graph
    weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    pairs = [(weights[n.input[1]], weights[n.input[2]]) for n in graph.node if n.op_type in ("Conv", "Gemm")]
    net = conv_net([len(bias) for _, bias in pairs[:-1]], len(pairs[-1][1]))
    # batch normalisation is folded into the convolutions of the file
    plain = nn.Sequential(*(layer for layer in net if not isinstance(layer, nn.BatchNorm2d)))
    learnt = [layer for layer in plain if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for layer, (weight, bias) in zip(learnt, pairs):
        layer.weight.data, layer.bias.data = weight, bias
    return plain


def train_student(
    images: Tensor, labels: Tensor, target: Tensor, variant: str, seed: int, args: argparse.Namespace
) -> nn.Module:
    """One student of a variant; target (N,D) are the teacher's embeddings of the images (N,1,28,28)."""
    distance, angle, triplet = VARIANTS[variant]
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    net = conv_net((8, 16, 32), 16).train()
    adam = torch.optim.Adam(net.parameters(), 1e-3)
    for index in pk_batches(labels, 64, args.epochs * args.steps, rng):
        raw, want = net(images[index]), target[index]
        loss = torch.zeros(())
        if distance:
            loss = loss + distance * distance_loss(raw, want)
        if angle:
            loss = loss + angle * F.smooth_l1_loss(angles(raw), angles(want))
        if triplet:
            loss = loss + triplet * triplet_loss(F.normalize(raw), labels[index], 0.2, rng)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return net


def row(name: str, scores: list[dict[str, float]]) -> str:
    """A line of the table: mean and standard deviation over seeds of every metric, then Recall@1 seed by seed."""
    cells = []
    for metric in scores[0]:
        values = np.array([s[metric] for s in scores])
        cells.append(f"{values.mean():.4f} ± {values.std(ddof=min(1, len(values) - 1)):.4f}")
    return f"{name:8s}  " + "  ".join(cells) + "  " + " ".join(f"{s['recall@1']:.4f}" for s in scores)


@torch.no_grad()
def evaluate(net: nn.Module, images: Tensor, labels: Tensor, unit: bool) -> dict[str, float]:
    """Retrieval metrics of a network in inference mode, its embeddings at unit length or as they are."""
    net.eval()
    rows = torch.cat([net(part) for part in images.split(512)])
    return retrieval((F.normalize(rows) if unit else rows).numpy(), labels.numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="folder of the four gzip files of MNIST")
    parser.add_argument("--teacher", type=Path, default=ROOT / "models" / "mnist-teacher.onnx")
    parser.add_argument("--classes", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="digits to train on")
    parser.add_argument("--unseen", type=int, nargs="+", default=[5, 6, 7, 8, 9], help="digits to measure on")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--steps", type=int, default=150, help="batches of 64 per epoch")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    images, labels = load_digits(args.mnist, "train", args.classes)
    unseen, unseen_labels = load_digits(args.mnist, "t10k", args.unseen)
    teacher = load_teacher(args.teacher)
    target = torch.from_numpy(embed(teacher, images))
    print("          recall@1         recall@5         map@r            recall@1 by seed")
    print(row("teacher", [evaluate(teacher, unseen, unseen_labels, unit=True)]), flush=True)
    for variant in args.variants:
        scores = []
        for seed in args.seeds:
            net = train_student(images, labels, target, variant, seed, args)
            scores.append(evaluate(net, unseen, unseen_labels, unit=variant == "triplet"))
        print(row(variant, scores), flush=True)


if __name__ == "__main__":
    main()
