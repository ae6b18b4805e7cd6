"""Writes op_golden.json: PyTorch's outputs and gradients for the cases of the package's tests, in float64.

    python3 op_golden.py > op_golden.json

Each case holds its inputs, the gradient gy on the output, the output, and the gradients on the inputs (null for
constants). Inputs are rounded to two decimals, results to twelve significant digits.
"""
import json

import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_num_threads(1)


def draw(*shape, positive=False, integer=False):
    if integer:
        return torch.randint(-1, 2, shape).double()
    x = torch.randn(*shape, dtype=torch.float64)
    if positive:
        x = x.abs() + 0.1
    return (x * 100).round() / 100


def packed(x, digits):
    if x is None:
        return None
    return {"shape": list(x.shape), "data": [float(f"{v:.{digits}g}") for v in x.flatten().tolist()]}


cases = {}


def case(name, f, *inputs, constants=()):
    leaves = [x.clone().requires_grad_(i not in constants) for i, x in enumerate(inputs)]
    y = f(*leaves)
    gy = draw(*y.shape)
    y.backward(gy)
    cases[name] = {
        "inputs": [packed(x, 6) for x in inputs],
        "gy": packed(gy, 6),
        "output": packed(y.detach(), 12),
        "grads": [packed(x.grad, 12) for x in leaves],
    }


def conv(name, x, w, bias=True, **options):
    inputs = [draw(*x), draw(*w)] + ([draw(w[0])] if bias else [])
    case("conv/" + name, lambda x, w, b=None: F.conv2d(x, w, b, **options), *inputs)


conv("plain", (2, 3, 5, 4), (4, 3, 3, 3))
conv("stride", (2, 2, 7, 6), (3, 2, 3, 3), stride=2, padding=1)
conv("uneven", (1, 2, 4, 5), (2, 2, 3, 2), stride=(1, 2), padding=(2, 1))
conv("padding wider than the input", (1, 1, 2, 1), (1, 1, 3, 3), padding=(4, 3), stride=(3, 2))
conv("padding wider than the kernel", (1, 2, 3, 2), (2, 2, 2, 1), padding=(2, 1))
conv("dilation", (2, 2, 8, 7), (2, 2, 3, 3), bias=False, dilation=(2, 1))
conv("dilation wider than the input", (1, 1, 3, 1), (2, 1, 1, 3), padding=(0, 4), dilation=(1, 4))
conv("dilation wider than the input, with stride", (1, 1, 3, 1), (2, 1, 1, 3), padding=(0, 4), dilation=(1, 4),
     stride=(2, 1))
conv("groups", (2, 4, 5, 5), (6, 2, 3, 3), groups=2, padding=1)
conv("depthwise", (3, 4, 6, 5), (4, 1, 3, 3), groups=4, padding=1, stride=(2, 1))
conv("depthwise dilated", (2, 3, 7, 7), (3, 1, 3, 3), bias=False, groups=3, padding=2, dilation=2)
conv("depthwise wider than the input", (1, 2, 3, 1), (2, 1, 1, 3), padding=(0, 4), dilation=(1, 4), groups=2)
conv("depth multiplier", (2, 2, 5, 5), (4, 1, 3, 3), groups=2)
conv("pointwise", (2, 3, 4, 5), (5, 3, 1, 1))
conv("pointwise grouped", (2, 4, 3, 3), (2, 2, 1, 1), groups=2)
conv("pointwise with stride", (2, 3, 5, 5), (2, 3, 1, 1), bias=False, stride=2)
conv("batch of one", (1, 1, 6, 6), (2, 1, 5, 5), padding=2)
conv("kernel as large as the input", (2, 2, 3, 3), (3, 2, 3, 3))
conv("more samples than partial sums", (19, 1, 3, 3), (2, 1, 2, 2))
conv("long sums", (2, 13, 2, 3), (2, 13, 1, 5), padding=(0, 2))
conv("long sums backwards", (2, 2, 3, 3), (8, 2, 3, 3), padding=1)

case("linear/bias", F.linear, draw(3, 4), draw(5, 4), draw(5))
case("linear/no bias", F.linear, draw(1, 3), draw(2, 3))


def batch_norm(x, gamma, beta):
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-3)


def batch_norm_inference(x, mean, variance, gamma, beta):
    return F.batch_norm(x, mean, variance, gamma, beta, eps=1e-5)


case("batch norm/images", batch_norm, draw(3, 2, 4, 3), draw(2), draw(2))
case("batch norm/vectors", batch_norm, draw(5, 3), draw(3), draw(3))
case("batch norm/one image", batch_norm, draw(1, 2, 3, 3), draw(2), draw(2))
for name, shape in ("images", (3, 2, 4, 3)), ("vectors", (5, 2)):
    case("batch norm inference/" + name, batch_norm_inference, draw(*shape), draw(2), draw(2, positive=True), draw(2),
         draw(2), constants=(1, 2))

case("relu/matrix", F.relu, draw(3, 4))
case("relu/images", F.relu, draw(2, 2, 3, 3))
case("relu/zeros", F.relu, draw(2, 9, integer=True))
case("max pool/2x2", lambda x: F.max_pool2d(x, 2), draw(2, 2, 4, 6))
case("max pool/2x2 ties", lambda x: F.max_pool2d(x, 2), draw(2, 2, 4, 4, integer=True))
case("max pool/rest cut off", lambda x: F.max_pool2d(x, 2), draw(1, 2, 5, 7))
case("max pool/overlapping", lambda x: F.max_pool2d(x, 3, 2, 1), draw(2, 2, 6, 5))
case("max pool/uneven", lambda x: F.max_pool2d(x, (2, 3), (1, 2), (0, 1)), draw(1, 2, 4, 5))
case("max pool/ties", lambda x: F.max_pool2d(x, 3, 1, 1), draw(1, 1, 6, 6, integer=True))
case("avg pool/2x2", lambda x: F.avg_pool2d(x, 2), draw(2, 2, 4, 6))
case("avg pool/padded", lambda x: F.avg_pool2d(x, 3, 2, 1), draw(2, 2, 6, 5))
case("avg pool/padding excluded", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), draw(2, 2, 6, 5))
case("avg pool/uneven", lambda x: F.avg_pool2d(x, (2, 3), (1, 2), (0, 1)), draw(1, 2, 4, 5))
case("global avg pool/images", lambda x: x.mean((2, 3)), draw(2, 3, 4, 5))
case("global max pool/images", lambda x: x.amax((2, 3)), draw(2, 3, 4, 5))
case("flatten/images", lambda x: x.flatten(1), draw(2, 3, 2, 2))
case("flatten/cubes", lambda x: x.flatten(1), draw(2, 3, 2))
case("l2 normalize/rows", F.normalize, draw(4, 5))
case("l2 normalize/zero row", lambda x: F.normalize(x, eps=0.5), torch.cat([draw(2, 3), torch.zeros(1, 3).double()]))
case("l2 normalize/short rows", lambda x: F.normalize(x, eps=1.5), draw(6, 3))
case("add/images", torch.add, draw(2, 2, 3, 3), draw(2, 2, 3, 3))
case("add/twice the same", lambda x: x + x, draw(2, 3))
# F.pad counts left, right, top, bottom
case("conv/more padding after the image", lambda x, w, b: F.conv2d(F.pad(x, (0, 1, 0, 1)), w, b, stride=2, groups=2),
     draw(2, 2, 6, 4), draw(2, 1, 3, 3), draw(2))
case("conv/less padding after the image", lambda x, w: F.conv2d(F.pad(x, (1, 2, 2, 1)), w), draw(2, 2, 4, 5),
    draw(3, 2, 3, 3))
# of negative numbers too, which zeros would beat
case("max pool/padding behind", lambda x: F.max_pool2d(F.pad(x, (1, 0, 0, 1), value=-torch.inf), (3, 2), 2),
    draw(2, 2, 6, 5))
case("max pool/rounded up", lambda x: F.max_pool2d(x, (3, 2), (2, 3), (1, 0), ceil_mode=True), draw(2, 2, 6, 6))
case("avg pool/padding behind", lambda x: F.avg_pool2d(F.pad(x, (1, 0, 0, 1)), (3, 2), 2), draw(2, 2, 6, 5))
case("avg pool/rounded up", lambda x: F.avg_pool2d(x, (3, 2), (2, 3), (1, 0), ceil_mode=True), draw(2, 2, 6, 6))
case("avg pool/rounded up, padding excluded", lambda x: F.avg_pool2d(
    x, (3, 2), (2, 3), (1, 0), ceil_mode=True, count_include_pad=False), draw(2, 2, 6, 6))

print("{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, separators=(",", ":")) for k, v in cases.items()) + "\n}")
