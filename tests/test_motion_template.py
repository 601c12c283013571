"""Motion templates: safe files come back whole, pickles are read without being run."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from animator_core.errors import MotionError
from animator_core.liveportrait.motion.pickle_import import import_template
from animator_core.liveportrait.motion.template import MotionTemplate, is_template, read_template, write_template


def arrays(count: int = 3) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shapes = {"rotation": (3, 3), "expression": (21, 3), "scale": (1,), "translation": (3,), "eye_ratios": (2,)}
    return {name: random.uniform(0.1, 1, (count, *shape)).astype(np.float32) for name, shape in shapes.items()}


def official(count: int = 3, rotation_key: str = "R", **more) -> dict:
    made = arrays(count)
    motion = [
        {
            rotation_key: made["rotation"][i][None],
            "exp": made["expression"][i][None],
            "scale": made["scale"][i][None],
            "t": made["translation"][i][None],
        }
        for i in range(count)
    ]
    ratios = [made["eye_ratios"][i][None] for i in range(count)]
    return {"n_frames": count, "output_fps": 25, "motion": motion, "c_eyes_lst": ratios, "c_lip_lst": [], **more}


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "motion.pkl"
    path.write_bytes(content)
    return path


def test_a_template_comes_back_as_it_was_written(tmp_path):
    template = MotionTemplate(30.0, **arrays())
    write_template(tmp_path / "wave.npz", template)
    again = read_template(tmp_path / "wave.npz")
    assert again.fps == 30.0
    assert again.lip_ratio is None
    for name, array in template.arrays().items():
        assert np.array_equal(getattr(again, name), array)


def test_the_neutral_face_comes_back(tmp_path):
    neutral = MotionTemplate(30.0, **arrays(1))
    write_template(tmp_path / "wave.npz", MotionTemplate(30.0, **arrays(), neutral=neutral))
    again = read_template(tmp_path / "wave.npz")
    assert len(again) == 3
    assert again.neutral is not None
    assert np.array_equal(again.neutral.expression, neutral.expression)


def test_a_neutral_face_that_does_not_fit_is_refused(tmp_path):
    without_ratios = {name: array for name, array in arrays(1).items() if name != "eye_ratios"}
    for neutral in (arrays(2), without_ratios):
        with pytest.raises(MotionError, match="neutral face"):
            MotionTemplate(30.0, **arrays(), neutral=MotionTemplate(30.0, **neutral))


def test_templates_are_told_from_other_files(tmp_path):
    write_template(tmp_path / "wave.npz", MotionTemplate(30.0, **arrays()))
    np.savez(tmp_path / "other.npz", kind=np.array([1.0]))
    (tmp_path / "text.npz").write_text("hello")
    found = [is_template(tmp_path / f"{name}.npz") for name in ("wave", "other", "text", "missing")]
    assert found == [True, False, False, False]


@pytest.mark.parametrize("change", ["truncated", "not an archive", "landmarks", "objects", "nan", "missing"])
def test_a_damaged_template_is_refused_by_name(tmp_path, change):
    path = tmp_path / "wave.npz"
    write_template(path, MotionTemplate(30.0, **arrays()))
    members = dict(np.load(path))
    if change == "truncated":
        path.write_bytes(path.read_bytes()[:-300])
    elif change == "not an archive":
        path.write_bytes(b"hello")
    elif change == "missing":
        path.unlink()
    else:
        if change == "landmarks":
            del members["kind"]
        elif change == "objects":
            members["scale"] = np.array([{}, {}, {}], object)
        else:
            members["scale"][0] = np.nan
        np.savez(path, **members)
    with pytest.raises(MotionError, match=r"wave\.npz"):
        read_template(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("rotation_key", ["R", "R_d"])
def test_official_templates_are_imported(tmp_path, protocol, rotation_key):
    content = pickle.dumps(official(rotation_key=rotation_key, output_fps=np.int64(24)), protocol=protocol)
    template = import_template(written(tmp_path, content))
    assert template.fps == 24
    assert template.lip_ratio is None
    for name, array in arrays().items():
        assert np.array_equal(getattr(template, name), array)


def test_names_of_the_newer_numpy_are_known(tmp_path):
    content = pickle.dumps(official(), protocol=2).replace(b"numpy.core.", b"numpy._core.")
    assert len(import_template(written(tmp_path, content))) == 3


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments, state=None) -> None:
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.call


MARKER = "was-run"
RECONSTRUCT = np.zeros(1).__reduce__()[0]
DTYPE = np.dtype("f4")
MALICIOUS = {
    "os.system": Calls(os.system, f"touch {MARKER}"),
    "subprocess": Calls(subprocess.check_output, ["touch", MARKER]),
    "eval": Calls(eval, f"open({MARKER!r}, 'w')"),
    "getattr": Calls(getattr, "text", "upper"),
    "numpy.load": Calls(np.load, MARKER),
    "numpy.fromfile": Calls(np.fromfile, MARKER),
    "numpy.memmap": Calls(np.memmap, MARKER, "uint8", "w+", 0, (10,)),
    "huge array by constructor": Calls(np.ndarray, (1 << 40,), DTYPE),
    "huge array by reconstruct": Calls(RECONSTRUCT, np.ndarray, (1 << 40,), b"b"),
    "huge array by state": Calls(
        RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (1 << 20, 1 << 20), DTYPE, False, b"\0" * 8)
    ),
    "array of objects": np.array([[[print]]], object),
    "set": {1, 2},
}


@pytest.mark.parametrize("name", MALICIOUS)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path, monkeypatch, name, protocol):
    monkeypatch.chdir(tmp_path)
    content = official()
    content["motion"][1]["scale"] = MALICIOUS[name]
    with pytest.raises(MotionError, match=r"motion\.pkl"):
        import_template(written(tmp_path, pickle.dumps(content, protocol=protocol)))
    assert not (tmp_path / MARKER).exists()


RAW = {
    "huge number of a part": b"\x80\x02]r" + struct.pack("<I", 0xFFFFFFF0) + b".",
    "huge length": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 50) + b"N.",
    "deep nesting": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "deep tuples": b"\x80\x02)" + b"\x85" * 500_000 + b".",
    "class instance": b"\x80\x02cnumpy\ndtype\n)\x81.",
    "changed stand-in": b"\x80\x02cnumpy\ndtype\n}X\x08\x00\x00\x00__call__Nsb.",
    "old instance": b"(inumpy\ndtype\n.",
    "extension": b"\x80\x02\x82\x01.",
    "outside reference": b"\x80\x02NQ.",
    "empty": b"",
    "no pickle": b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
    "only a number": b"\x80\x02K\x01.",
}


@pytest.mark.parametrize("name", RAW)
def test_a_broken_pickle_is_refused(tmp_path, name):
    with pytest.raises(MotionError, match=r"motion\.pkl"):
        import_template(written(tmp_path, RAW[name]))


def test_a_truncated_pickle_is_refused_wherever_it_ends(tmp_path):
    content = pickle.dumps(official(2), protocol=4)
    for end in range(0, len(content), 97):
        with pytest.raises(MotionError, match=r"motion\.pkl"):
            import_template(written(tmp_path, content[:end]))
