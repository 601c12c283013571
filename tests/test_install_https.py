"""animator_core.installation.https: Pythons that trust no server, as python.org's for macOS and a fresh Windows'."""

from __future__ import annotations

import importlib.machinery
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from animator_core.installation import https, model_transfer
from animator_core.installation.model_files import ModelFile
from animator_core.installation.model_transfer import ModelUnreachable

REQUEST = urllib.request.Request("https://models.example/net.pth")
MODEL = ModelFile("net.pth", REQUEST.full_url, 3, "0" * 64, "MIT")


def distrust() -> urllib.error.URLError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.verify_message = "unable to get local issuer certificate"
    return urllib.error.URLError(error)


class Internet:
    """Stands for ``urlopen``: a server whose certificate only contexts with ``trusted`` authorities accept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, is_trusted_by_pip: bool = True) -> None:
        self.contexts: list[ssl.SSLContext | None] = []
        self._is_trusted_by_pip = is_trusted_by_pip
        monkeypatch.setattr(urllib.request, "urlopen", self)

    def __call__(self, request: urllib.request.Request, timeout: float, context: ssl.SSLContext | None = None) -> str:
        self.contexts.append(context)
        if context is not None and self._is_trusted_by_pip:
            return "the answer"
        raise distrust()


def test_pips_list_of_authorities_is_tried_when_python_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    internet = Internet(monkeypatch)
    assert https.open_url(REQUEST, 1.0) == "the answer"
    plain, with_authorities = internet.contexts
    assert plain is None
    assert with_authorities is not None
    where = "import pip._vendor.certifi as certifi; print(certifi.where())"
    file = subprocess.run([sys.executable, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    expected = ssl.create_default_context(cafile=file)
    assert with_authorities.cert_store_stats() == expected.cert_store_stats()
    assert "pip" not in sys.modules
    assert with_authorities.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("system", "remedy"),
    [
        ("darwin", f"/Applications/Python {sys.version_info[0]}.{sys.version_info[1]}/Install Certificates.command"),
        ("win32", "open that address in Edge once"),
        ("linux", "apt install ca-certificates"),
    ],
)
@pytest.mark.parametrize("has_pip", [True, False])
def test_a_certificate_that_nobody_knows_is_said_with_the_systems_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, remedy: str, has_pip: bool
) -> None:
    internet = Internet(monkeypatch, is_trusted_by_pip=False)
    if not has_pip:
        monkeypatch.setattr(importlib.machinery.PathFinder, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(ModelUnreachable) as caught:
        model_transfer.fetch(MODEL, tmp_path)
    assert remedy in str(caught.value)
    assert "unable to get local issuer certificate" in str(caught.value)
    assert len(internet.contexts) == 1 + has_pip


def test_other_failures_are_not_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def fail(request: urllib.request.Request, **options: object) -> None:
        asked.append(options.get("context"))
        raise urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    with pytest.raises(urllib.error.URLError, match="Connection refused"):
        https.open_url(REQUEST, 1.0)
    assert asked == [None]


def test_looking_for_the_list_leaves_distutils_to_setuptools() -> None:
    code = "from animator_core.installation import https; https._pips_context(); import setuptools, distutils; "
    code += "print(distutils.__name__, distutils.__file__)"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=Path(https.__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "setuptools" in done.stdout
