"""Writes the ONNX files of this folder with PyTorch and the onnx package, and what they compute.

    python3 golden.py

conv_bn.onnx     convolution and batch normalisation, batch dimension N, opset 13, not folded; output "embedding"
external.onnx    the same with its weights in external.bin
fixed.onnx       the same with batch dimension 2, torch's constant folding on
half.onnx        a float16 matrix product between float32 input and float16 output
subgraph.onnx    an If node whose branches read a tensor from outside, and a model-local function that nothing calls
golden.json      one input and what conv_bn.onnx gives for it
"""
import inspect
import json
import pathlib

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
# PyTorch's exporter by TorchScript: newer versions choose another one unless told.
EXPORTER = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
torch.manual_seed(1)
torch.set_num_threads(2)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.bn = torch.nn.BatchNorm2d(4)
        self.depth = torch.nn.Conv2d(4, 4, 3, groups=4, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(4)
        self.linear = torch.nn.Linear(4, 3)
        self.bn3 = torch.nn.BatchNorm1d(3)
        for bn in (self.bn, self.bn2, self.bn3):
            bn.running_mean.uniform_(-1, 1)
            bn.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(bn.weight, 0.5, 2)
            torch.nn.init.uniform_(bn.bias, -1, 1)

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(x)))
        x = torch.relu(self.bn2(self.depth(x)))
        return self.bn3(self.linear(x.mean((2, 3))))


def export(net, name, batch, **options):
    torch.onnx.export(net, torch.zeros(batch, 1, 6, 6), HERE / name, opset_version=13, input_names=["input"],
                      output_names=["embedding"], **options, **EXPORTER)


def half():
    w = numpy_helper.from_array(np.arange(12, dtype=np.float16).reshape(4, 3) / 8, "w")
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16), helper.make_node("MatMul", ["h", "w"], ["y"])],
        "half", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["N", 3])], [w])
    return helper.make_model(graph, producer_name="golden", opset_imports=[helper.make_opsetid("", 13)])


def subgraph():
    def branch(name, op):
        out = helper.make_tensor_value_info(name + "_out", TensorProto.FLOAT, ["N"])
        return helper.make_graph([helper.make_node(op, ["outer"], [name + "_out"])], name, [], [out])
    nodes = [helper.make_node("Abs", ["x"], ["outer"]), helper.make_node("Neg", ["x"], ["unused"]),
             helper.make_node("If", ["flag"], ["y"], then_branch=branch("then", "Sqrt"),
                              else_branch=branch("else", "Exp"))]
    graph = helper.make_graph(nodes, "subgraph",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"]),
                               helper.make_tensor_value_info("flag", TensorProto.BOOL, [])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])])
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    function = helper.make_function("local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                    [helper.make_opsetid("", 17)])
    return helper.make_model(graph, producer_name="golden", opset_imports=opset, functions=[function])


def main():
    net = Net().eval()
    dynamic = {"input": {0: "N"}, "embedding": {0: "N"}}
    preserve = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    export(net, "conv_bn.onnx", 1, dynamic_axes=dynamic, **preserve)
    export(net, "fixed.onnx", 2)
    (HERE / "external.bin").unlink(missing_ok=True)  # the onnx package appends
    onnx.save_model(onnx.load(HERE / "conv_bn.onnx"), str(HERE / "external.onnx"), save_as_external_data=True,
                    location="external.bin", size_threshold=0)
    onnx.save_model(half(), str(HERE / "half.onnx"))
    onnx.save_model(subgraph(), str(HERE / "subgraph.onnx"))
    for path in sorted(HERE.glob("*.onnx")):
        onnx.checker.check_model(onnx.load(str(path)), full_check=True)  # of a path, it would rewrite the file
    x = torch.randn(2, 1, 6, 6)
    with torch.no_grad():
        y = net(x)
    parameters = sum(p.numel() for p in net.parameters()) + 2 * (4 + 4 + 3)
    golden = {"input": x.flatten().tolist(), "embedding": y.flatten().tolist(), "parameters": parameters}
    (HERE / "golden.json").write_text(json.dumps(golden) + "\n")


main()
