"""Train, measure and export models/mnist-classifier.onnx, the teacher of the classification examples.

The network of train_mnist_teacher.py with a linear classifier behind its embedding learns all ten digits by cross
entropy on the training split. The number of epochs is fixed beforehand and the last weights are kept; the test split is
looked at once, at the end.

    python3 models/train_mnist_classifier.py --mnist DIR --out models/mnist-classifier.onnx

DIR holds the four gzip files of MNIST. Same seed, machine and number of threads give the same bytes.
"""

import argparse
import hashlib
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train_mnist_teacher import EXPORTER, conv_net, jitter, load_digits

DIGITS = tuple(range(10))


class Classifier(nn.Module):
    """The network that is exported: the embedding (N,D) as the dense layer gives it, and the logits (N,10)."""

    def __init__(self, widths: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.net = conv_net(widths, dim)
        self.head = nn.Linear(dim, len(DIGITS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.net(x)
        return embedding, self.head(embedding)


def train(model: Classifier, images: Tensor, labels: Tensor, args: argparse.Namespace) -> None:
    """Fit the classifier: Adam, learning rate along half a cosine from --lr to 0 over all steps."""
    rng, steps = torch.Generator().manual_seed(args.seed), len(images) // args.batch
    adam = torch.optim.Adam(model.parameters(), args.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps * args.epochs)
    model.train()
    for epoch in range(args.epochs):
        total = 0.0
        for index in torch.randperm(len(images), generator=rng)[: steps * args.batch].split(args.batch):
            _, logits = model(jitter(images[index], args.rotate, args.scale, args.shift, rng))
            loss = F.cross_entropy(logits, labels[index])
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{args.epochs}: mean cross entropy {total / steps:.5f}", flush=True)


def export(model: Classifier, path: Path) -> None:
    """Write the classifier as ONNX: `input` (N,1,28,28) to `embedding` (N,D) and `logits` (N,10)."""
    names = ["embedding", "logits"]
    torch.onnx.export(model.eval(), torch.zeros(2, 1, 28, 28), str(path), opset_version=17, input_names=["input"],
                      output_names=names, dynamic_axes={n: {0: "N"} for n in ["input", *names]}, **EXPORTER)
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    print(f"{path.name}: {path.stat().st_size} bytes, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


@torch.no_grad()
def accuracy(model: Classifier, images: Tensor, labels: Tensor) -> float:
    """Share of images (N,1,28,28) whose largest logit is their label's, network in inference mode."""
    model.eval()
    hits = sum(int((model(x)[1].argmax(1) == y).sum()) for x, y in zip(images.split(512), labels.split(512)))
    return hits / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="folder of the four gzip files of MNIST")
    parser.add_argument("--out", type=Path, help="the ONNX file to write; without it the classifier is only measured")
    defaults = {"epochs": 5, "batch": 128, "dim": 128, "seed": 1, "threads": 2, "lr": 1e-3,
                "rotate": 10.0, "scale": 0.1, "shift": 2.0}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help="default %(default)s")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    model = Classifier((32, 64, 128), args.dim)
    images, labels = load_digits(args.mnist, "train", DIGITS)
    print(f"{len(images)} images, {sum(p.numel() for p in model.parameters())} parameters")
    train(model, images, labels, args)
    if args.out:
        export(model, args.out)
    images, labels = load_digits(args.mnist, "t10k", DIGITS)
    print(f"{len(images)} test images: top-1 {accuracy(model, images, labels):.4f}")


if __name__ == "__main__":
    main()
