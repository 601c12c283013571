"""What several test files share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch


def interpret_kernels(has_cuda: bool) -> None:
    """Have triton interpret kernels if there is no GPU to compile them for; before anything loads it, as torch does."""
    if not has_cuda:
        os.environ.setdefault("TRITON_INTERPRET", "1")


interpret_kernels(torch.cuda.is_available())

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--obs-root", metavar="FOLDER", help="run in a root folder that tests/obs/obs_root.py made")
    parser.addoption(
        "--campaign",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="run the hardening campaign at this share of its full numbers; 1 takes hours",
    )
    parser.addoption("--obs-exit-runs", type=int, default=1, metavar="N", help="quit OBS so often in each way")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Hand the whole run over to the Python and the OBS of another root folder, where that is asked for."""
    if not config.option.obs_root:
        return None
    sys.path.insert(0, str(Path(__file__).with_name("obs")))
    from obs_root import PYTHON, RootError, entry

    # The later of two options holds.
    arguments = [*config.invocation_params.args, "--obs-root="]
    command = [str(PYTHON), "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)]
    try:
        return subprocess.run(entry(Path(config.option.obs_root), command)).returncode
    except RootError as exc:
        raise pytest.UsageError(str(exc)) from exc


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several test processes one core, so that their networks do not wait for each other."""
    if hasattr(config, "workerinput"):
        torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the real networks as slow."""
    for item in items:
        if any(name.startswith("golden_") for name in getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give files to several test processes; those of the real networks to one process, and those with OBS to one."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if file.startswith("tests/obs/"):
                return "OBS"
            return "networks" if "golden_" in (config.rootpath / file).read_text(encoding="utf-8") else file

    return Scheduling(config, log)


def shared_file(relative: str) -> Path:
    """Return a file of the test media beside the checkout; skips the test where it is absent."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"test media {relative} is not beside this checkout")
    return path


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """A function (short number, full number) → how often a campaign repeats its step in this run."""
    share: float = request.config.getoption("--campaign")
    return lambda short, full: max(short, round(share * full))


@pytest.fixture(scope="session")
def golden_weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with LivePortrait's five weight files, made by the golden rule; do not write into it."""
    from liveportrait_weights import write_golden_weights

    folder = tmp_path_factory.mktemp("golden_weights")
    yield write_golden_weights(folder)
    # pytest keeps the folders of its last three runs; these are half a gigabyte each.
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def golden_cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for the session, where the golden weights are converted once."""
    folder = tmp_path_factory.mktemp("golden_cache")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def golden_networks(golden_weights_dir: Path, golden_cache_dir: Path):
    """LivePortrait's networks with the golden weights, float32 on the CPU."""
    from animator_core.liveportrait.networks.build import load_networks

    return load_networks(golden_weights_dir, cache_dir=golden_cache_dir)


@pytest.fixture(scope="session")
def golden_painting(golden_networks):
    """What the golden networks paint of src0 with drv1's keypoints as the official code has them: (1, 3, 512, 512)."""
    import torch
    from golden.golden_rule import image_tensor
    from golden.golden_vectors import golden

    crop = torch.from_numpy(image_tensor(golden("chain/src0/img_crop_256x256").samples))
    keypoints_source, keypoints_driving = (
        torch.from_numpy(golden(f"chain/src0/{name}").samples).reshape(1, 21, 3) for name in ("x_s", "drv1/x_d")
    )
    with torch.inference_mode():
        source = golden_networks.prepare_warp(golden_networks.extract_appearance(crop), keypoints_source)
        return golden_networks.generate(golden_networks.warp(source, keypoints_driving).warped)
