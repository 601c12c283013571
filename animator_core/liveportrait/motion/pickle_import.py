"""Imports LivePortrait's official motion templates (.pkl) without running them.

A pickle is a program. Here it may only build lists, dicts, tuples, numbers and text; what it calls numpy's
constructors are stand-ins that note their arguments, and arrays are made afterwards from the checked notes.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from animator_core.arrays import AnyArray
from animator_core.errors import MotionError
from animator_core.liveportrait.motion.template import MotionTemplate, template_from_arrays

SUFFIX = ".pkl"
MAX_FILE_BYTES = 64 << 20
_MAX_OPERATIONS = 4_000_000
_MAX_FRAMES = 100_000
_MAX_ARRAY_BYTES = 1 << 20
_MAX_DIMENSIONS = 8
_DEFAULT_FPS = 25.0

_OPERATIONS = frozenset(
    """PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT
    BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
    EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS
    BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE BUILD""".split()  # noqa: SIM905 - readable
)
_REMEDY = "use a template that LivePortrait wrote, or record one"


class _Refused(Exception):
    """Something in the pickle that no template needs."""


class _Note:
    """A call that a pickle asked for; made anew for each kind, so that nothing of it outlives the reading."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Dtype(_Note):
    pass


class _Array(_Note):
    pass


class _Scalar(_Note):
    pass


class _FromBuffer(_Note):
    pass


class _ArrayType(_Note):
    """numpy.ndarray, only named in `_reconstruct`'s arguments."""


class _Latin1(bytes):
    """How Python 3 writes bytes for protocols that have none."""

    def __new__(cls, text: Any, encoding: Any = "latin1") -> _Latin1:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise _Refused("it encodes something else than bytes")
        return super().__new__(cls, text.encode("latin1"))

    def __setstate__(self, state: Any) -> None:
        raise _Refused("it changes bytes")


def _known_names() -> dict[tuple[str, str], type]:
    names: dict[tuple[str, str], type] = {("_codecs", "encode"): _Latin1}
    for package in ("numpy", "numpy.core", "numpy._core"):
        names[package + ".multiarray", "_reconstruct"] = _Array
        names[package + ".multiarray", "scalar"] = _Scalar
        names[package + ".numeric", "_frombuffer"] = _FromBuffer
    names["numpy", "ndarray"] = _ArrayType
    names["numpy", "dtype"] = _Dtype
    return names


class _Reader(pickle.Unpickler):
    """Knows only the stand-ins above."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in; anything else is refused."""
        found = _known_names().get((module, name))
        if found is None:
            raise _Refused(f"it asks for {module}.{name}"[:120])
        # A class of its own, so that a pickle that changes it changes nothing.
        return type(found.__name__, (found,), {})

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to things outside."""
        raise _Refused("it refers to something outside of itself")


def import_template(path: Path) -> MotionTemplate:
    """Return the motion of an official template; raises MotionError for files that are anything else."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MotionError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB", _REMEDY)
        content = path.read_bytes()
    except OSError as exc:
        raise MotionError(f"cannot read the template {path}: {exc.strerror or exc}", "check the path") from exc
    try:
        return _template(_read(content))
    except _Refused as exc:
        raise MotionError(f"{path} is no LivePortrait template: {exc}", _REMEDY) from exc
    except MotionError as exc:
        raise exc.about(str(path)) from exc
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        EOFError,
        OverflowError,
        MemoryError,
        RecursionError,
    ) as exc:
        raise MotionError(f"{path} is damaged or no pickle ({type(exc).__name__})", _REMEDY) from exc


def _read(content: bytes) -> Any:
    """Return the pickle's content, with notes for arrays."""
    _check_operations(content)
    return _Reader(io.BytesIO(content), encoding="latin1").load()


def _check_operations(content: bytes) -> None:
    """Refuse operations that no template needs, and numbers that would make the reader ask for much memory."""
    for count, (operation, argument, _) in enumerate(pickletools.genops(content)):
        if count >= _MAX_OPERATIONS:
            raise _Refused("it has too many parts")
        if operation.name not in _OPERATIONS:
            raise _Refused(f"it contains the operation {operation.name}")
        # The reader's table of stored things is as long as the largest number in it.
        if operation.name in ("BINPUT", "LONG_BINPUT") and int(argument or 0) > _MAX_OPERATIONS:
            raise _Refused("it numbers its parts wrongly")


def _template(content: Any) -> MotionTemplate:
    motion = _entry(content, "motion")
    if not isinstance(motion, list) or not 0 < len(motion) <= _MAX_FRAMES:
        raise _Refused("its motion is no list of frames")
    rotation_key = "R" if "R" in _dict(motion[0]) else "R_d"
    arrays = {
        "rotation": _stacked([_entry(frame, rotation_key) for frame in motion], (3, 3)),
        "expression": _stacked([_entry(frame, "exp") for frame in motion], (21, 3)),
        "scale": _stacked([_entry(frame, "scale") for frame in motion], (1,)),
        "translation": _stacked([_entry(frame, "t") for frame in motion], (3,)),
    }
    if "kp" in motion[0]:
        arrays["canonical_keypoints"] = _stacked([_entry(frame, "kp") for frame in motion], (21, 3))
    for name, keys, shape in (
        ("eye_ratios", ("c_eyes_lst", "c_d_eyes_lst"), (2,)),
        ("lip_ratio", ("c_lip_lst", "c_d_lip_lst"), (1,)),
    ):
        ratios = next((content[key] for key in keys if content.get(key)), None)
        # Templates of animals have none, or empty lists.
        if isinstance(ratios, list) and len(ratios) == len(motion):
            arrays[name] = _stacked(ratios, shape)
    return template_from_arrays(_frame_rate(content.get("output_fps", _DEFAULT_FPS)), arrays)


def _frame_rate(value: Any) -> float:
    if isinstance(value, _Note):
        value = _array(value).item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Refused("its output_fps is no number")
    return float(value)


def _dict(value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise _Refused("it is not built like one")
    return value


def _entry(container: Any, key: str) -> Any:
    if key not in _dict(container):
        raise _Refused(f"it has no {key!r}")
    return container[key]


def _stacked(values: list[Any], shape: tuple[int, ...]) -> AnyArray:
    """Return (N, *shape) float32 of one array a frame, each with any leading dimensions of 1."""
    rows = []
    for value in values:
        array = _array(value)
        if array.size != math.prod(shape):
            raise _Refused(f"an array has the shape {array.shape}, expected {(1, *shape)}")
        rows.append(array.reshape(shape).astype(np.float32))
    return np.stack(rows)


def _array(value: Any) -> AnyArray:
    """Return the array that a note stands for."""
    if isinstance(value, _Array) and isinstance(value.state, tuple) and len(value.state) == 5:
        _, shape, dtype, is_fortran, raw = value.state
        return _from_bytes(shape, dtype, order="F" if is_fortran else "C", raw=raw)
    if isinstance(value, _FromBuffer) and len(value.arguments) == 4:
        raw, dtype, shape, order = value.arguments
        return _from_bytes(shape, dtype, order="F" if order == "F" else "C", raw=raw)
    if isinstance(value, _Scalar) and len(value.arguments) == 2:
        dtype, raw = value.arguments
        return _from_bytes((), dtype, order="C", raw=raw)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return np.array(float(value))
    raise _Refused("something in the place of an array is none")


def _from_bytes(shape: Any, dtype: Any, order: str, raw: Any) -> AnyArray:
    number_type = _number_type(dtype)
    if not isinstance(shape, tuple) or len(shape) > _MAX_DIMENSIONS or not all(type(side) is int for side in shape):
        raise _Refused("an array has no shape")
    if isinstance(raw, str):
        raw = raw.encode("latin1")
    if not isinstance(raw, (bytes, bytearray)) or len(raw) > _MAX_ARRAY_BYTES or min(shape, default=1) < 1:
        raise _Refused("an array holds no bytes, or too many")
    if math.prod(shape) * number_type.itemsize != len(raw):
        raise _Refused("an array's shape does not fit what it holds")
    array: AnyArray = np.frombuffer(raw, number_type).reshape(shape, order=order)  # type: ignore[call-overload]
    return array


def _number_type(note: Any) -> np.dtype[Any]:
    """Return the type that a pickled dtype names, if it is one of plain numbers."""
    if not isinstance(note, _Dtype) or not note.arguments:
        raise _Refused("an array has no type")
    code = note.arguments[0]
    if code not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        raise _Refused("an array does not hold plain numbers")
    state = note.state
    is_big = isinstance(state, tuple) and len(state) > 1 and state[1] == ">"
    return np.dtype((">" if is_big else "<") + code)
