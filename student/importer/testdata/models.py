"""Writes onnx/*.onnx: small networks as PyTorch's exporter and, by hand, other exporters write them.

    python3 models.py

Weights are random and of no use. Each file shows operators that student/importer imports; the tests compare the student
with ONNX Runtime on the same file, so nothing of what the networks compute is stored.
"""
import inspect
import os
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

warnings.filterwarnings("ignore")
os.makedirs("onnx", exist_ok=True)
MODE = torch.onnx.TrainingMode
# PyTorch's exporter by TorchScript: newer versions choose another one unless told.
EXPORTER = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}


def export(name, net, shape, opset, raw=False, batch=None):
    """raw keeps batch normalisation apart, as exports for fine-tuning do; batch fixes the number of samples."""
    torch.manual_seed(1)
    for p in net.parameters():
        if not (raw and p.eq(1).all()):  # the exporter joins scales that are equal, and names the others by Identity
            nn.init.uniform_(p, -0.5, 0.5)
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.running_mean.uniform_(-0.5, 0.5)
            m.running_var.uniform_(0.5, 1.5)
    net.eval()
    torch.onnx.export(
        net, torch.randn(batch or 2, *shape), f"onnx/{name}.onnx", opset_version=opset,
        training=MODE.PRESERVE if raw else MODE.EVAL, do_constant_folding=not raw,
        input_names=["input"], output_names=["output"],
        dynamic_axes=None if batch else {"input": {0: "N"}, "output": {0: "N"}}, **EXPORTER)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
            nn.MaxPool2d(3, 2, 1))
        self.body = nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6))
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(x + self.body(x))
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Inverted(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 1), nn.ReLU6(), nn.Conv2d(4, 4, 3, 2, 2, dilation=2, groups=4), nn.ReLU6(), nn.Conv2d(4, 6,
                1))

    def forward(self, x):
        return self.features(x).mean([2, 3])


class Fire(nn.Module):
    def __init__(self):
        super().__init__()
        self.squeeze, self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1), nn.Conv2d(4, 5, 3, padding=1)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.drop = nn.Dropout()

    def forward(self, x):
        x = torch.relu(self.squeeze(x))
        x = torch.cat([self.left(x), self.right(x)], 1)
        return self.drop(self.pool(x))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, (1, 2), (1, 0))
        self.norm1, self.conv1 = nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)
        self.norm2, self.pool = nn.BatchNorm2d(6), nn.AvgPool2d(2, 2)
        self.padded, self.counted = nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.AvgPool2d(3, 2, 1)

    def forward(self, x):
        x = self.first(x)
        x = torch.cat([x, self.conv1(torch.relu(self.norm1(x)))], 1)
        return self.counted(self.padded(self.pool(torch.relu(self.norm2(x)))))


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        a, b = self.stem(x).chunk(2, 1)
        x = torch.cat([a, self.conv(b)], 1)
        n, c, h, w = x.size()
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)
        return self.fc(x.mean([2, 3]))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.down, self.up = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.last = nn.Conv2d(8, 6, 1)

    def forward(self, x):
        x = nn.functional.silu(self.conv(x))
        gate = nn.functional.hardsigmoid(self.up(torch.relu(self.down(nn.functional.adaptive_avg_pool2d(x, 1)))))
        x = nn.functional.hardswish(self.last(x * gate))
        return x


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 4, 3, 2, 1, output_padding=1)
        self.norm = nn.LayerNorm([4, 8, 8])
        self.border = nn.ZeroPad2d((0, 1, 2, 0))

    def forward(self, x):
        x = nn.functional.leaky_relu(self.norm(self.up(x)), 0.2)
        return torch.tanh(self.border(x))


export("residual", Residual(), (3, 12, 12), 13)
export("residual_raw", Residual(), (3, 12, 12), 11, raw=True)
export("inverted_11", Inverted(), (3, 9, 9), 11)
export("inverted_17", Inverted(), (3, 9, 9), 17)
export("fire", Fire(), (3, 9, 9), 12)
export("dense", Dense(), (3, 8, 9), 17)
export("shuffle", Shuffle(), (3, 8, 8), 12)
export("shuffle_13", Shuffle(), (3, 8, 8), 13)
export("shuffle_fixed", Shuffle(), (3, 8, 8), 16, batch=1)
export("gated", Gated(), (3, 8, 8), 14)
export("gated_11", Gated(), (3, 8, 8), 11)
export("decoder", Decoder(), (3, 4, 4), 17)
export("mlp", nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 4),
    nn.Softmax(1)),
       (6,), 13, raw=True)
export("mlp_images", nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 4)), (3, 2, 2), 13)

rng = np.random.default_rng(3)


def weight(name, *shape, dtype=np.float32):
    return numpy_helper.from_array((0.5 * rng.standard_normal(shape)).astype(dtype), name)


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def save(name, nodes, initializers, shape, opset, elem=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("input", elem, shape)],
        [helper.make_tensor_value_info("output", elem, None)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, f"onnx/{name}.onnx")


node = helper.make_node

# As converters from TensorFlow write: images with their channels last, preprocessing inside, padding by name, biases
# apart.
save("channels_last", [
    node("Transpose", ["input"], ["x"], perm=[0, 3, 1, 2]),
    node("Sub", ["x", "mean"], ["centred"]),
    node("Div", ["centred", "std"], ["scaled"]),
    node("Conv", ["scaled", "w"], ["conv"], auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3]),
    node("Add", ["conv", "b"], ["biased"]),
    node("Relu", ["biased"], ["relu"]),
    node("MaxPool", ["relu"], ["pool"], auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2]),
    node("Mul", ["pool", "gamma"], ["scale"]),
    node("Conv", ["scale", "w2"], ["uneven"], pads=[0, 1, 1, 0], kernel_shape=[2, 2]),
    node("AveragePool", ["uneven"], ["average"], kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1),
    node("Transpose", ["average"], ["back"], perm=[0, 2, 3, 1]),
    node("Reshape", ["back", "flat"], ["rows"]),
    node("MatMul", ["rows", "dense"], ["product"]),
    node("Add", ["product", "dense_bias"], ["output"]),
], [
    weight("mean", 1, 3, 1, 1), numpy_helper.from_array(np.array([0.5], np.float32), "std"), weight("w", 4, 3, 3, 3),
    weight("b", 4, 1, 1), weight("gamma", 1, 4, 1, 1), weight("w2", 5, 4, 2, 2), ints("flat", -1, 45),
    weight("dense", 45, 6), weight("dense_bias", 6),
], ["N", 12, 12, 3], 13)

# As old files are: attributes instead of inputs.
save("opset_9", [
    node("Pad", ["input"], ["padded"], pads=[0, 0, 1, 0, 0, 0, 1, 2]),
    node("Conv", ["padded", "w", "b"], ["conv"], kernel_shape=[3, 3]),
    node("BatchNormalization", ["conv", "gamma", "beta", "mean", "var"], ["norm"], epsilon=1e-3),
    node("Clip", ["norm"], ["clip"], min=0.0),
    node("Slice", ["clip"], ["head"], axes=[1], starts=[0], ends=[2]),
    node("Slice", ["clip"], ["tail"], axes=[1], starts=[-4], ends=[100]),
    node("Split", ["tail"], ["tail1", "tail2"], axis=1, split=[1, 3]),
    node("Concat", ["tail2", "head", "tail1"], ["joined"], axis=-3),
    node("Dropout", ["joined"], ["dropped", "mask"], ratio=0.3),
    node("GlobalMaxPool", ["dropped"], ["pool"]),
    node("Squeeze", ["pool"], ["rows"], axes=[2, 3]),
    node("Gemm", ["rows", "dense", "bias"], ["gemm"]),
    node("Unsqueeze", ["gemm"], ["images"], axes=[2, 3]),
    node("HardSigmoid", ["images"], ["hard"]),
    node("Softmax", ["gemm"], ["soft"], axis=1),
    node("Unsqueeze", ["soft"], ["soft4"], axes=[2, 3]),
    node("Mul", ["hard", "soft4"], ["mul"]),
    node("Flatten", ["mul"], ["output"]),
], [
    weight("w", 6, 3, 3, 3), weight("b", 6), weight("gamma", 6), weight("beta", 6), weight("mean", 6),
    numpy_helper.from_array(np.linspace(0.5, 1.5, 6).astype(np.float32), "var"), weight("dense", 6, 4), weight("bias",
        1, 4),
], ["N", 3, 6, 6], 9)


def bfloat16(name, *shape):
    bits = (0.5 * rng.standard_normal(shape)).astype(np.float32).view(np.uint32) >> 16
    return helper.make_tensor(name, TensorProto.BFLOAT16, shape, bits.astype(np.uint16).tobytes(), raw=True)


# Weights of other widths.
save("widths", [
    node("Cast", ["w16"], ["w"], to=TensorProto.FLOAT),
    node("Conv", ["input", "w"], ["conv"], kernel_shape=[3, 3]),
    node("Flatten", ["conv"], ["rows"]),
    node("Cast", ["wb16"], ["wb"], to=TensorProto.FLOAT),
    node("Transpose", ["wb"], ["turned"], perm=[1, 0]),
    node("MatMul", ["rows", "turned"], ["product"]),
    node("Cast", ["w64"], ["wd"], to=TensorProto.FLOAT),
    node("Gemm", ["product", "wd"], ["output"], transB=1),
], [weight("w16", 4, 3, 3, 3, dtype=np.float16), bfloat16("wb16", 5, 16), weight("w64", 3, 5, dtype=np.float64)],
    ["N", 3, 4, 4], 13)


class Curved(nn.Module):
    """Activations that the exporter composes, and slopes that are learned."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.slopes, self.slope = nn.PReLU(4), nn.PReLU()
        self.wide, self.narrow, self.exact, self.tanh = nn.ELU(0.6), nn.ELU(), nn.GELU(), nn.GELU(approximate="tanh")
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = self.narrow(self.slopes(self.conv1(x)))
        x = self.slope(self.conv2(self.exact(x)))
        x = nn.functional.mish(self.conv3(self.tanh(x)))
        return self.wide(self.fc(x.mean([2, 3])))


export("curved", Curved(), (3, 6, 6), 13)
export("curved_raw", Curved(), (3, 6, 6), 16, raw=True)


def number(name, value, dtype=np.float32):
    return numpy_helper.from_array(np.array(value, dtype), name)


def constant(name, tensor):
    return node("Constant", [], [name], value=tensor)


# GELU as others compose it, and as a single operator; products with factors; axes as an input; weights in Constant
# nodes.
save("composed", [
    constant("w", weight("", 4, 3, 3, 3)),
    constant("two", number("", 2, np.int64)),
    node("Conv", ["input", "w"], ["a"], kernel_shape=[3, 3]),
    node("Mul", ["a", "root"], ["a_root"]), node("Erf", ["a_root"], ["a_erf"]), node("Add", ["one", "a_erf"],
        ["a_one"]),
    node("Mul", ["half", "a"], ["a_half"]), node("Mul", ["a_half", "a_one"], ["b"]),
    node("Identity", ["b"], ["same"]), node("Dropout", ["same", "ratio", "no"], ["kept", "mask"]),
    node("Gelu", ["kept"], ["c"]), node("Gelu", ["c"], ["d"], approximate="tanh"),
    node("Pow", ["d", "two"], ["square"]), node("Mul", ["square", "cubic"], ["bent"]), node("Add", ["bent", "one"],
        ["bent1"]),
    node("Mul", ["d", "bent1"], ["inner"]), node("Mul", ["inner", "linear"], ["u"]), node("Tanh", ["u"], ["t"]),
    node("Add", ["t", "one"], ["t1"]), node("Mul", ["d", "t1"], ["doubled"]), node("Mul", ["doubled", "half"], ["e"]),
    node("Mish", ["e"], ["f"]), node("Elu", ["f"], ["g"]), node("PRelu", ["g", "slope"], ["h"]),
    node("HardSwish", ["h"], ["i"]), node("HardSigmoid", ["i"], ["j"], alpha=0.3, beta=0.4),
    node("ReduceMean", ["j", "axes"], ["rows"], keepdims=0),
    node("Gemm", ["rows", "dense", "bias"], ["scaled"], alpha=0.5, beta=3.0),
    node("Gemm", ["scaled", "dense2", "ignored"], ["last"], beta=0.0, alpha=2.0, transB=1),
    node("PRelu", ["last", "slope1"], ["output"]),
], [
    number("root", 0.5 ** 0.5), number("one", [1]), number("half", 0.5), number("cubic", 0.044715),
    number("linear", (2 / np.pi) ** 0.5), number("ratio", 0.4), number("no", False, bool), weight("slope", 4, 1, 1),
    ints("axes", -1, -2), weight("dense", 4, 5), weight("bias", 5), weight("dense2", 3, 5), weight("ignored", 3),
    weight("slope1", 1),
], ["N", 3, 6, 6], 20)
