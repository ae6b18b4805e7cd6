"""What Pillow makes of JPEGs that it decodes at a fraction of their size (Image.draft) and then resizes and crops.

    python3 draft.py      # Pillow 13 or newer and torchvision; writes draft_golden.json

The files are those of datasets/internal/jpeg/testdata. For each file and size: what comes of draft, and a SHA-256 of
the pixels, rows from the top, after torchvision's Resize and CenterCrop.
"""
import hashlib
import json
from pathlib import Path

from PIL import Image
from torchvision.transforms import CenterCrop, Resize

HERE = Path(__file__).parent
FOLDER = HERE / "../internal/jpeg/testdata"
FILES = ("sampling_420.jpg", "progressive_sampling_444.jpg", "gray.jpg", "cmyk_adobe.jpg", "coefficients_full_420.jpg",
    "size_420_17x33.jpg")
SIZES = ([60], [40], [23], [22], [12], [11], [6], [5], [10, 30], [20, 7])

cases = []
for name in FILES:
    for size in SIZES:
        picture = Image.open(FOLDER / name)
        height, width = size if len(size) == 2 else size * 2
        picture.draft(None, (width, height))
        drafted = picture.size
        picture = picture if picture.mode == "L" else picture.convert("RGB")
        picture = Resize(size if len(size) == 2 else size[0])(picture)
        side = min(picture.size)
        picture = CenterCrop(side)(picture)
        cases.append({
            "file": name, "resize": size, "crop": side, "drafted": [drafted[1], drafted[0]],
            "pixels": hashlib.sha256(picture.tobytes()).hexdigest()})
lines = ",\n ".join(json.dumps(case) for case in cases)
(HERE / "draft_golden.json").write_text(f"[{lines}]\n")
