"""Writes onnx/*.onnx for operators that no exporter at hand writes: each file is a graph given as text.

    python3 operators.py

Needs onnx. Weights are drawn and of no use; the tests compare the student with ONNX Runtime on the same file.
"""
import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

LOCAL = """
<domain: "local", opset_import: ["": %d, "local": 1]>
Gate <slope: float = 0.1> (X, W, B) => (Y) {
    S = LeakyRelu <alpha: float = @slope> (X)
    Y = Conv <pads = [1, 1, 1, 1]> (S, W, B)
}
<domain: "local", opset_import: ["": %d, "local": 1]>
Block (X, W, B) => (Y, T) {
    T = Sigmoid (X)
    G = local.Gate <slope = 0.2> (X, W, B)
    Y = Mul (T, G)
}
"""

# name: (operator set, type of the input, its shape, body, weights, functions)
CASES = {
    "sum": (13, "float", "N,3,6,6", """
        a = Conv <pads = [1, 1, 1, 1]> (x, w1)
        b = Conv <pads = [1, 1, 1, 1]> (x, w2)
        s = Sum (a, shift, b, a)
        one = Sum (s)
        output = Relu (one)
    """, {"w1": (4, 3, 3, 3), "w2": (4, 3, 3, 3), "shift": (4, 1, 1)}, ""),
    "swish_24": (24, "float", "N,3,6,6", """
        a = Conv <pads = [1, 1, 1, 1]> (x, w1)
        b = Swish (a)
        output = Swish <alpha = 1.7> (b)
    """, {"w1": (4, 3, 3, 3)}, ""),
    "functions": (17, "float", "N,4,6,6", """
        a, unused = local.Block (x, w1, b1)
        b = local.Gate (a, w2)
        output, gate = local.Block (b, w1_again, b1_again)
    """, {"w1": (4, 4, 3, 3), "b1": (4,), "w2": (4, 4, 3, 3), "w1_again": (4, 4, 3, 3), "b1_again": (4,)},
                  LOCAL % (17, 17)),
    "ceil": (17, "float", "N,3,10,9", """
        a = Conv (x, w1)
        b = MaxPool <kernel_shape = [3, 2], strides = [2, 3], pads = [1, 0, 1, 0], ceil_mode = 1> (a)
        c = AveragePool <kernel_shape = [2, 2], strides = [3, 2], ceil_mode = 1> (b)
        d = Conv <pads = [1, 1, 1, 1]> (a, w2)
        e = AveragePool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], count_include_pad = 1> (d)
        f = GlobalAveragePool (e)
        g = Mul (c, f)
        h = MaxPool <kernel_shape = [2, 2], strides = [2, 2], pads = [0, 0, 1, 1]> (g)
        output = AveragePool <kernel_shape = [2, 2], strides = [1, 1], pads = [0, 0, 1, 1]> (h)
    """, {"w1": (4, 3, 1, 1), "w2": (4, 4, 3, 3)}, ""),
    "pixels": (17, "uint8", "N,6,6,3", """
        t = Transpose <perm = [0, 3, 1, 2]> (x)
        wide = Cast <to = 6> (t)
        f = Cast <to = 1> (wide)
        s = Div (f, scale)
        output = Conv (s, w1)
    """, {"w1": (4, 3, 3, 3), "scale": ()}, ""),
    "half": (17, "float16", "N,3,6,6", """
        f = Cast <to = 1> (x)
        output = Conv (f, w1)
    """, {"w1": (4, 3, 3, 3)}, ""),
    "normalized": (17, "float", "N,5", """
        a = Gemm (x, w1, b1)
        l = ReduceL2 <axes = [1], keepdims = 1> (a)
        m = Clip (l, eps)
        shape = Shape (a)
        wide = Expand (m, shape)
        b = Div (a, wide)
        c = Gemm (b, w2, b1)
        n = ReduceL2 <axes = [-1]> (c)
        o = Max (n, eps)
        d = Div (c, o)
        e = Gemm (d, w2, b1)
        output = LpNormalization <axis = 1, p = 2> (e)
    """, {"w1": (5, 4), "b1": (4,), "w2": (4, 4), "eps": ()}, ""),
}

for name, (opset, kind, shape, body, weights, functions) in CASES.items():
    rng = np.random.default_rng(len(name))
    imports = f'"": {opset}' + (', "local": 1' if functions else "")
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: [{imports}]>\n{name} ({kind}[{shape}] x) => (float output) {{{body}}}\n'
        f'{functions}')
    model.graph.output[0].type.tensor_type.ClearField("shape")
    for node in model.graph.node:
        node.name = "/" + node.output[0] + "/" + node.op_type
    for weight, dims in weights.items():
        values = rng.uniform(-0.5, 0.5, dims).astype(np.float32)
        if not dims:
            values = np.float32({"eps": 1e-3, "scale": 51}[weight])
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), weight))
    onnx.save(model, f"onnx/{name}.onnx")
