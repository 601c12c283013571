"""The smooth rise between two values."""

from __future__ import annotations

import numpy as np
import pytest

from animator_core.smoothstep import smooth_share, smoothstep


def test_it_rises_from_start_to_end_and_no_further() -> None:
    assert smoothstep(np.array([-1.0, 2.0, 2.5, 3.0, 9.0]), 2.0, 3.0).tolist() == [0, 0, 0.5, 1, 1]
    assert smoothstep(np.array([3.0, 2.5, 2.0]), 3.0, 2.0).tolist() == [0, 0.5, 1]


def test_a_single_number_rises_as_an_array_does() -> None:
    shares = np.linspace(-0.2, 1.2, 50)
    assert [smooth_share(share) for share in shares] == pytest.approx(smoothstep(shares).tolist(), abs=1e-6)
    assert smoothstep(shares).dtype == np.float32
