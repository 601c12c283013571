"""The exceptions that animator_core raises; each carries its remedy."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

_LOAD_REMEDIES = (
    (
        r"libGL|libEGL|libgthread",
        "install the system's graphics libraries (Debian, Ubuntu: apt install libgl1 libegl1 libgles2 libglib2.0-0)",
    ),
    # Windows' numbers are the same in any language: a module or a function is not found, a module does not start.
    (
        r"DLL load failed|WinError (126|127|1114)\b",
        "install Microsoft's Visual C++ Redistributable (vc_redist.x64.exe from Microsoft) and restart the computer",
    ),
)


def first_line(error: BaseException, most: int | None = None) -> str:
    """Return the first line of what a library's error says, cut to ``most`` characters, or its class's name."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:most]


def described(error: BaseException) -> str:
    """Return an unexpected error as ``class: first line``."""
    return f"{type(error).__name__}: {first_line(error, 160)}"


def load_remedy(problem: str, otherwise: str = "run install.py again") -> str:
    """Return the remedy for what importing an installed package said, ``otherwise`` if it is not of a known kind."""
    return next((remedy for pattern, remedy in _LOAD_REMEDIES if re.search(pattern, problem)), otherwise)


class AnimatorError(Exception):
    """Base of everything that animator_core raises on purpose.

    message: names the thing and the problem. remedy: the action that helps, "" for none. Neither ends with a full stop;
    as text the error is ``message; remedy``.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message

    def about(self, thing: str) -> AnimatorError:
        """Return the same error with ``thing``, a file or an option, named before its message."""
        return type(self)(f"{thing}: {self.message}", self.remedy)

    def without_traceback(self) -> AnimatorError:
        """Return the same error to be kept: a traceback holds what its functions had, loaded networks for example."""
        return type(self)(*self.args)


class ConfigError(AnimatorError):
    """A configuration value is unknown, of the wrong type or out of range."""


class CameraError(AnimatorError):
    """A camera or video file cannot be opened or read."""


class CharacterError(AnimatorError):
    """A character picture cannot be used."""


class NoFaceFound(CharacterError):
    """No face was found in a character picture and none is given beside it."""


class ModelError(AnimatorError):
    """A model file (tracker or network weights) is missing, damaged or of another model."""


class WeightsError(ModelError):
    """LivePortrait weights are missing, damaged or belong to another network."""


class DeviceLostError(ModelError):
    """No later call of this process reaches the graphics card any more; another process may."""


class MotionError(AnimatorError):
    """A motion file cannot be read."""


@contextlib.contextmanager
def loading(package: str) -> Iterator[None]:
    """Turn whatever importing ``package`` raises into a ModelError that names it and the remedy.

    A package that lacks a library, does not fit another one or is half there fails in any way: ImportError, OSError,
    AttributeError, RuntimeError.
    """
    try:
        yield
    except AnimatorError:
        raise
    except Exception as exc:
        problem = f"the package {package} does not load ({described(exc)})"
        raise ModelError(problem, load_remedy(str(exc))) from exc
