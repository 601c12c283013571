"""Tells in `prepare` whether the anime networks suit a character, and draws it in many poses to be looked at."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from animator_core import assembly
from animator_core.arrays import UInt8Array
from animator_core.atomic_file import written_atomically
from animator_core.characters.character import Character
from animator_core.config import PROJECT_ROOT, Config
from animator_core.errors import AnimatorError

if TYPE_CHECKING:
    from animator_core.anime.networks.chain import AnimeNetworks
    from animator_core.anime.placing import Fit

SHEETS = PROJECT_ROOT / "output"
"""Folder of the contact sheets."""
_CONTENT = "character"
"""Key of the PNG text that says which character the sheet shows."""
_SOURCES = {
    "yaml": "head as in its yaml",
    "landmarks": "head found by the face detector",
    "networks": "head found by the networks",
    "silhouette": "head guessed by the silhouette",
}


class AnimeCheck:
    """Checks one character after the other; the networks are loaded for the first.

    renderer: the name asked for, None for that of the settings.
    """

    def __init__(self, config: Config, renderer: str | None) -> None:
        self._config = config
        self._renderer = renderer or config.ai_model.type
        self._networks: AnimeNetworks | None = None
        self._is_loaded = False

    def tell(self, character: Character) -> None:
        """Print whether the networks suit the character; if they do or are asked for, write its contact sheet."""
        wanted = self._renderer if self._renderer != "auto" else character.renderer
        if wanted not in ("auto", "anime"):
            return
        try:
            networks = self._loaded()
            if networks is None:
                return
            fit = self._fit(character, networks)
            print(f"         anime: {described(fit)}", flush=True)
            if fit.prefers_anime or wanted == "anime":
                self._write_sheet(character, fit, networks)
        except AnimatorError as exc:
            print(f"         anime: {exc}", file=sys.stderr, flush=True)

    def _fit(self, character: Character, networks: AnimeNetworks) -> Fit:
        """Return the fit that the anime renderer has found, else search for it."""
        from animator_core.anime.placing import find_place
        from animator_core.anime.store import FIT_FOLDER, FitStore

        def find() -> Fit:
            return find_place(character, networks)

        if not self._config.ai_model.use_feature_cache:
            return find()
        return FitStore(self._config.performance.cache_dir / FIT_FOLDER).get_or_find(character, find)

    def _loaded(self) -> AnimeNetworks | None:
        if not self._is_loaded:
            self._is_loaded = True
            self._networks = assembly.load_anime_networks(self._config)
            if self._networks is None:
                print("note: the anime networks are not checked, because their weights are not there; run install.py")
        return self._networks

    @staticmethod
    def _write_sheet(character: Character, fit: Fit, networks: AnimeNetworks) -> None:
        from animator_core.anime.contact_sheet import POSES, contact_sheet

        path = SHEETS / f"{Path(character.name).stem}-anime.png"
        content = hashlib.sha256(repr((character.content_hash, fit.place, POSES)).encode()).hexdigest()
        if not _shows(path, content):
            print(f"         anime: drawing {len(POSES)} poses, 1 to 3 s each", flush=True)

            def tell(count: int) -> None:
                if sys.stdout.isatty():
                    print(f"\r         anime: pose {count} of {len(POSES)} ", end="", flush=True)

            sheet = contact_sheet(networks, fit.picture, fit.place, tell=tell)
            if sys.stdout.isatty():
                print()
            _write(path, sheet, content)
        print(f"         anime: see it move in {path}", flush=True)


def described(fit: Fit) -> str:
    """Return in words whether the networks suit a character, and why."""
    verdict = "fits" if fit.fits else "does not fit"
    better = "anime" if fit.prefers_anime else "another renderer"
    return f"{verdict} ({_SOURCES[fit.source]}): {fit.reason}; {better} suits it better"


def _shows(path: Path, content: str) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return bool(image.info.get(_CONTENT) == content)
    except (OSError, SyntaxError, ValueError):
        return False


def _write(path: Path, sheet: UInt8Array, content: str) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text(_CONTENT, content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_atomically(path) as unfinished:
            Image.fromarray(sheet).save(unfinished, "PNG", pnginfo=notes)
    except OSError as exc:
        raise AnimatorError(f"cannot write {path}: {exc.strerror}", "make its folder writable") from exc
