"""The way of a picture from the panel into the library, and to the filter that asked for it."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import os
from functools import partial
from typing import Callable, Iterable

from animator_core.ipc.protocol import CharacterAdded
from obs_plugin.filter import AnimatorFilter
from obs_plugin.panel_state import Section
from obs_plugin.problem import Problem
from obs_plugin.texts import text
from obs_plugin.wording import sentences

SETTING = "added_picture"
"""Key of the path that the panel's file dialog writes, until the picture is added."""


class PictureAdding:
    """Follows the pictures that are added; `begin` on the user interface thread, `end` on the supervisor's."""

    def __init__(
        self, filters: Callable[[], Iterable[AnimatorFilter]], *, run: Callable[[Callable[[], None]], None], folder: str
    ) -> None:
        """run: queues a job for the user interface thread. folder: the installation's, for texts."""
        self._filters, self._run, self._folder = filters, run, folder

    def begin(self, instance: AnimatorFilter, path: str, problem: Problem | None) -> None:
        """Fold the section with the file dialog, so that it is not there while the panel is made anew.

        problem: why there is no worker to add the picture, None if there is one.
        """
        instance.panel.section = Section.CHARACTERS
        now = text("Adding.Now", name=os.path.basename(path))
        instance.panel.added = now if problem is None else sentences(problem.message, problem.remedy, self._folder)

    def end(self, added: CharacterAdded) -> None:
        """Choose the picture that was added, or tell why it was not."""
        for instance in self._filters():
            if instance.filter_id == added.filter_id:
                instance.panel.added = "" if added.file else sentences(added.message, added.remedy, self._folder)
                self._run(partial(self._finish, instance, added.file))

    def _finish(self, instance: AnimatorFilter, file: str) -> None:
        instance.obs_source.change_settings({SETTING: "", **({"character": file} if file else {})})
        if instance.panel.open_count and not instance.panel.section.rests:
            instance.obs_source.reload_panel()
