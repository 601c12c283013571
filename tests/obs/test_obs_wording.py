"""Every text that can reach the panel: whole sentences, no disk paths, nothing to be typed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from animator_core.ipc.protocol import STATES
from obs_plugin import texts as locale
from obs_plugin.problem import Problem
from obs_plugin.status_line import Condition, describe
from obs_plugin.wording import sentences

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = "/home/me/My Programs/animator"
ELSEWHERE = (
    "cli",
    "benchmark",
    "installation",
    "checks",
    "diagnostics/doctor.py",
    "clips/offline.py",
    "clips/recording.py",
    "live",
)
"""Parts that run without OBS; all others of animator_core may run in the worker."""
NAMES = re.compile(r"path|director|folder|_dir|python|where|what|part|name|model\b|file", re.IGNORECASE)
VALUES = (f"{FOLDER}/assets/characters/ada.png", "/mnt/disk/other/ada.png", "C:\\Users\\me\\ada.png", "ada.png")
COMMAND = re.compile(r"`|(?<!\w)--\w|\bpip\b|python -m")
DISK_PATH = re.compile(r"(?:^|[\s'\"(])(?:/\w|[A-Za-z]:[\\/]|\\\\)")


def template(node: ast.expr, value: str) -> str | None:
    """Return the text of a literal, with ``value`` for a file or folder that is put in, else with a word."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp):
        parts = [template(part, value) for part in (node.left, node.right)]
        return "".join(parts) if None not in parts else None
    if isinstance(node, ast.JoinedStr):
        pieces = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                pieces.append(str(part.value))
            else:
                assert isinstance(part, ast.FormattedValue)
                pieces.append(value if NAMES.search(ast.unparse(part.value)) else "something")
        return "".join(pieces)
    return None


def texts() -> Iterator[tuple[str, str, str]]:
    """Yield (file:line, message, remedy) of each message of the worker and the plugin."""
    paths = [*CHECKOUT.joinpath("animator_core").rglob("*.py"), *CHECKOUT.joinpath("obs_plugin").glob("*.py")]
    for path in sorted(paths):
        if set(path.relative_to(CHECKOUT).parts) & set(ELSEWHERE):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for value in VALUES:
                if called.endswith("Error") or called in ("NoFaceFound", "ProtocolMismatch"):
                    parts = [template(argument, value) for argument in node.args[:2]]
                    message, remedy = ([part or "" for part in parts] + ["", ""])[:2]
                elif called in ("WorkerProblem", "Problem", "_restart_later"):
                    strings = [text for text in (template(argument, value) for argument in node.args) if text]
                    message, remedy = (*strings, "", "")[:2]
                else:
                    continue
                if message:
                    yield f"{path.relative_to(CHECKOUT)}:{node.lineno}", message, remedy
    for path in sorted(locale.FOLDER.glob("*.ini")):
        found, _ = locale.read(path)
        for key in (key for key in found if re.fullmatch(r"Problem\.\w+|Worker\.\w+", key)):
            for value in VALUES:
                pair = found[key], found.get(f"{key}.Remedy", "")
                message, remedy = (_filled(part, value) for part in pair)
                yield f"{path.name}:{key}", message, remedy


def _filled(template: str, value: str) -> str:
    """Return a text of the locale with ``value`` for each file or folder, else with a word."""
    return re.sub(r"\{(\w+)\}", lambda found: value if NAMES.search(found[1]) else "Something", template)


ALL_TEXTS = sorted(set(texts()))


def test_the_texts_are_found() -> None:
    assert len({where for where, *_ in ALL_TEXTS}) > 100
    files = {where.split(":")[0] for where, *_ in ALL_TEXTS}
    assert {"animator_core/characters/library.py", "animator_core/worker/main.py", "de-DE.ini"} <= files


def test_every_text_for_the_panel_is_sentences_without_paths_and_commands() -> None:
    wrong = []
    for where, message, remedy in ALL_TEXTS:
        shown = sentences(message, remedy, FOLDER)
        begins, ends = shown[0].isupper() or shown[0].isdigit(), shown[-1] in ".!?…"
        if not (begins and ends) or DISK_PATH.search(shown) or FOLDER in shown or COMMAND.search(shown):
            wrong.append((where, shown))
    assert not wrong


@pytest.mark.parametrize(
    ("message", "remedy", "expected"),
    [
        (
            f"no face found in {FOLDER}/assets/characters/ada.png",
            "use a front-facing portrait, or show where a drawn face is with `prepare --pick ada.png`, which writes x",
            "No face found in assets/characters/ada.png. Use a front-facing portrait.",
        ),
        ("ada.png is damaged", "save it again as PNG", "The file ada.png is damaged. Save it again as PNG."),
        (f"{FOLDER}/.venv/bin/python is missing", "", "The file .venv/bin/python is missing."),
        ("it failed", "run install.py --onnx", "It failed. See README.md in the Stream Motion Animator folder."),
        ("C:\\Users\\me\\a.png cannot be read", "", "The file a.png cannot be read."),
        ("[Errno 13] Permission denied: '/home/me/a.png'", "", "[Errno 13] Permission denied: 'a.png'."),
        ("\\\\server\\share\\a.png is empty", "", "The file a.png is empty."),
        ("see https://example.org/help", "", "See https://example.org/help."),
        ("Frames and/or sound are missing", "", "Frames and/or sound are missing."),
    ],
)
def test_a_text_is_worded_for_the_panel(message: str, remedy: str, expected: str) -> None:
    assert sentences(message, remedy, FOLDER) == expected


def test_the_line_of_every_state_begins_with_a_capital_letter() -> None:
    for path in locale.FOLDER.glob("*.ini"):
        states = [words for key, words in locale.read(path)[0].items() if key.startswith("State.")]
        assert len(states) == len(STATES) and all(words[0].isupper() for words in states)
    problem = Problem(f"{FOLDER}/.venv/bin/python is missing", "Run install.py")
    assert describe(Condition(problem=problem, folder=FOLDER)).text.startswith("Problem: The file .venv")
