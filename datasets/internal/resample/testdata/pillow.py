"""What Pillow makes of small pictures: pillow.golden.json, a SHA-256 of the pixels for each case.

    python3 pillow.py > pillow.golden.json      # Pillow 13 or newer, numpy

The pictures are made of a linear congruential generator, so that a test in another language has the same ones.
"""
import hashlib
import json

import numpy as np
from PIL import Image


def noise(height, width, channels):
    state, out = 1, bytearray()
    for _ in range(height * width * channels):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 24)
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.frombuffer(bytes(out), np.uint8).reshape(shape)


SIZES = [  # height, width of the source and of the result
    ((17, 23), (8, 11)), ((17, 23), (40, 51)), ((9, 64), (9, 20)), ((64, 9), (20, 9)), ((37, 53), (36, 52)),
    ((2, 2), (7, 5)), ((1, 1), (3, 4)), ((1, 90), (1, 7)), ((90, 1), (7, 1)), ((300, 500), (3, 2)), ((5, 7), (64, 48)),
    ((100, 133), (64, 85)), ((375, 500), (256, 341)), ((800, 3), (2, 3)),
    ((40, 40), (30, 35)), ((40, 40), (29, 35)), ((11, 14), (7, 20)), ((60, 40), (8, 90)), ((14, 60),
        (20, 7)), ((26, 30), (43, 53)),
]


def main():
    cases = []
    for source, result in SIZES:
        for channels in (1, 3):
            picture = Image.fromarray(noise(*source, channels))
            for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"):
                out = picture.resize(result[::-1], Image.Resampling[name.upper()])
                cases.append({
                    "source": source, "result": result, "channels": channels, "filter": name,
                    "sha256": hashlib.sha256(np.asarray(out).tobytes()).hexdigest(),
                })
    print("[" + ",\n".join(json.dumps(c) for c in cases) + "]")


if __name__ == "__main__":
    main()
