"""Writes the *.npy files beside it: one matrix in every type, byte and storage order that is read, and in versions 2
and 3.

Run as: python3 npy.py, in this folder.
"""

import numpy as np

x = np.array([[0, 1.5], [-2, 65504], [2.0**-14, 2.0**-24]])
for size in (2, 4, 8):
    for mark, order in (("<", "little"), (">", "big")):
        for storage, asarray in (("c", np.ascontiguousarray), ("fortran", np.asfortranarray)):
            np.save(f"{storage}_{order}_f{size}.npy", asarray(x.astype(f"{mark}f{size}")))
for version in (2, 3):
    with open(f"version{version}.npy", "wb") as f:
        np.lib.format.write_array(f, x.astype("<f4"), version=(version, 0))
