"""Writes normalize_golden.json: RKD on rows of unit length in PyTorch, float64.

    OMP_NUM_THREADS=2 python3 normalize_golden.py > normalize_golden.json
"""
import json

import torch
import torch.nn.functional as F

from loss_golden import rkd_angle, rkd_distance

torch.manual_seed(5)
student, teacher = torch.randn(9, 4) + 1, torch.randn(9, 7) - 2


def case(normalize_student, normalize_teacher):
    x = student.clone().requires_grad_()
    s = F.normalize(x) if normalize_student else x
    t = F.normalize(teacher) if normalize_teacher else teacher
    value = rkd_distance(s, t) + 2 * rkd_angle(s, t)
    value.backward()
    return {"student": normalize_student, "teacher": normalize_teacher, "value": value.item(),
        "grad": x.grad.flatten().tolist()}


print(json.dumps({
    "student": {"rows": 9, "cols": 4, "data": student.flatten().tolist()},
    "teacher": {"rows": 9, "cols": 7, "data": teacher.flatten().tolist()},
    "cases": [case(s, t) for s in (False, True) for t in (False, True)],
}, indent=1))
