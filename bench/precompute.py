"""The other side of `make bench-precompute`: embeddings of photographs as they are usually computed in Python, with
torch's DataLoader, Pillow, torchvision and ONNX Runtime's package.

Prints {"per_second": pictures a second, "value": mean length of the embeddings}. Imports, and opening the model, are
not timed; starting the workers is.

    python3 bench/precompute.py --photographs FOLDER --model MODEL --workers 2
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

PICTURES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class Photographs(Dataset):
    """The pictures of a folder, each so many times, as ImageNet's networks take them."""

    def __init__(self, folder: Path, repeat: int) -> None:
        self.paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES) * repeat
        self.transform = transforms.Compose([
            transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Tensor:
        with Image.open(self.paths[i]) as picture:
            return self.transform(picture.convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--output")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    outputs = [args.output] if args.output else None
    data = Photographs(args.photographs, args.repeat)
    session.run(outputs, {name: data[0].numpy()[None]})  # allocates what all runs share

    start, rows = time.perf_counter(), []
    for pictures in DataLoader(data, args.batch, num_workers=args.workers):
        rows.append(session.run(outputs, {name: pictures.numpy()})[0])
    taken = time.perf_counter() - start
    embeddings = np.concatenate(rows).reshape(len(data), -1).astype(np.float64)
    lengths = np.sqrt((embeddings**2).sum(1))
    print(json.dumps({"per_second": len(data) / taken, "value": lengths.mean()}))


if __name__ == "__main__":
    main()
