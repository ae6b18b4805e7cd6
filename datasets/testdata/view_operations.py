"""What torchvision's augmentations make of small Pillow images, for given parameters: view_operations_golden.json.

    python3 view_operations.py      # torchvision 0.29, Pillow 13, numpy

Each case names a picture and holds the parameters in the form of datasets.View, and the pixels that come out or their
SHA-256.
"""
import base64
import hashlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image

NEAREST, BILINEAR = T.InterpolationMode.NEAREST, T.InterpolationMode.BILINEAR
rng = np.random.default_rng(11)


def picture(height, width, channels):
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 100 * np.sin(0.3 * (k + 1) * x + 0.2 * y) for k in range(channels)]
    pixels = np.stack(planes, -1) + rng.normal(0, 40, (height, width, channels))
    pixels = pixels.clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


rgb, gray = picture(23, 30, 3), picture(20, 17, 1)
flat = Image.fromarray((np.asarray(rgb) // 3 + 60).astype(np.uint8))  # few values, for autocontrast
cases = []


def encode(image):
    return {"height": image.height, "width": image.width, "channels": len(image.getbands()),
            "pixels": base64.b64encode(np.asarray(image).tobytes()).decode()}


def record(name, source, view, out):
    name_of = {id(rgb): "rgb", id(gray): "gray", id(flat): "flat"}
    case = {"name": name, "view": view, "source": name_of[id(source)], "height": out.height, "width": out.width}
    pixels = np.asarray(out).tobytes()
    if name.startswith("blur"):  # in single precision: the last bit may round a level
        case["pixels"] = base64.b64encode(pixels).decode()
    else:
        case["sha256"] = hashlib.sha256(pixels).hexdigest()
    cases.append(case)


def fill(image, color):
    return color if image.mode == "RGB" else color[0]


for label, image in (("", rgb), (", gray", gray)):
    for i, j, h, w, size in ((3, 5, 12, 11, [16, 16]), (0, 0, 20, 17, [9, 13]), (2, 1, 7, 9, [7, 9])):
        record(f"resized crop {i} {j} {h} {w}{label}", image,
               {"crop": {"top": i, "left": j, "height": h, "width": w}, "size": size}, F.resized_crop(image, i, j, h,
                   w, size))
    record("crop" + label, image, {"crop": {"top": 1, "left": 2, "height": 9, "width": 8}}, F.crop(image, 1, 2, 9, 8))
    record("flip" + label, image, {"mirror": True}, F.hflip(image))
    for dx, dy in ((2, 3), (-4, 1), (0, -30)):
        record(f"shift {dx} {dy}{label}", image, {"shift_x": dx, "shift_y": dy},
               F.affine(image, 0, [dx, dy], 1, [0, 0], NEAREST, fill=0))
    color = (200, 30, 90)
    for angle, dx, dy, scale, shear in ((17.5, 2, -3, 1.1, 4.0), (-120, 0, 0, 0.7, -30), (0, 3, 1, 1.25, 0),
        (90, 0, 0, 1, 0),
                                        (0.3, 0, 1, 1, 0), (180, 0, 0, 1, 0)):
        for mode in (NEAREST, BILINEAR):
            record(f"affine {angle} {mode.value}{label}", image,
                   {"affine": {"degrees": angle, "right": dx, "down": dy, "scale": scale, "shear_x": shear,
                       "shear_y": 0,
                               "interpolation": mode.value, "fill": [color[0]] * 3 if image.mode == "L" else color}},
                   F.affine(image, angle, [dx, dy], scale, [shear, 0], mode, fill=fill(image, color)))
    for name, function in (("brightness", F.adjust_brightness), ("contrast", F.adjust_contrast),
                           ("saturation", F.adjust_saturation)):
        for factor in (0, 0.37, 0.9, 1, 1.45, 3):
            record(f"{name} {factor}{label}", image, {"color_jitter": [{"name": name, "value": factor}]},
                function(image, factor))
    for turn in (-0.5, -0.21, 0.03, 0.4):
        record(f"hue {turn}{label}", image, {"color_jitter": [{"name": "hue", "value": turn}]},
            F.adjust_hue(image, turn))
    record("all jitter" + label, image,
           {"color_jitter": [{"name": "contrast", "value": 1.3}, {"name": "hue", "value": 0.1},
                             {"name": "brightness", "value": 0.8}, {"name": "saturation", "value": 1.7}]},
           F.adjust_saturation(F.adjust_brightness(F.adjust_hue(F.adjust_contrast(image, 1.3), 0.1), 0.8), 1.7))
    record("grayscale" + label, image, {"grayscale": True}, F.to_grayscale(image, len(image.getbands())))
    for kernel, sigma in ((3, 0.5), (9, 1.7), (15, 4.0), (1, 1.0)):
        record(f"blur {kernel} {sigma}{label}", image, {"blur_kernel": kernel, "blur_sigma": sigma},
               F.gaussian_blur(image, kernel, sigma))
    value = torch.tensor(color[:len(image.getbands())], dtype=torch.uint8)[:, None, None]
    erased = F.to_pil_image(F.erase(F.pil_to_tensor(image), 3, 4, 6, 7, value))
    record("erasing" + label, image,
           {"erase": {"top": 3, "left": 4, "height": 6, "width": 7},
            "erase_fill": [color[0]] * 3 if image.mode == "L" else color}, erased)

# RandAugment's operations at the magnitudes that it knows.
for label, image in (("", rgb), (", gray", gray), (", flat", flat)):
    augment = T.RandAugment()
    space = augment._augmentation_space(31, (image.height, image.width))
    names = {"Identity": "identity", "ShearX": "shear_x", "ShearY": "shear_y", "TranslateX": "translate_x",
             "TranslateY": "translate_y", "Rotate": "rotate", "Brightness": "brightness", "Color": "color",
             "Contrast": "contrast",
             "Sharpness": "sharpness", "Posterize": "posterize", "Solarize": "solarize", "AutoContrast": "autocontrast",
             "Equalize": "equalize"}
    assert set(names) == set(space), set(space) ^ set(names)
    from torchvision.transforms.autoaugment import _apply_op
    for name, (magnitudes, signed) in space.items():
        for m in (9, 22, 30) if magnitudes.ndim > 0 else (0,):
            for sign in (1, -1) if signed else (1,):
                value = sign * float(magnitudes[m].item()) if magnitudes.ndim > 0 else 0.0
                out = _apply_op(image, name, value, NEAREST, fill=None)
                record(f"randaugment {name} {m} {sign}{label}", image,
                       {"randaugment": [{"name": names[name], "value": value}], "magnitude": m}, out)

sources = json.dumps({"rgb": encode(rgb), "gray": encode(gray), "flat": encode(flat)})
text = '{"sources": ' + sources + ',\n"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n"
Path(__file__).with_name("view_operations_golden.json").write_text(text)
