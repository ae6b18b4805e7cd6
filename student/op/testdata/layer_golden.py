"""Writes layer_golden.json, as op_golden.py does, for activations, softmax, layer normalisation, concatenation, padding
and transposed convolution.

    python3 layer_golden.py > layer_golden.json
"""
import contextlib
import io

import torch
import torch.nn.functional as F

with contextlib.redirect_stdout(io.StringIO()):  # its own cases
    import op_golden
from op_golden import case, draw, json

op_golden.cases.clear()
torch.manual_seed(1)


def wide(*shape):
    return (draw(*shape) * 300).round() / 100


for name, f in {
    "relu6": F.relu6,
    "leaky relu": lambda x: F.leaky_relu(x, 0.1),
    "gelu": F.gelu,
    "silu": F.silu,
    "hard swish": F.hardswish,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda x: x.softmax(-1),
}.items():
    case(name + "/matrix", f, wide(3, 7))
    case(name + "/images", f, wide(2, 2, 3, 3))
case("softmax/vector", lambda x: x.softmax(-1), wide(5))
case("softmax/large", lambda x: x.softmax(-1), 1000 * wide(3, 4))
case("softmax/one column", lambda x: x.softmax(-1), wide(3, 1))


def layer_norm(x, gamma, beta):
    return F.layer_norm(x, gamma.shape, gamma, beta, eps=1e-3)


case("layer norm/matrix", layer_norm, wide(5, 4), draw(4), draw(4))
case("layer norm/images", layer_norm, wide(11, 2, 3, 2), draw(2, 3, 2), draw(2, 3, 2))
case("layer norm/last axis of images", layer_norm, wide(2, 2, 3, 4), draw(4), draw(4))
case("layer norm/last two axes", layer_norm, wide(2, 2, 3, 4), draw(3, 4), draw(3, 4))

case("concat/matrices", lambda *x: torch.cat(x, 1), draw(3, 2), draw(3, 4), draw(3, 1))
case("concat/images", lambda *x: torch.cat(x, 1), draw(2, 1, 3, 2), draw(2, 3, 3, 2))
case("concat/one", lambda x: torch.cat([x], 1), draw(2, 3))
case("concat/repeated", lambda x, y: torch.cat([x, y, x], 1), draw(2, 1, 2, 2), draw(2, 2, 2, 2))

case("pad/all sides", lambda x: F.pad(x, (2, 2, 1, 1)), draw(2, 2, 3, 2))
case("pad/one side", lambda x: F.pad(x, (0, 1, 2, 0)), draw(2, 1, 2, 3))


def conv_transpose(name, x, w, bias=True, **options):
    filters = w[1] * options.get("groups", 1)
    inputs = [draw(*x), draw(*w)] + ([draw(filters)] if bias else [])
    case("conv transpose/" + name, lambda x, w, b=None: F.conv_transpose2d(x, w, b, **options), *inputs)


conv_transpose("plain", (2, 3, 4, 3), (3, 2, 3, 3))
conv_transpose("no bias", (1, 2, 3, 3), (2, 3, 2, 2), bias=False)
conv_transpose("stride", (2, 2, 3, 4), (2, 3, 3, 3), stride=2, padding=1)
conv_transpose("output padding", (2, 2, 3, 4), (2, 3, 3, 3), stride=(2, 3), padding=1, output_padding=(1, 2))
conv_transpose("groups", (2, 4, 3, 3), (4, 3, 3, 3), groups=2, stride=2)
conv_transpose("depthwise", (2, 3, 3, 4), (3, 1, 2, 3), groups=3, stride=(1, 2), output_padding=(0, 1))
conv_transpose("dilation", (1, 2, 3, 3), (2, 2, 2, 3), dilation=(2, 1), padding=(1, 0))
conv_transpose("gap between kernels", (1, 1, 2, 3), (1, 2, 1, 2), stride=3)
conv_transpose("padding wider than the kernel", (1, 2, 5, 5), (2, 2, 2, 2), padding=2)

print("{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, separators=(",", ":"))
                         for k, v in op_golden.cases.items()) + "\n}")
