"""Decodes the files named on its standard input with Pillow; answers each with nanoseconds, dimensions and hash."""
import hashlib
import io
import sys
import time

from PIL import Image

for line in sys.stdin:
    data = open(line.rstrip("\n"), "rb").read()
    start = time.process_time_ns()
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        spent = time.process_time_ns() - start
        if image.mode != "L":
            image = image.convert("RGB")
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        text = f"{image.height}×{image.width}×{len(image.getbands())} {digest}"
    except Exception as error:  # whatever it is, it is the answer
        spent, text = 0, f"error {error}"
    print(spent, text.replace("\n", " "), flush=True)
