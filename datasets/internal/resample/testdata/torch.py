"""What PyTorch's interpolate without antialiasing makes of small pictures: torch.golden.json, the pixels of each case.

    python3 torch.py > torch.golden.json      # PyTorch 2, numpy
"""
import sys

sys.path.pop(0)  # this file's own name
import base64
import json
import os

import torch
import numpy as np

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from pillow import noise

SIZES = [
    ((17, 23), (8, 11)), ((17, 23), (40, 51)), ((9, 64), (9, 20)), ((37, 53), (36, 52)), ((2, 2), (7, 5)), ((1, 1),
        (3, 4)),
    ((1, 90), (1, 7)), ((60, 100), (3, 2)), ((5, 7), (64, 48)), ((94, 125), (64, 85)),
]
cases = []
for source, result in SIZES:
    for channels in (1, 3):
        x = torch.from_numpy(noise(*source, channels).reshape(*source, channels).copy()).permute(2, 0, 1)[None].float()
        for mode in ("bilinear", "bicubic"):
            y = torch.nn.functional.interpolate(x, size=result, mode=mode, align_corners=False, antialias=False)
            y = y.round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).numpy()
            cases.append({
                "source": source, "result": result, "channels": channels, "filter": mode,
                "pixels": base64.b64encode(np.ascontiguousarray(y).tobytes()).decode(),
            })
print("[" + ",\n".join(json.dumps(c) for c in cases) + "]")
