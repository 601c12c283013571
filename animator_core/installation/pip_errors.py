"""Turns what pip says when it fails into one line with the remedy.

Standard library only.
"""

from __future__ import annotations

import re

# In the order of trust: a full disk also breaks connections, and without a network no package is found.
_PROBLEMS = (
    (r"No space left on device|not enough space on the disk|WinError 112", "no disk space is left; free some"),
    (
        r"NewConnectionError|NameResolutionError|name resolution|getaddrinfo failed|Connection refused|"
        r"ConnectTimeout|Read timed out|ReadTimeout|Network is unreachable|ProxyError|Max retries exceeded|"
        r"Connection aborted|ConnectionResetError|IncompleteRead|connection broken",
        "the package index cannot be reached; check the network (or pip's proxy settings)",
    ),
    (r"WinError 32|WinError 5|Access is denied", "a file is in use or protected; close OBS"),
    (r"Permission denied|Read-only file system", "a folder cannot be written; correct its permissions"),
    (r"THESE PACKAGES DO NOT MATCH THE HASHES", "a package arrived damaged; check the network"),
)


def pip_problem(output: str) -> str:
    """Return what went wrong and what to do, without a full stop, from what pip wrote to its standard error."""
    for pattern, line in _PROBLEMS:
        if re.search(pattern, output):
            return line
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if missing:
        return f"there is no package {missing.group(1)} for this Python; use Python 3.12"
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1][len("ERROR:") :].strip() if errors else "pip gave no reason"
    return f"pip failed ({reason}); correct that"
