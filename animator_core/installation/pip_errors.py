"""Turns pip's output when it fails into an error with a remedy.

Standard library only.
"""

from __future__ import annotations

import re

from animator_core.installation.console import InstallError

_REFUSAL = re.compile(
    r"(401|403|407|429|50[0-4]) (?:Client|Server) Error|too many (5\d\d) error responses|(401) Error, Cred"
)
_NOT_FETCHED = re.compile(r"Could not fetch URL \S+: connection error")
"""In the log; pip's output has no word of it if the user's settings forbid another try."""
_AWAY = "the package index cannot be reached", "check the network (or pip's proxy settings)"


class UnknownPackage(InstallError):
    """The package index answers, and has no such package for this Python."""


# In the order of trust: a full disk also breaks connections, and without a network no package is found.
_PROBLEMS = (
    (r"No space left on device|not enough space on the disk|WinError 112", "no disk space is left", "free some"),
    (
        r"NewConnectionError|NameResolutionError|name resolution|getaddrinfo failed|Connection refused|"
        r"ConnectTimeout|Read timed out|ReadTimeout|Network is unreachable|ProxyError|Max retries exceeded|"
        r"Connection aborted|ConnectionResetError|IncompleteRead|connection broken",
        *_AWAY,
    ),
    (r"WinError 32|WinError 5|Access is denied", "a file is in use or protected", "close OBS"),
    (r"Permission denied|Read-only file system", "a folder cannot be written", "correct its permissions"),
    (r"THESE PACKAGES DO NOT MATCH THE HASHES", "a package arrived damaged", "check the network"),
)


def is_index_away(output: str, log: str = "") -> bool:
    """Return whether pip failed for want of an index that answers, and another may serve."""
    is_disk = re.search(_PROBLEMS[0][0], output)
    is_away = _refusal(output, log) or re.search(_PROBLEMS[1][0], output) or _is_silently_away(output, log)
    return not is_disk and bool(is_away)


def _is_silently_away(output: str, log: str) -> bool:
    return "No matching distribution" in output and bool(_NOT_FETCHED.search(log))


def _refusal(output: str, log: str) -> str:
    """Return the HTTP status by which an index refused, "" if none did or the packages were found elsewhere."""
    text = f"{log}\n{output}" if "No matching distribution" in output or not output.strip() else output
    found = _REFUSAL.search(text)
    return next(filter(None, found.groups())) if found else ""


def pip_problem(output: str, log: str = "") -> InstallError:
    """Return the error that pip's standard error, and the log it kept, tell of."""
    status = _refusal(output, log)
    if status and not re.search(_PROBLEMS[0][0], output):
        remedy = "check pip's index settings (pip config list) and your login there"
        return InstallError(f"the package index refuses ({status})", remedy)
    for pattern, message, remedy in _PROBLEMS:
        if re.search(pattern, output):
            return InstallError(message, remedy)
    if _is_silently_away(output, log):
        return InstallError(*_AWAY)
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if missing:
        return UnknownPackage(f"there is no package {missing.group(1)} for this Python", "use Python 3.12")
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1][len("ERROR:") :].strip() if errors else "pip gave no reason"
    return InstallError(f"pip failed ({reason})", "correct that")
