"""Manifests: what a line takes, and that every wrong one is named before anything runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import stand_ins

from animator_core import assembly
from animator_core.batch.manifest import ManifestError, read_manifest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    stand_ins.write_motion(tmp_path / "sway.npz", 2)
    for name in ("me.png", "c.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "out").mkdir()
    return tmp_path


def line(**more: Any) -> str:
    return json.dumps({"character": "me.png", "driving": "sway.npz", "output": "out/a.mp4", **more})


def manifest(folder: Path, *lines: str) -> Path:
    path = folder / "clips.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def problems_of(path: Path, *others: Path) -> tuple[str, ...]:
    with pytest.raises(ManifestError) as raised:
        read_manifest(path, others)
    return raised.value.problems


def test_a_line_takes_what_animate_takes_and_paths_count_from_the_manifest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    options = {"renderer": "warp", "mirror": True, "max_frames": 9, "background": "#fff", "config": "c.yaml"}
    text = line(**options, option={"region": "eyes", "gaze-x": 3, "smoothing": 0.5})
    first, second = read_manifest(manifest(folder, "", text, line(output="b.webm")))
    assert (first.line, second.line) == (2, 3)
    request = first.request
    assert (request.driving, request.output) == (folder / "sway.npz", folder / "out" / "a.mp4")
    assert request.character == str(folder / "me.png")
    assert (request.renderer, request.mirror, request.max_frames, request.background) == ("warp", True, 9, "#fff")
    assert request.is_verified
    settings = first.settings()
    assert (settings.liveportrait.region, settings.liveportrait.gaze_x) == ("eyes", 3.0)
    assert settings.tracking.smoothing == 0.5
    assert (second.request.renderer, second.request.max_frames, second.config) == (None, None, None)


def test_a_character_of_the_library_is_named_as_animate_has_it(folder: Path) -> None:
    (clip,) = read_manifest(manifest(folder, line(character="Astronaut")))
    assert Path(clip.request.character).name == "astronaut.png"
    assert Path(clip.request.character).is_absolute()


def test_a_key_changes_with_any_value_of_its_line_and_with_nothing_else(folder: Path) -> None:
    def key(text: str) -> str:
        return read_manifest(manifest(folder, text))[0].key

    assert key(line()) == key(" " + line().replace(", ", " ,  "))
    assert len({key(line()), key(line(max_frames=3)), key(line(max_frames=4)), key(line(option={"gaze_x": 1}))}) == 4


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "this is no JSON"),
        ("[1]", "is no JSON object"),
        ('{"character": "me.png", "character": "me.png"}', "twice"),
        (line(max_frames=float("nan")), "NaN is no number"),
        (line(driving=""), "driving is '', expected a path"),
        (line(driving="nothing.mp4"), "there is no driving clip"),
        (line(driving="out"), "there is no driving clip"),
        (line(driving="a\0b"), "is no path"),
        (line(character="nobody"), "no picture nobody"),
        (line(character=3), "expected a picture file or a name from the library"),
        ('{"character": "me.png", "driving": "sway.npz"}', "output is missing"),
        (line(output="out/a.avi"), ".avi is not supported"),
        (line(output="missing/a.mp4"), "there is no folder"),
        (line(output="out/.mp4/"), "no suffix is not supported"),
        (line(outptu="x"), "did you mean 'output'?"),
        (line(save_motion="m.npz"), "save_motion is not a known key"),
        (line(renderer="magic"), "expected one of auto, liveportrait, anime, warp"),
        (line(max_frames=0), "expected a whole number from 1"),
        (line(max_frames=True), "max_frames is True"),
        (line(mirror="yes"), "expected true or false"),
        (line(background="mauve"), "'mauve' is not a colour"),
        (line(option={"regoin": "eyes"}), "option: regoin is not a known key; did you mean 'region'?"),
        (line(option={"gaze_x": 60}), "from -25 to 25"),
        (line(option=[]), "expected an object of settings"),
        (line(config="nothing.yaml"), "cannot read the configuration"),
        (line(output="sway.mp4", driving="sway.mp4"), "there is no driving clip"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(folder: Path, text: str, named: str) -> None:
    path = manifest(folder, line(output="out/first.mp4"), "", text)
    before = sorted(folder.rglob("*"))
    (problem,) = problems_of(path)
    assert problem.startswith(f"{path}:3: ")
    assert named in problem
    assert "\n" not in problem
    assert sorted(folder.rglob("*")) == before


def test_every_wrong_line_is_named_up_to_twenty(folder: Path) -> None:
    problems = problems_of(manifest(folder, *[line(output=f"{number}.avi") for number in range(25)]))
    assert [problem.split(":")[1] for problem in problems[:-1]] == [str(number) for number in range(1, 21)]
    assert problems[-1] == "and 5 more wrong lines"


@pytest.mark.skipif(os.name == "nt", reason="Windows users may not make links")
@pytest.mark.parametrize("kind", ["same", "roundabout", "link", "hard link"])
def test_two_lines_with_one_output_are_refused(folder: Path, kind: str) -> None:
    other = {"same": "out/a.mp4", "roundabout": "out/../out/./a.mp4"}.get(kind, "other.mp4")
    if kind == "link":
        (folder / "other.mp4").symlink_to("out/a.mp4")
    elif kind == "hard link":
        (folder / "out" / "a.mp4").touch()
        os.link(folder / "out" / "a.mp4", folder / "other.mp4")
    (problem,) = problems_of(manifest(folder, line(), line(output=other)))
    assert f":2: cannot write {other}: output and the output of line 1 are the same file" in problem


def test_no_output_is_an_input_of_any_line(folder: Path) -> None:
    for name in ("b.mp4", "c.mp4"):
        (folder / name).write_bytes(b"precious")
    lines = (line(driving="b.mp4", output="b.mp4"), line(driving="c.mp4"), line(output="c.mp4"))
    own, others = problems_of(manifest(folder, *lines))
    assert ":1: cannot write b.mp4: output and the driving of line 1 are the same file" in own
    assert ":3: cannot write c.mp4: output and the driving of line 2 are the same file" in others


def test_no_file_of_a_clip_is_the_batchs_own(folder: Path) -> None:
    (problem,) = problems_of(manifest(folder, line(), line(output="b.mp4", config="c.yaml")), folder / "c.yaml")
    assert ":2: config is the batch's own file " in problem
    (problem,) = problems_of(manifest(folder, line(output="report.mp4")), folder / "report.mp4")
    assert "report.mp4 are the same file" in problem


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe", None])
def test_a_manifest_without_clips_is_refused(folder: Path, content: bytes | None) -> None:
    path = folder / "clips.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"clips\.jsonl"):
        read_manifest(path)


def test_the_library_is_searched_once_for_a_character_of_many_lines(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, real = [], assembly.picture_path

    def find(*arguments: Any) -> Path:
        found.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(assembly, "picture_path", find)
    lines = [line(character="mira", output=f"out/{number}.mp4") for number in range(50)]
    assert len(read_manifest(manifest(folder, *lines))) == 50
    assert len(found) == 1
