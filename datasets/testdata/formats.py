"""Small pictures in every format that a folder may hold, and what Pillow makes of them.

    python3 formats.py      # Pillow 13 or newer, numpy; writes formats/ and formats_golden.json

For each file: its size, a SHA-256 of the pixels as convert("RGB") gives them, one laid over white through its alpha,
and one turned upright by ImageOps.exif_transpose. Pillow keeps 16-bit grays, whose upper 8 bits are taken here.
"""
import hashlib
import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent
FOLDER = HERE / "formats"
rng = np.random.default_rng(5)


def smooth(height, width, channels, levels=256):
    y, x = np.mgrid[0:height, 0:width]
    planes = [0.5 + 0.4 * np.sin(0.4 * (k + 1) * x + 0.3 * y + k) for k in range(channels)]
    values = np.stack(planes, -1) + rng.normal(0, 0.08, (height, width, channels))
    return (values.clip(0, 1) * (levels - 1)).round().astype(np.uint16)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def scanlines(values, depth):
    out = b""
    for row in values:
        samples = row.reshape(-1)
        if depth == 16:
            line = samples.astype(">u2").tobytes()
        else:
            bits = np.unpackbits(samples.astype(np.uint8)[:, None], axis=1)[:, 8 - depth:]
            line = np.packbits(bits.reshape(-1)).tobytes()
        out += b"\0" + line
    return out


def png(values, depth, kind, interlaced=False, palette=None, transparent=None, exif=None):
    """values is (H,W,samples); kind is PNG's colour type."""
    height, width, _ = values.shape
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        data = b"".join(scanlines(part, depth) for top, left, down, right in passes
                        if (part := values[top::down, left::right]).size)
    else:
        data = scanlines(values, depth)
    out = b"\x89PNG\r\n\x1a\n"
    out += chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced)))
    if palette is not None:
        out += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if transparent is not None:
        out += chunk(b"tRNS", transparent)
    if exif is not None:
        out += chunk(b"eXIf", exif)
    return out + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def exif(orientation, order="<"):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    # Another tag first, so that the directory is searched.
    return (mark + struct.pack(order + "IH", 8, 2) + struct.pack(order + "HHII", 0x0100, 4, 1, 7)
            + struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0) + struct.pack(order + "I", 0))


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def picture(height, width, channels):
    values = smooth(height, width, channels).astype(np.uint8)
    return Image.fromarray(values[..., 0] if channels == 1 else values)


def files():
    for depth in (1, 2, 4, 8, 16):
        for interlaced in (False, True):
            name = f"gray{depth}" + ("_interlaced" if interlaced else "")
            yield name + ".png", png(smooth(9, 13, 1, 2**depth), depth, 0, interlaced)
    for depth in (1, 2, 4, 8):
        yield f"palette{depth}.png", png(smooth(9, 13, 1, 2**depth), depth, 3, depth == 4,
            rng.integers(0, 256, (2**depth, 3)))
    for depth in (8, 16):
        yield f"gray_alpha{depth}.png", png(smooth(9, 13, 2, 2**depth), depth, 4, depth == 8)
        yield f"rgb{depth}.png", png(smooth(9, 13, 3, 2**depth), depth, 2, depth == 16)
        yield f"rgba{depth}.png", png(smooth(9, 13, 4, 2**depth), depth, 6)
    gray, color = smooth(9, 13, 1), smooth(9, 13, 3)
    yield "gray8_transparent.png", png(gray, 8, 0, transparent=struct.pack(">H", int(gray[3, 3, 0])))
    deep = smooth(9, 13, 1, 65536)
    yield "gray16_transparent.png", png(deep, 16, 0, transparent=struct.pack(">H", int(deep[3, 3, 0])))
    yield "rgb8_transparent.png", png(color, 8, 2, transparent=struct.pack(">HHH", *map(int, color[2, 2])))
    yield "palette_alpha.png", png(smooth(9, 13, 1, 16), 4, 3, palette=rng.integers(0, 256, (16, 3)),
                                   transparent=bytes(range(0, 160, 16)))
    for o in range(1, 9):
        yield f"orientation{o}.png", png(smooth(5, 7, 3), 8, 2, exif=exif(o, "<>"[o % 2]))
    yield "orientation9.png", png(smooth(5, 7, 3), 8, 2, exif=exif(9))
    for h, w in ((1, 1), (2, 2), (13, 17), (32, 48), (16, 1), (1, 16)):
        yield f"lossy_{h}x{w}.webp", saved(picture(h, w, 3), format="WEBP", quality=70)
    yield "lossy_rough.webp", saved(picture(40, 56, 3), format="WEBP", quality=5)
    yield "lossy_alpha.webp", saved(picture(19, 22, 4), format="WEBP", quality=80)
    yield "lossless.webp", saved(picture(19, 22, 3), format="WEBP", lossless=True)
    yield "lossless_alpha.webp", saved(picture(19, 22, 4), format="WEBP", lossless=True, exact=True)
    yield "orientation6.webp", saved(picture(8, 12, 3), format="WEBP", quality=90, exif=b"Exif\0\0" + exif(6))
    frames = [picture(12, 16, 4) for _ in range(3)]
    yield "animated.webp", saved(frames[0], format="WEBP", save_all=True, append_images=frames[1:], lossless=True,
        exact=True)
    yield "bits1.bmp", saved(picture(9, 13, 1).convert("1"), format="BMP")
    yield "gray.bmp", saved(picture(9, 13, 1), format="BMP")
    yield "rgb.bmp", saved(picture(9, 13, 3), format="BMP")
    yield "gray.jfif", saved(Image.new("L", (16, 16), 77), format="JPEG")
    yield "rgb.jpe", saved(picture(19, 23, 3), format="JPEG", quality=90)
    yield "orientation5.jpeg", saved(picture(19, 23, 3), format="JPEG", quality=90, exif=b"Exif\0\0" + exif(5))
    yield "cmyk.jpg", saved(picture(19, 23, 3).convert("CMYK"), format="JPEG", quality=90)
    yield "palette.bmp", saved(picture(9, 13, 3).quantize(16), format="BMP")
    quantized = picture(9, 13, 3).quantize(13)
    yield "plain.gif", saved(quantized, format="GIF")
    yield "interlaced.gif", saved(quantized, format="GIF", interlace=1)
    yield "transparent.gif", saved(quantized, format="GIF", transparency=4)
    gif = saved(quantized, format="GIF")
    yield "two.gif", saved(quantized, format="GIF", save_all=True, append_images=[picture(9, 13, 3).quantize(8)])
    # The picture, moved by 2 and 1 on a screen of 12 by 17.
    at = 13 + 3 * 2**((gif[10] & 7) + 1)
    while gif[at] != 0x2C:
        at += 1
    body = bytearray(gif)
    body[6:10] = struct.pack("<HH", 17, 12)
    body[at + 1:at + 5] = struct.pack("<HH", 2, 1)
    yield "offset.gif", bytes(body)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"rgb_{compression}.tif", saved(picture(9, 13, 3), format="TIFF", compression=compression)
    yield "gray.tiff", saved(picture(9, 13, 1), format="TIFF")
    yield "gray16.tiff", saved(Image.fromarray(smooth(9, 13, 1, 65536)[..., 0]), format="TIFF")
    yield "palette.tiff", saved(picture(9, 13, 3).quantize(16), format="TIFF")
    yield "bits1.tiff", saved(picture(9, 13, 1).convert("1"), format="TIFF")
    yield "rgba.tiff", saved(picture(9, 13, 4), format="TIFF")
    yield "orientation8.tiff", saved(picture(5, 7, 3), format="TIFF", tiffinfo={274: 8})


def rgb(image):
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def digest(image):
    return hashlib.sha256(np.asarray(image).tobytes()).hexdigest()


def main():
    FOLDER.mkdir(exist_ok=True)
    cases = []
    for name, data in files():
        (FOLDER / name).write_bytes(data)
        image = Image.open(io.BytesIO(data))
        image.load()
        plain = rgb(image)
        white = plain
        if image.has_transparency_data and not image.mode.startswith("I;16"):
            white = Image.new("RGB", image.size, "white")
            white.paste(plain, mask=image.convert("RGBA").getchannel("A"))
        if name.startswith("gray16_transparent"):
            opaque = np.asarray(image) != image.info["transparency"]
            white = Image.fromarray(np.where(opaque[..., None], np.asarray(plain), 255).astype(np.uint8))
        upright = rgb(ImageOps.exif_transpose(image))
        stored = plain
        if name == "orientation8.tiff":  # Pillow turns a TIFF when it loads it
            stored = plain.transpose(Image.Transpose.ROTATE_270)
            white = upright = plain
        cases.append({"file": name, "height": stored.height, "width": stored.width, "rgb": digest(stored),
                      "white": digest(ImageOps.exif_transpose(white) if white is not plain else upright),
                      "upright": digest(upright)})
    (HERE / "formats_golden.json").write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")


if __name__ == "__main__":
    main()
