"""Golden values of datasets.Preprocess from torchvision and Pillow.

Run it with torchvision 0.14 or newer and Pillow 13 or newer: `python3 preprocess_golden.py`. It writes
preprocess_golden.json beside itself. Pixels are hexadecimal, (H,W,C) from the top left; values are float32 in row-major
order, hexadecimal too (little-endian), so that they are compared bit for bit.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def picture(height: int, width: int, channels: int, seed: int) -> Image.Image:
    """A smooth gradient with noise, so that both flat parts and hard edges are resized."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 100 * np.sin(0.3 * (k + 1) * x + 0.2 * y) for k in range(channels)]
    pixels = np.stack(planes, -1) + rng.normal(0, 40, (height, width, channels))
    pixels = pixels.clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def normalise(pixels: Image.Image, mean: list, std: list) -> torch.Tensor:
    """(x * scale - mean) / std in float32, channels first, which torchvision's own transforms agree with closely.

    ToTensor divides by 255 where we multiply by 1/255, so the last bit can differ.
    """
    x = torch.from_numpy(np.array(pixels)).float().reshape(pixels.height, pixels.width, -1).permute(2, 0, 1)
    ours = (x * torch.tensor(1 / 255) - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)
    torch.testing.assert_close(ours, T.Normalize(mean, std)(T.ToTensor()(pixels)), rtol=1e-6, atol=1e-6)
    return ours


def record(name: str, source: Image.Image, pixels: Image.Image, **more) -> dict:
    array = np.asarray(source)
    return {
        "name": name,
        "image": {"height": source.height, "width": source.width, "channels": len(source.getbands()),
                  "pixels": array.tobytes().hex()},
        "height": pixels.height,
        "width": pixels.width,
        "pixels": np.asarray(pixels).tobytes().hex(),
        **more,
    }


def values(tensor: torch.Tensor) -> str:
    return tensor.contiguous().numpy().astype("<f4").tobytes().hex()


def main() -> None:
    rgb, tall, gray = picture(11, 14, 3, 1), picture(19, 13, 3, 2), picture(10, 9, 1, 3)
    bgr = Image.fromarray(np.asarray(rgb)[..., ::-1].copy())
    bilinear = T.InterpolationMode.BILINEAR
    cases = [
        record("rgb normalised by channel", rgb, rgb, values=values(normalise(rgb, MEAN, STD))),
        record("rgb to bgr", rgb, bgr, values=values(normalise(bgr, MEAN, STD))),
        record("rgb to gray", rgb, rgb.convert("L"), values=values(normalise(rgb.convert("L"), [0.5], [1.0]))),
        record("gray to rgb", gray, gray.convert("RGB"), values=values(normalise(gray.convert("RGB"), MEAN, STD))),
        record("centre crop with odd margins", rgb, T.CenterCrop([6, 7])(rgb)),
        record("centre crop with margins of three", tall, T.CenterCrop([16, 10])(tall)),
    ]
    for name, source, size in [
        ("shorter side down", tall, 8),
        ("shorter side up", rgb, 24),
        ("shorter side down, gray", gray, 5),
        ("exactly, down and up", rgb, [7, 20]),
        ("exactly, down by more than two", tall, [5, 4]),
    ]:
        cases.append(record(name, source, T.Resize(size, bilinear)(source), resize=size))
    cases.append(record("shorter side up, then centre crop", tall, T.CenterCrop(16)(T.Resize(20, bilinear)(tall)),
                        resize=20, crop=16))
    for name, source, size, longest in [
        ("shorter side, bounded by max_size", tall, 12, 15),
        ("max_size that does not bind", tall, 12, 30),
    ]:
        cases.append(record(name, source, T.Resize(size, bilinear, max_size=longest)(source)))
    for name, source, size in [
        ("crop larger than both sides", rgb, [16, 17]),
        ("crop larger than the height", rgb, [14, 9]),
        ("crop larger than the width, gray", gray, [5, 14]),
    ]:
        cases.append(record(name, source, T.CenterCrop(size)(source)))
    for name, source, color in [("padded to a square", tall, (9, 200, 30)), ("gray padded to a square", gray, 128)]:
        side = max(source.size)
        left, top = (side - source.width) // 2, (side - source.height) // 2
        square = F.pad(source, [left, top, side - source.width - left, side - source.height - top], fill=color)
        cases.append(record(name, source, T.Resize(8, bilinear)(square)))
    for mode in ("nearest", "box", "hamming", "bicubic", "lanczos"):
        resize = T.Resize(9, T.InterpolationMode(mode))
        cases.append(record("shorter side by " + mode + ", cropped", tall, T.CenterCrop([7, 8])(resize(tall))))
    out = Path(__file__).with_suffix(".json")
    out.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
