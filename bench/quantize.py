"""ONNX Runtime's own quantiser on a student of rkd, for comparison; development only.

    bin/rkd run examples/mnist-unseen.yaml --set name=quantized --set 'export={quantize: int8}'
    python3 bench/quantize.py runs/quantized/rkd-da/seed-1/student.onnx ~/.cache/rkd/mnist
    for m in student student_int8 ort_minmax ort_percentile ort_entropy; do
        bin/rkd eval runs/quantized/rkd-da/seed-1/$m.onnx --config examples/mnist-unseen.yaml --quiet
    done

It writes ort_METHOD.onnx beside the student: static, QDQ, a scale for each channel, calibrated on 512 training samples,
digits 0 to 4 at equal distances, as rkd does. Needs numpy, onnx and onnxruntime.
"""
import gzip
import os
import sys

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

student, mnist = sys.argv[1:]


def idx(name, header, shape):
    with gzip.open(os.path.join(mnist, name)) as f:
        return np.frombuffer(f.read(), np.uint8, offset=header).reshape(shape)


images = idx("train-images-idx3-ubyte.gz", 16, (-1, 1, 28, 28))
labels = idx("train-labels-idx1-ubyte.gz", 8, (-1,))
images = images[labels < 5]
images = images[[i * len(images) // 512 for i in range(512)]]
inputs = images.astype(np.float32) / np.float32(255) - np.float32(0.5)


class Reader(CalibrationDataReader):
    def __init__(self):
        self.batches = iter(np.split(inputs, 32))

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"input": batch}


for method in ("MinMax", "Percentile", "Entropy"):
    target = os.path.join(os.path.dirname(student), f"ort_{method.lower()}.onnx")
    quantize_static(student, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    calibrate_method=getattr(CalibrationMethod, method))
    print(target, os.path.getsize(target))
