"""Writes graph_golden.json, as op_golden.py does, for the operators that imported networks need.

    python3 graph_golden.py > graph_golden.json
"""
import contextlib
import io

import torch

with contextlib.redirect_stdout(io.StringIO()):  # its own cases
    import op_golden
from op_golden import case, draw, json

op_golden.cases.clear()
torch.manual_seed(2)

case("reshape/images", lambda x: x.reshape(2, 3, 2, 2, 5), draw(2, 6, 2, 5))
case("reshape/matrix", lambda x: x.reshape(3, 2, 3), draw(3, 6))
case("reshape/flat", lambda x: x.reshape(2, 12), draw(2, 3, 2, 2))
case("transpose/groups", lambda x: x.permute(0, 2, 1, 3, 4).contiguous(), draw(2, 2, 3, 2, 2))
case("transpose/channels last", lambda x: x.permute(0, 2, 3, 1).contiguous(), draw(2, 3, 4, 2))
case("transpose/turn", lambda x: x.permute(0, 3, 1, 2).contiguous(), draw(2, 3, 4, 2))
case("transpose/nothing moves", lambda x: x.permute(0, 1, 2).contiguous(), draw(2, 3, 2))
case("slice channels/first", lambda x: x[:, :2], draw(2, 5, 2, 3))
case("slice channels/middle", lambda x: x[:, 1:3], draw(3, 4))
case("slice channels/last", lambda x: x[:, 3:], draw(2, 4, 3))
case("mul/images", torch.mul, draw(2, 2, 3, 3), draw(2, 2, 3, 3))
case("mul/twice the same", lambda x: x * x, draw(2, 3))
case("scale/images", lambda x, s: x * s[:, None, None], draw(3, 2, 2, 3), draw(2))
case("scale/matrix", torch.mul, draw(3, 4), draw(4))
case("gate/images", lambda x, g: x * g[:, :, None, None], draw(3, 2, 2, 3), draw(3, 2))
case("shift/images", lambda x, b: x + b[:, None, None], draw(3, 2, 2, 3), draw(2))
case("shift/matrix", torch.add, draw(3, 4), draw(4))
case("hard sigmoid/images", lambda x: (x / 6 + 0.5).clamp(0, 1), (300 * draw(2, 2, 3, 3)).round() / 100)
case("hard sigmoid/steep", lambda x: (0.5 * x + 0.25).clamp(0, 1), draw(4, 5))

print("{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, separators=(",", ":"))
                         for k, v in op_golden.cases.items()) + "\n}")
