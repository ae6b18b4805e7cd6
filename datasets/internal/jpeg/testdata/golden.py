#!/usr/bin/env python3
"""Writes small JPEG files of every kind, and golden.json with what Pillow makes of them.

    python3 datasets/internal/jpeg/testdata/golden.py

Needs Pillow 12 or newer (with libjpeg-turbo 3.1 or newer), NumPy, and djpeg and jpegtran (Debian:
libjpeg-turbo-progs). The encoder below writes what Pillow's does not: any sampling, restart markers, several scans,
tables of any kind, coefficients of any size. Pillow is the judge of all of them, djpeg where they are scaled (Pillow's
draft mode leaves out the triangle filter); jpegtran makes the progressive ones.
"""
import hashlib
import io
import json
import pathlib
import re
import struct
import subprocess

import numpy as np
from PIL import Image, features

HERE = pathlib.Path(__file__).parent
ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
DCT = np.array([[np.sqrt((1 if u else 0.5) / 4) * np.cos((2 * x + 1) * u * np.pi / 16) for x in range(8)]
                for u in range(8)])
STANDARD = {  # T.81, K.3.3: counts of codes by length; symbols
    "dc": ([0, 1, 5, 1, 1, 1, 1, 1, 1] + [0] * 7, list(range(12))),
    "ac": None,  # taken from a file that Pillow writes
}


def standard_ac():
    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, "JPEG")
    data, at = out.getvalue(), 0
    while True:
        at = data.index(b"\xff\xc4", at)
        if data[at + 4] == 0x10:
            counts = list(data[at + 5:at + 21])
            return counts, list(data[at + 21:at + 21 + sum(counts)])
        at += 2


STANDARD["ac"] = standard_ac()
EVERY = ([0] * 8 + [256] + [0] * 7, list(range(256)))  # every symbol, in 9 bits
EVERY_DC = ([0] * 4 + [16] + [0] * 11, list(range(16)))
LONG = ([0, 1, 1] + [0] * 12 + [160],  # 16 bits for most
        [0x00, 0x01] + [r << 4 | n for r in range(16) for n in range(1, 11)][1:] + [0xf0])


def codes(table):
    counts, symbols = table
    code, at, out = 0, 0, {}
    for length, n in enumerate(counts, 1):
        for _ in range(n):
            out[symbols[at]] = (code, length)
            code, at = code + 1, at + 1
        code <<= 1
    return out


class Bits:
    def __init__(self):
        self.text = []

    def put(self, value, length):
        if length:
            self.text.append(format(value, f"0{length}b"))

    def number(self, v, size):
        self.put(v if v > 0 else v + (1 << size) - 1, size)

    def flush(self):
        text = "".join(self.text)
        text += "1" * (-len(text) % 8)
        self.text = []
        return bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8)).replace(b"\xff", b"\xff\0")


def put_block(bits, block, last, dc, ac):
    diff = int(block[0]) - last
    size = abs(diff).bit_length()
    bits.put(*dc[size])
    bits.number(diff, size)
    run = 0
    for k in range(1, 64):
        v = int(block[ZIGZAG[k]])
        if v == 0:
            run += 1
            continue
        while run > 15:
            bits.put(*ac[0xf0])
            run -= 16
        size = abs(v).bit_length()
        bits.put(*ac[run << 4 | size])
        bits.number(v, size)
        run = 0
    if run:
        bits.put(*ac[0])
    return int(block[0])


def segment(marker, payload):
    return bytes([0xff, marker]) + struct.pack(">H", len(payload) + 2) + payload


def encode(blocks, size, sampling, quant, *, ids=None, restart=0, scans=None, tables=(STANDARD["dc"], STANDARD["ac"]),
           huffman=True, sof=0xc0, app=b"", wide=False, tail=b"\xff\xd9"):
    """blocks[i] is (rows, columns, 64) coefficients of component i, padded to whole MCUs; restart counts MCUs."""
    width, height = size
    n = len(blocks)
    ids = ids or list(range(1, n + 1))
    out = b"\xff\xd8" + app
    out += segment(0xdb, bytes([16 if wide else 0]) + b"".join(
        struct.pack(">H" if wide else "B", int(quant[k])) for k in ZIGZAG))
    out += segment(sof, struct.pack(">BHHB", 8, height, width, n) + b"".join(
        bytes([ids[i], sampling[i][0] << 4 | sampling[i][1], 0]) for i in range(n)))
    if huffman:
        for klass, (counts, symbols) in enumerate(tables):
            counts = [min(c, 255) for c in counts]
            out += segment(0xc4, bytes([klass << 4] + counts + symbols[:sum(counts)]))
    if restart:
        out += segment(0xdd, struct.pack(">H", restart))
    dc, ac = codes(tables[0]), codes(tables[1])
    hmax, vmax = max(h for h, _ in sampling), max(v for _, v in sampling)
    for scan in scans or [range(n)]:
        out += segment(0xda, bytes([len(scan)] + [b for i in scan for b in (ids[i], 0)] + [0, 63, 0]))
        bits, last, count = Bits(), [0] * n, 0
        if len(scan) == 1:
            h, v = sampling[scan[0]]
            down, across = -(-height * v // (8 * vmax)), -(-width * h // (8 * hmax))
        else:
            down, across = -(-height // (8 * vmax)), -(-width // (8 * hmax))
        for row in range(down):
            for column in range(across):
                if restart and count and count % restart == 0:
                    out += bits.flush() + bytes([0xff, 0xd0 + (count // restart - 1) % 8])
                    last = [0] * n
                count += 1
                for i in scan:
                    h, v = sampling[i] if len(scan) > 1 else (1, 1)
                    for y in range(v):
                        for x in range(h):
                            last[i] = put_block(bits, blocks[i][row * v + y, column * h + x], last[i], dc, ac)
        out += bits.flush()
    return out + tail


def photo_blocks(planes, size, sampling, quant):
    """Coefficients of planes at the picture's size, box-filtered to their sampling."""
    width, height = size
    hmax, vmax = max(h for h, _ in sampling), max(v for _, v in sampling)
    down, across = -(-height // (8 * vmax)), -(-width // (8 * hmax))
    out = []
    for plane, (h, v) in zip(planes, sampling):
        image = Image.fromarray(plane).resize((-(-width * h // hmax), -(-height * v // vmax)), Image.Resampling.BOX)
        a = np.asarray(image).astype(float) - 128
        a = np.pad(a, ((0, down * v * 8 - a.shape[0]), (0, across * h * 8 - a.shape[1])), mode="edge")
        b = a.reshape(down * v, 8, across * h, 8).transpose(0, 2, 1, 3)
        out.append(np.round(DCT @ b @ DCT.T / quant.reshape(8, 8)).astype(int).reshape(down * v, across * h, 64))
    return out


def random_blocks(rng, size, sampling, low, high, density):
    width, height = size
    hmax, vmax = max(h for h, _ in sampling), max(v for _, v in sampling)
    down, across = -(-height // (8 * vmax)), -(-width // (8 * hmax))
    out = []
    for h, v in sampling:
        b = rng.integers(low, high + 1, (down * v, across * h, 64))
        b[rng.random(b.shape) > density] = 0
        b[rng.random(b.shape[:2]) < 0.2, 8:] = 0  # the first row alone
        out.append(b)
    return out


def planes_of(rng, size, n):
    """A picture with edges, gradients and noise, different in each plane."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    out = []
    for i in range(n):
        disc = (x - width / 2) ** 2 + (y - height / 3) ** 2 < (width / (3 + i)) ** 2
        p = 128 + 60 * np.sin((x * (i + 1) + y * 2) / 9) + 50 * disc
        out.append(np.clip(p + rng.normal(0, 6, p.shape) - 20 * i, 0, 255).astype(np.uint8))
    return out


def jpegtran(data, *options):
    return subprocess.run(["jpegtran", "-copy", "all", *options], input=data, capture_output=True, check=True).stdout


def scaled(data, n):
    """The hash of the pixels at a n-th of the size, with the dimensions in front as in a PNM file."""
    # Its status is 2 where it warns.
    pnm = subprocess.run(["djpeg", "-pnm", "-scale", f"1/{n}"], input=data, capture_output=True).stdout
    kind, width, height, _, pixels = re.fullmatch(rb"P(\d)\n(\d+) (\d+)\n(\d+)\n(.*)", pnm, re.DOTALL).groups()
    return f"{int(width)}x{int(height)} {hashlib.sha256(pixels).hexdigest()}"


def main():
    rng = np.random.default_rng(13)
    quant = np.array([3 + (i // 8) + (i % 8) for i in range(64)])
    jfif = segment(0xe0, b"JFIF\0\1\1\0\0\1\0\1\0\0")

    def adobe(transform):
        return segment(0xee, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))

    def exif(orientation, big):
        e = ">" if big else "<"
        tiff = (b"MM\0*" if big else b"II*\0") + struct.pack(e + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
        return segment(0xe1, b"Exif\0\0" + tiff)

    files = {}

    def photo(name, size, sampling, **options):
        blocks = photo_blocks(planes_of(rng, size, len(sampling)), size, sampling, quant)
        files[name] = encode(blocks, size, sampling, quant, **options)

    small = (61, 45)
    one, h2, v2, both = [(1, 1)] * 2, [(2, 1)] + [(1, 1)] * 2, [(1, 2)] + [(1, 1)] * 2, [(2, 2)] + [(1, 1)] * 2
    photo("gray", small, [(1, 1)], app=jfif)
    photo("gray_2x2", small, [(2, 2)], app=jfif)
    samplings = {
        "444": [(1, 1)] * 3, "422": h2, "440": v2, "420": both, "411": [(4, 1)] + one, "410": [(4, 2)] + one,
        "441": [(1, 4)] + one, "24": [(2, 4)] + one,
        "14_12": [(1, 4), (1, 2), (1, 1)], "41_21": [(4, 1), (2, 1), (1, 1)],
        "311": [(3, 1)] + one, "22_22_11": [(2, 2), (2, 2), (1, 1)], "22_21_12": [(2, 2), (2, 1), (1, 2)],
        "11_22": [(1, 1), (2, 2), (2, 2)], "21_12": [(2, 1), (1, 2), (1, 1)],
        "444_by_2": [(2, 1)] * 3, "420_by_1x2": [(2, 2), (1, 2), (1, 2)],
        "321": [(3, 1), (2, 1), (1, 1)],
    }
    for name, sampling in samplings.items():
        photo(f"sampling_{name}", small, sampling, app=jfif)
    for width, height in [(1, 1), (2, 3), (3, 2), (4, 17), (5, 16), (16, 5), (17, 33), (32, 31), (33, 18), (130, 3)]:
        photo(f"size_420_{width}x{height}", (width, height), both)
        photo(f"size_422_{width}x{height}", (width, height), h2)
        photo(f"size_440_{width}x{height}", (width, height), v2)
    photo("restart", small, both, restart=1)
    photo("restart_rows", small, h2, restart=4)
    photo("scans", small, both, scans=[[0], [1], [2]])
    photo("scans_2", small, h2, scans=[[0], [1, 2]], restart=3)
    photo("scans_missing", small, both, scans=[[0], [2]])
    photo("mjpeg", small, h2, huffman=False, app=segment(0xe0, b"AVI1\0\0\0\0\0\0\0\0\0\0"))
    photo("extended", small, both, sof=0xc1, wide=True)
    photo("rgb_ids", small, [(1, 1)] * 3, ids=[82, 71, 66])
    photo("rgb_adobe", small, both, app=adobe(0))
    photo("ycc_adobe", small, both, app=adobe(1))
    photo("ycc_ids", small, both, ids=[7, 9, 4])
    photo("ycc_jfif_adobe", small, both, app=jfif + adobe(0), ids=[82, 71, 66])
    photo("cmyk", small, [(1, 1)] * 4)
    photo("cmyk_adobe", small, [(1, 1)] * 4, app=adobe(0))
    photo("ycck", small, [(1, 1)] * 4, app=adobe(2))
    photo("ycck_420", small, [(2, 2), (1, 1), (1, 1), (2, 2)], app=adobe(2))
    photo("trailing", small, both, tail=b"\xff\xd9" + b"\0\1\2" * 20 + b"\xff\xd8\xff")
    photo("fill", small, both, app=b"\xff\xff\xff" + jfif + b"garbage")
    photo("early_end", small, both)
    files["early_end"] = files["early_end"][:len(files["early_end"]) * 2 // 3] + b"\xff\xd9"
    photo("no_end", small, both, tail=b"")
    photo("no_end_zeros", small, both, tail=bytes(20))
    photo("cut", small, both)
    files["cut"] = files["cut"][:len(files["cut"]) * 2 // 3]
    photo("restart_lost", small, both, restart=1)
    i = files["restart_lost"].index(b"\xff\xd2")
    files["restart_lost"] = files["restart_lost"][:i] + b"\xff\xd4" + files["restart_lost"][i + 2:]
    photo("restart_gone", small, both, restart=1)
    i, j = files["restart_gone"].index(b"\xff\xd2"), files["restart_gone"].index(b"\xff\xd4")
    files["restart_gone"] = files["restart_gone"][:i] + files["restart_gone"][j:]
    for orientation in range(1, 9):
        photo(f"exif_{orientation}", (6, 4), [(1, 1)] * 3, app=exif(orientation, orientation % 2 == 0))

    size = (64, 48)
    flat = np.full(64, 1)
    for name, low, high, density, q, tables in [
        ("sparse", -60, 60, 0.05, flat * 4, None),
        ("full", -1023, 1023, 1.0, flat, None),
        ("wide", -1023, 1023, 0.3, flat * 40, None),
        ("huge", -32767, 32767, 0.2, flat * 255, (EVERY_DC, EVERY)),
        ("wrap", -16000, 16000, 0.1, flat * 3, (EVERY_DC, EVERY)),
    ]:
        for label, sampling in [("gray", [(1, 1)]), ("420", both)]:
            blocks = random_blocks(rng, size, sampling, low, high, density)
            for b in blocks:  # a difference has 15 bits at most
                b[..., 0] //= 2
            # Symbol 255 of the table of every symbol has no code: a run of 15 before 15 bits does not occur.
            files[f"coefficients_{name}_{label}"] = encode(
                blocks, size, sampling, q, tables=tables or (STANDARD["dc"], STANDARD["ac"]), sof=0xc1)
    blocks = [np.where(rng.random((6, 8, 64)) < 0.1, rng.integers(-3, 4, (6, 8, 64)), 0)]
    files["codes_long"] = encode(blocks, size, [(1, 1)], flat * 20, tables=(EVERY_DC, LONG))

    for name in ["gray", "sampling_444", "sampling_422", "sampling_420", "sampling_440", "sampling_411",
                 "sampling_22_21_12", "restart", "cmyk_adobe", "size_420_17x33", "size_422_1x1",
                 "coefficients_sparse_420", "coefficients_full_420", "coefficients_wide_420"]:
        files[f"progressive_{name}"] = jpegtran(files[name], "-progressive")
    files["progressive_restart_blocks"] = jpegtran(files["sampling_420"], "-progressive", "-restart", "3B")
    files["optimized"] = jpegtran(files["sampling_420"], "-optimize")
    files["progressive_early_end"] = files["progressive_sampling_420"][:-150] + b"\xff\xd9"
    for name in ["gray", "sampling_420", "sampling_22_21_12", "size_420_17x33"]:  # incomplete, where libjpeg estimates
        data = files[f"progressive_{name}"]
        ends = [m.start() for m in re.finditer(b"\xff\xda", data)]
        for n, end in enumerate(ends[1:] + [ends[0] + 40, ends[len(ends) // 2] + 20, ends[-1] + 30]):
            files[f"incomplete_{name}_{n}"] = data[:end] + b"\xff\xd9"
    files["progressive_cut"] = files["progressive_sampling_420"][:-150]
    for name in ["gray", "sampling_420", "sampling_22_21_12", "restart", "scans", "cmyk_adobe",
                 "coefficients_wide_420"]:
        files[f"arithmetic_{name}"] = jpegtran(files[name], "-arithmetic")
        files[f"arithmetic_progressive_{name}"] = jpegtran(files[name], "-arithmetic", "-progressive", "-restart", "7B")
    files["arithmetic_early_end"] = files["arithmetic_sampling_420"][:-400] + b"\xff\xd9"
    damaged = bytearray(files["arithmetic_restart"])
    for at in range(500, len(damaged), 97):
        damaged[at] = 0x35
    files["arithmetic_damaged"] = bytes(damaged)

    golden = {"pillow": Image.__version__, "libjpeg_turbo": features.version("libjpeg_turbo"), "pictures": {}}
    for name, data in files.items():
        (HERE / f"{name}.jpg").write_bytes(data)
        entry = {}
        try:
            image = Image.open(io.BytesIO(data))
            image.load()
            if image.mode != "L":
                image = image.convert("RGB")
            entry = {"width": image.width, "height": image.height, "channels": len(image.getbands()),
                     "sha256": hashlib.sha256(image.tobytes()).hexdigest()}
            if name.startswith(("sampling", "size", "gray", "coefficients")):
                entry["scaled"] = {str(n): scaled(data, n) for n in (2, 4, 8)}
            if name.startswith("exif"):
                entry["orientation"] = image.getexif()[0x112]
        except Exception as error:
            entry = {"error": str(error)}
            print(name, error)
        golden["pictures"][name] = entry
    (HERE / "golden.json").write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


main()
