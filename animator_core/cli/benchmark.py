"""``benchmark``: measures the stages' times on this machine, with and without caching."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from animator_core import assembly, output_files
from animator_core.cli import arguments, terminal
from animator_core.config import BACKENDS, PROJECT_ROOT, Config, load_config
from animator_core.errors import AnimatorError

if TYPE_CHECKING:
    from animator_core.characters.character import Character
    from animator_core.diagnostics.benchmark.path import MeasuredPath

DEFAULT_DRIVING = PROJECT_ROOT / "assets" / "motions" / "sample.npz"
DEFAULT_FRAMES = 300
_MOST_CHARACTERS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_character_arguments(parser)
    parser.add_argument(
        "--driving",
        type=Path,
        default=DEFAULT_DRIVING,
        metavar="VIDEO|MOTION",
        help="a video, which measures tracking too, or a recorded motion (default: the sample motion)",
    )
    parser.add_argument(
        "--optimizer",
        choices=("true", "false"),
        help="only with or only without render reuse and motion cache (default: both, in turn)",
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, help="the runtime of LivePortrait's networks (default: compute.backend)"
    )
    parser.add_argument(
        "--characters",
        type=arguments.positive_int,
        default=1,
        metavar="N",
        help="number of characters, drawn in sequence as for N filters",
    )
    parser.add_argument(
        "--size",
        type=arguments.positive_int,
        metavar="N",
        help="reduce the character to fit N×N (default: settings)",
    )
    parser.add_argument(
        "--frames",
        type=arguments.positive_int,
        metavar="N",
        help=f"default: {DEFAULT_FRAMES}; fewer with --compare-eager",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the results as JSON")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="also plot the results")
    parser.add_argument(
        "--sizes",
        action="store_true",
        help="measure 512x512 and 1920x1080 instead, transparent and opaque: preparation, drawing, and drawing beside "
        "tracking",
    )
    parser.add_argument(
        "--compare-eager",
        action="store_true",
        help="compare LivePortrait's published networks with ours instead, with and without torch.compile",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, print a table and write the requested files."""
    from animator_core.clips.driving_clip import TemplateClip, open_clip
    from animator_core.diagnostics.benchmark.report import Subject, figures_of, format_result, plot
    from animator_core.diagnostics.benchmark.run import run_benchmark

    if options.characters > _MOST_CHARACTERS:
        raise AnimatorError(f"--characters {options.characters} is too many", f"give {_MOST_CHARACTERS} at most")
    output_files.require_writable((options.json, options.plot))
    output_files.require_apart({"--json": options.json, "--plot": options.plot}, {"--driving": options.driving})
    config = load_config(options.config)
    if options.backend is not None:
        compute = dataclasses.replace(config.compute, backend=options.backend)
        config = dataclasses.replace(config, compute=compute)
    if options.compare_eager:
        return _compare_eager(options, config)
    if options.size is not None:
        smaller = dataclasses.replace(config.character, target_size=(options.size, options.size))
        config = dataclasses.replace(config, character=smaller)
    clip = open_clip(options.driving, lambda: assembly.make_tracker(config))  # reports an unreadable clip at once
    clip.close()
    if isinstance(clip, TemplateClip):
        raise AnimatorError(f"{options.driving} is a template, which benchmark cannot measure", "use a video")
    if options.sizes:
        return _measure_sizes(options, config)
    characters = _characters(options, config)
    with _measured_paths(options, config, characters) as (paths, renderer):
        result = run_benchmark(
            lambda: open_clip(options.driving, lambda: assembly.make_tracker(config)),
            paths,
            frames=options.frames or DEFAULT_FRAMES,
            characters=len(characters),
        )
        backend = renderer.model.painter.name if renderer.name == "liveportrait" else "numba"
        subject = Subject(
            character=characters[0].name,
            driving=options.driving.name,
            renderer=renderer.name,
            backend=backend,
            device=renderer.device,
        )
        print(format_result(result, subject))
        if options.json is not None:
            output_files.write_json(options.json, figures_of(result, subject))
        if options.plot is not None:
            plot(options.plot, result, subject, paths=paths)
    return 0


def _measure_sizes(options: argparse.Namespace, config: Config) -> int:
    """Print how long each of the usual sizes takes, one after another."""
    from animator_core.clips.driving_clip import open_clip
    from animator_core.diagnostics.benchmark.machine import machine_facts
    from animator_core.diagnostics.benchmark.sizes import heading, measure_sizes, row_text

    source, machine = assembly.make_renderer_source(config), machine_facts()
    results = []
    print(heading(machine))
    for result in measure_sizes(
        lambda: open_clip(options.driving, lambda: assembly.make_tracker(config)),
        assembly.load_character(options.character, config),
        lambda: source.create(options.renderer or config.ai_model.type, False),
        make_estimator=lambda: assembly.make_estimator(config),
        frames=options.frames or DEFAULT_FRAMES,
    ):
        results.append(result)
        print(row_text(result), flush=True)
    if options.json is not None:
        figures = {"machine": machine, "sizes": [dataclasses.asdict(each) for each in results]}
        output_files.write_json(options.json, figures)
    return 0


def _characters(options: argparse.Namespace, config: Config) -> list[Character]:
    """Return the requested number of characters: the named one, then others of the library, repeated if needed."""
    first = assembly.load_character(options.character, config)
    if options.characters == 1:
        return [first]
    others = [entry.file for entry in assembly.make_library(config).list() if entry.file != first.name]
    loaded = [first, *(assembly.load_character(name, config) for name in others[: options.characters - 1])]
    return [loaded[number % len(loaded)] for number in range(options.characters)]


@contextlib.contextmanager
def _measured_paths(
    options: argparse.Namespace, config: Config, characters: list[Character]
) -> Iterator[tuple[list[MeasuredPath], Any]]:
    """Yield the requested paths and one of their renderers; renderers share their models."""
    from animator_core.diagnostics.benchmark.path import MeasuredPath

    wanted = [False, True] if options.optimizer is None else [options.optimizer == "true"]
    source = assembly.make_renderer_source(config)
    with contextlib.ExitStack() as undo:
        paths = []
        for enable_optimizer in wanted:
            renderers = []
            for character in characters:
                renderer = undo.enter_context(
                    assembly.made_renderer(options.renderer, config, source, use_motion_cache=enable_optimizer)
                )
                renderer.set_character(character)
                renderers.append(terminal.settled(renderer, character))
            paths.append(MeasuredPath(renderers, enable_optimizer, lambda: assembly.make_estimator(config)))
            undo.callback(paths[-1].close)
        yield paths, renderers[0]


def _compare_eager(options: argparse.Namespace, config: Config) -> int:
    from animator_core.diagnostics.benchmark.eager import compare, format_comparison

    compute = config.compute
    comparison = compare(
        config.ai_model.model_path,
        device=compute.device,
        fp16=compute.fp16,
        frames=options.frames,
        cache_dir=config.performance.cache_dir,
    )
    print(format_comparison(comparison))
    if options.json is not None:
        output_files.write_json(options.json, dataclasses.asdict(comparison))
    return 0
