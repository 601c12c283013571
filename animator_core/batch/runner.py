"""Carries out the jobs of one worker by `animate_clip`; networks stay loaded from one clip to the next."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.batch.job import Job, Outcome
from animator_core.batch.manifest import BatchClip
from animator_core.characters.character import Character
from animator_core.clip_animation import ClipListener, animate_clip
from animator_core.clips.driving_clip import DrivingClip, DrivingMoment
from animator_core.config import Config
from animator_core.errors import AnimatorError, DeviceLostError, described
from animator_core.renderers import RendererSource
from animator_core.rendering.contract import Renderer

_HASHED_BYTES = 1 << 20


class ClipRunner:
    """Animates clips, one after the other."""

    def __init__(self) -> None:
        self._kept_for: tuple[Config, str | None] | None = None
        self._source: RendererSource | None = None
        self._kept = contextlib.ExitStack()

    def run(self, job: Job, advance: Callable[[int], None]) -> Outcome:
        """Animate a job's clip; see `Runner`."""
        started = time.perf_counter()
        request, listener = replace(job.clip.request, unfinished=job.unfinished), _Advancing(advance)
        try:
            config = job.clip.settings()
            source = self._source_for(job.clip, config)
            animated = animate_clip(request, config, listener=listener, source=source)
            statistics = animated.statistics(time.perf_counter() - started)
            facts = {
                "path": str(animated.path),
                "bytes": animated.path.stat().st_size,
                "sha256": digest(animated.path),
                **statistics,
                "warnings": [*listener.notes, *statistics["warnings"]],
            }
        except AnimatorError as exc:
            return Outcome(str(exc), is_spent=isinstance(exc, DeviceLostError))
        except Exception as exc:  # one clip of thousands: the others go on
            return Outcome(described(exc), is_spent=True)
        return Outcome(facts=facts)

    def _source_for(self, clip: BatchClip, config: Config) -> RendererSource:
        """Return a source whose networks stay loaded while clips of these settings follow each other."""
        wanted = (config, clip.request.renderer)
        if self._source is None or self._kept_for != wanted:
            self._kept.close()
            self._source = assembly.make_renderer_source(config)
            self._kept.enter_context(assembly.made_renderer(clip.request.renderer, config, self._source))
            self._kept_for = wanted
        return self._source


class _Advancing(ClipListener):
    """Counts frames, and lets a stop through wherever the animation comes by."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self.notes: list[str] = []

    def opened(self, clip: DrivingClip, renderer: Renderer) -> None:
        if renderer.note:
            self.notes.append(str(renderer.note))

    def settled(self, renderer: Renderer, character: Character) -> Renderer:
        return renderer.settled(lambda progress: self._advance(0))

    def seen(self, moment: DrivingMoment, times: StageTimes) -> None:
        self._advance(0)

    def written(self) -> None:
        self._advance(1)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file; raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASHED_BYTES):
            found.update(block)
    return found.hexdigest()
