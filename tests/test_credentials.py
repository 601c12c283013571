"""animator_core.clips.credentials: signed videos, and changed ones, as a reader of C2PA sees them."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from animator_core.cli import animate
from animator_core.clips import credentials
from animator_core.clips.credentials import CHAIN, KEY, make_identity, require_credentials, sign_video
from animator_core.config import PROJECT_ROOT
from animator_core.errors import AnimatorError
from tests.made_media import grey, make_clip

needs_c2pa = pytest.mark.skipif(
    not credentials.importlib.util.find_spec("c2pa"), reason="c2pa-python is not installed (install.py --credentials)"
)


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    folder = tmp_path / "identity"
    make_identity(folder)
    return folder


@pytest.fixture(params=[".mp4", ".mov"])
def video(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return make_clip(tmp_path / f"clip{request.param}", [grey(level) for level in range(0, 250, 25)])


def read(path: Path) -> dict[str, Any]:
    """Return what a reader of C2PA says of a video."""
    import c2pa

    with c2pa.Reader(str(path)) as reader:
        return dict(json.loads(reader.json()))


@needs_c2pa
@pytest.mark.parametrize(
    ("renderer", "kind"), [("warp", "compositeSynthetic"), ("liveportrait", "compositeWithTrainedAlgorithmicMedia")]
)
def test_a_signed_video_says_that_it_was_animated(video: Path, identity: Path, renderer: str, kind: str) -> None:
    sign_video(video, renderer, identity)
    found = read(video)
    assert found["validation_state"] == "Valid"
    # Nobody vouches for a certificate made here; nothing else is wrong.
    assert [problem["code"] for problem in found["validation_status"]] == ["signingCredential.untrusted"]
    manifest = found["manifests"][found["active_manifest"]]
    (actions,) = [each["data"]["actions"] for each in manifest["assertions"] if "actions" in each["label"]]
    assert actions[0]["digitalSourceType"].endswith(f"/{kind}") and "animated" in actions[0]["description"]
    assert manifest["claim_generator_info"][0]["name"] == "Stream Motion Animator"


@needs_c2pa
def test_a_changed_video_is_noticed(video: Path, identity: Path) -> None:
    sign_video(video, "warp", identity)
    content = bytearray(video.read_bytes())
    content[content.index(b"mdat") + 100] ^= 1
    video.write_bytes(content)
    assert read(video)["validation_state"] == "Invalid"


@needs_c2pa
def test_a_key_that_does_not_fit_leaves_the_video_as_it_is(video: Path, identity: Path) -> None:
    before = video.read_bytes()
    (identity / KEY).write_bytes(b"no key")
    with pytest.raises(AnimatorError, match="was written without content credentials"):
        sign_video(video, "warp", identity)
    assert video.read_bytes() == before
    assert [path.name for path in video.parent.iterdir() if path.is_file()] == [video.name]


@needs_c2pa
@pytest.mark.slow
def test_animate_signs_what_it_writes(tmp_path: Path, identity: Path) -> None:
    output = tmp_path / "out.mp4"
    sample = PROJECT_ROOT / "assets" / "motions" / "sample.npz"
    command = [sys.executable, "-m", "animator_core", "animate", "--character", "amber", "--driving", sample]
    command += ["--output", output, "--renderer", "warp", "--max-frames", "3", "--credentials", identity]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert read(output)["validation_state"] == "Valid"


def test_a_certificate_is_made_once_and_its_key_is_the_users_alone(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed (install.py --credentials)")
    make_identity(tmp_path / "new")
    made = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    assert set(made) == {CHAIN, KEY} and made[CHAIN].count(b"BEGIN CERTIFICATE") == 2
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "new" / KEY).stat().st_mode) == 0o600
    make_identity(tmp_path / "new")
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == made


def test_what_cannot_be_signed_is_refused_before_it_is_rendered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(credentials.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AnimatorError, match=r"c2pa-python is missing; run install.py --credentials"):
        require_credentials(tmp_path / "out.mp4")
    with pytest.raises(AnimatorError, match=r"out.webm cannot have content credentials; write .mp4 or .mov"):
        require_credentials(tmp_path / "out.webm")
    monkeypatch.setattr(animate, "require_credentials", lambda path: None)
    import argparse

    options = argparse.Namespace(credentials=str(tmp_path), output=tmp_path / "out.mp4")
    with pytest.raises(AnimatorError, match=r"certificate.pem and key.pem missing"):
        animate._identity(options, None)  # type: ignore[arg-type]
