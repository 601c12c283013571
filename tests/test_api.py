"""The Python API as docs/API.md describes it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from test_dependencies import HEAVY, modules_loaded_by

import animator_core
from animator_core.config import PROJECT_ROOT


def test_the_example_of_the_documentation_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (PROJECT_ROOT / "docs" / "API.md").read_text("utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"warp on CPU: \d+x\d+, drawn [1-3], reused [0-2]\n$", done.stdout), done.stdout


def test_the_api_is_offered_by_the_package_and_imported_when_it_is_used() -> None:
    assert {"AIAnimator", "InferenceOptimizer", "LivePortraitModel"} == set(animator_core.__all__)
    assert set(animator_core.__all__) <= set(dir(animator_core))
    assert modules_loaded_by("import animator_core; dir(animator_core)").isdisjoint(HEAVY)
    assert "torch" in modules_loaded_by("from animator_core import AIAnimator")
    with pytest.raises(AttributeError, match="no attribute 'Animator'"):
        _ = animator_core.Animator
