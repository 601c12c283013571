"""Every command and link of the documents is one that exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

import install
from animator_core.__main__ import COMMANDS, build_parser
from animator_core.config import PROJECT_ROOT

DOCUMENTS = [PROJECT_ROOT / name for name in ("README.md", "CONTRIBUTING.md")] + sorted(PROJECT_ROOT.glob("docs/*.md"))
_CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
_PROGRAM = re.compile(
    r"(?:python3?|py -[\d.]+|\S*[/\\]python(?:3|\.exe)?)\s+(-m\s+\S+|install\.py)|(install\.py)(?= -)"
)
_PLACEHOLDERS = {"N": "1", "FOLDER": str(PROJECT_ROOT)}


def commands_of(document: Path) -> list[tuple[bool, list[str]]]:
    """Return every command in a document's code, from the program on, and whether it is a whole one."""
    found = []
    for block, inline in _CODE.findall(document.read_text(encoding="utf-8")):
        for line in (block or inline).splitlines():
            text = re.sub(r"\s#\s.*|[\[\]…]", "", line).strip()
            program = _PROGRAM.match(text)
            if program is not None:
                start = program.start(1) if program.group(1) else program.start(2)
                found.append((bool(block), shlex.split(text[start:].replace("\\", "/"))))
            elif inline and text.split(" ")[0] in COMMANDS and " " in text:
                found.append((False, ["-m", "animator_core", *shlex.split(text)]))
    return found


EVERY = [(document.name, *each) for document in DOCUMENTS for each in commands_of(document)]


def answer_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code with which a program parses its arguments, 0 if it would go on, and what it wrote."""
    try:
        if words[0] == "install.py":
            install.parse(words[1 : words.index("--")] if "--" in words else words[1:])
        elif words[1] == "animator_core":
            build_parser(words[2]).parse_args(words[2:])
    except SystemExit as exc:
        written = capsys.readouterr()
        return int(exc.code or 0), written.out + written.err
    return 0, ""


@pytest.mark.parametrize(
    ("document", "is_whole", "words"), EVERY, ids=[f"{name}-{'_'.join(words)}" for name, _, words in EVERY]
)
def test_a_command_is_one_that_the_program_takes(
    document: str, is_whole: bool, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [_PLACEHOLDERS.get(word, word) for word in words]
    if words[0] == "-m" and words[1] != "animator_core":
        assert words[1].endswith("NAME") or importlib.util.find_spec(words[1]) is not None, f"{words[1]} is no module"
    elif is_whole and words[2:3]:
        code, written = answer_of(words, capsys)
        assert code == 0, written
    elif words[-1] != "animator_core":
        program = words[:1] if words[0] == "install.py" else words[:3]
        _, written = answer_of([*program, "--help"], capsys)
        unknown = [word for word in words if word.startswith("--") and word != "--" and word not in written]
        assert not unknown


def test_the_documents_have_commands() -> None:
    """Else the pattern above has lost them."""
    assert len(EVERY) > 40
    assert {words[2] for *_, words in EVERY if words[1:2] == ["animator_core"] and words[2:]} >= set(COMMANDS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    lost = [each for each in targets if "://" not in each and not (document.parent / each).exists()]
    assert not lost


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [PROJECT_ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached or document.suffix != ".md" or not document.is_file():
            continue
        reached.add(document)
        links = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
        waiting += [(document.parent / each).resolve() for each in links if "://" not in each]
    assert not [each.name for each in DOCUMENTS if each.resolve() not in reached]
