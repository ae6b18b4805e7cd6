"""Ten steps of SGD in PyTorch, for TestTenStepsEqualPyTorchs to repeat.

    python3 steps.py NETWORK RATE FOLDER

Writes FOLDER/model.onnx (random weights, batch normalisation in eval mode and not folded, except for NETWORK-folded),
and little-endian float32: head.bin (weight (8,D), bias (8)), batches.bin (10,4,3,64,64), targets.bin (10,4,8),
losses.bin (10). The loss is the mean of squared differences. RATE is the learning rate: where it is too large for a
network, its losses in float32 and float64 differ by more than the test allows, and there is nothing to compare.
"""
import inspect
import sys
import warnings

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

warnings.filterwarnings("ignore")
torch.manual_seed(0)
torch.set_num_threads(2)
name, rate, folder = sys.argv[1:]
SIDE, BATCH, STEPS, DIM, MOMENTUM = 64, 4, 10, 8, 0.9


class Body(nn.Module):
    """The network up to its last linear layer."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        if hasattr(net, "fc"):
            net.fc = nn.Identity()

    def forward(self, x):
        return self.net(x) if hasattr(self.net, "fc") else self.net.features(x).mean([2, 3])


def fold(net):
    """Folds every normalisation into the convolution right before it in a Sequential or by resnet's names."""
    for m in net.modules():
        children = list(m.named_children())
        for (n1, a), (n2, b) in zip(children, children[1:]):
            if isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d):
                setattr(m, n1, fuse_conv_bn_eval(a, b))
                setattr(m, n2, nn.Identity())


body = Body(getattr(torchvision.models, name.removesuffix("-folded"))()).eval()
for m in body.modules():
    if isinstance(m, nn.BatchNorm2d):
        m.running_mean.normal_(0, 0.1)
        m.running_var.uniform_(0.5, 1.5)
if name.endswith("-folded"):
    fold(body.net)
body.requires_grad_(True)  # newer versions of PyTorch leave the biases of folded convolutions constant
x = torch.randn(STEPS, BATCH, 3, SIDE, SIDE)
dim = body(x[0]).shape[1]
head = nn.Linear(dim, DIM)
targets = torch.randn(STEPS, BATCH, DIM)


def write(file, *tensors):
    with open(f"{folder}/{file}", "wb") as f:
        for t in tensors:
            f.write(np.ascontiguousarray(t.detach().numpy(), dtype="<f4").tobytes())


# PyTorch's exporter by TorchScript: newer versions choose another one unless told.
EXPORTER = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
torch.onnx.export(body, x[0], f"{folder}/model.onnx", opset_version=13, training=torch.onnx.TrainingMode.PRESERVE,
                  do_constant_folding=False, input_names=["input"], output_names=["output"],
                  dynamic_axes={"input": {0: "N"}, "output": {0: "N"}}, **EXPORTER)
write("head.bin", head.weight, head.bias)
write("batches.bin", x)
write("targets.bin", targets)

optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=float(rate), momentum=MOMENTUM)
losses = []
for batch, target in zip(x, targets):
    optimizer.zero_grad()
    loss = ((head(body(batch)) - target) ** 2).mean()
    loss.backward()
    optimizer.step()
    losses.append(loss.detach())
write("losses.bin", torch.stack(losses))
