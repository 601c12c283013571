"""The installer's step that gets the model files.

Standard library only.
"""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from animator_core.errors import ModelError
from animator_core.installation import model_transfer
from animator_core.installation.console import AGAIN, Progress, say
from animator_core.installation.model_files import FACE_LANDMARKER, LIVEPORTRAIT, ModelFile, verified_path
from animator_core.installation.model_transfer import ModelUnreachable
from animator_core.installation.requirements import NEWEST_PYTHON_WITH_FACE_MESH


@dataclass
class ModelsStep:
    """Gets every wanted model into its folder under ``models_dir`` and remembers which it could not get.

    folder: searched first, None for none. mirror: a folder URL instead of the official addresses, "" for none.
    rehash: verify the present files anew.
    """

    models_dir: Path
    wanted: tuple[ModelFile, ...]
    folder: Path | None = None
    mirror: str = ""
    rehash: bool = False
    missing: list[ModelFile] = field(default_factory=list)
    has_damage: bool = False

    @property
    def bytes_to_come(self) -> int:
        """How many bytes of disk space the models that are not here will take."""
        return sum(model.size for model in self.wanted if not (self._folder_of(model) / model.name).exists())

    def _folder_of(self, model: ModelFile) -> Path:
        return self.models_dir / model.folder

    def run(self) -> None:
        """Get the models, printing one line each; those that cannot be had are in ``missing`` afterwards."""
        unreachable: set[str] = set()
        for model in self.wanted:
            host = urllib.parse.urlsplit(self.mirror or model.url).netloc
            try:
                self._get(model, host in unreachable)
            except ModelUnreachable as exc:
                say(f"Models: {exc}")
                unreachable.add(host)
                self.missing.append(model)
            except ModelError as exc:
                say(f"Models: {exc}")
                self.missing.append(model)
                self.has_damage = True

    def _get(self, model: ModelFile, is_offline: bool) -> None:
        if self._is_here(model) or self._take(model):
            return
        if is_offline:
            raise ModelUnreachable(f"{model.name} is not downloaded, its server cannot be reached")
        say(f"Models: downloading {model.name} ({model.size / 1e6:,.1f} MB)")
        model_transfer.fetch(model, self._folder_of(model), mirror=self.mirror, report=Progress(model.name))
        say(f"Models: {model.name} downloaded, verified")

    def _is_here(self, model: ModelFile) -> bool:
        try:
            path = verified_path(self._folder_of(model), model.name, rehash=self.rehash)
        except ModelError as exc:
            if (self._folder_of(model) / model.name).exists():
                say(f"Models: {exc.message}; getting it anew")
            return False
        say(f"Models: {path.name} is there, verified")
        return True

    def _take(self, model: ModelFile) -> bool:
        if self.folder is None:
            return False
        try:
            is_taken = model_transfer.take_from_folder(
                model, self.folder, models_dir=self._folder_of(model), report=Progress(model.name)
            )
        except ModelError as exc:
            say(f"Models: {exc}")
            return False
        if is_taken:
            say(f"Models: {model.name} taken from {self.folder}, verified")
        return is_taken

    def has_no_tracker(self, version: tuple[int, int]) -> bool:
        """Return whether no face can be tracked at all: no model here, and none inside mediapipe's package."""
        return FACE_LANDMARKER in self.missing and version > NEWEST_PYTHON_WITH_FACE_MESH

    def summary(self, version: tuple[int, int]) -> list[str]:
        """Return the effects of the missing models on this Python and the way to get them later, a line each."""
        lines = []
        if self.has_no_tracker(version):
            lines.append("Without face_landmarker.task no face can be tracked on this Python (3.12 would need none).")
        elif FACE_LANDMARKER in self.missing:
            lines.append("Without face_landmarker.task the face is tracked by the model inside mediapipe's package.")
        if any(model in self.missing for model in LIVEPORTRAIT):
            lines.append("Without LivePortrait's weights characters are animated by the warp renderer, on the CPU.")
        if self.missing:
            names = ", ".join(model.name for model in self.missing)
            lines.append(f"To get them later: {AGAIN} with a network, or {AGAIN} --models FOLDER that has {names}")
        return lines
