"""Names for the arrays that function signatures declare; shapes, ranges and units are in the docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
"""Pixels, 0 to 255."""
UInt32Array = npt.NDArray[np.uint32]
"""BGRA pixels, one number each."""
FloatArray = npt.NDArray[np.float32]
"""Landmarks, rotations, maps: everything that is computed live is float32."""
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
Int16Array = npt.NDArray[np.int16]
BoolArray = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[Any]
"""Of several possible types, or of one that the docstring names."""
