"""Writes imported_golden.json, as op_golden.py does, for the activations that only imported networks have.

    python3 imported_golden.py > imported_golden.json
"""
import contextlib
import io

import torch
import torch.nn.functional as F

with contextlib.redirect_stdout(io.StringIO()):  # its own cases
    import op_golden
from op_golden import case, draw, json

op_golden.cases.clear()
torch.manual_seed(3)

for name, f in {
    "elu": F.elu,
    "elu of 0.3": lambda x: F.elu(x, 0.3),
    "elu of 2": lambda x: F.elu(x, 2),
    "erf": torch.erf,
    "gelu with tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": F.softplus,
}.items():
    case(name + "/matrix", f, (draw(3, 7) * 300).round() / 100)
    case(name + "/images", f, (draw(2, 2, 3, 3) * 300).round() / 100)
case("prelu/images", F.prelu, draw(3, 2, 3, 2), draw(2))
case("prelu/matrix", F.prelu, draw(4, 3), draw(3))
case("prelu/one slope", F.prelu, draw(2, 3, 2, 2), draw(1))
case("prelu/zeros", F.prelu, draw(2, 3, 2, 2, integer=True), draw(3))

print("{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, separators=(",", ":"))
                         for k, v in op_golden.cases.items()) + "\n}")
