"""The character library: makes a `Character` of each picture in a folder."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.character import Character
from animator_core.characters.description import CharacterDescription, description_path, read_description
from animator_core.characters.face_quality import face_warnings
from animator_core.characters.face_search import DetectFace, FoundFace, PictureDetector, find_face
from animator_core.characters.head_place import HeadPlace
from animator_core.characters.landmark_cache import LandmarkCache
from animator_core.characters.picture import MAX_SIDE, load_picture
from animator_core.errors import CharacterError
from animator_core.ipc import character_names
from animator_core.ipc.protocol import CharacterEntry

logger = logging.getLogger(__name__)

DEFAULT_TARGET_SIZE = (1080, 1080)
_DETECTION_CONFIDENCE = 0.3
_SEARCH_VERSION = 2
"""Raised when face search changes, so that older entries of the landmark cache are not used."""


class CharacterLibrary:
    """The pictures of one folder; the face of each is searched once, then kept in the disk cache.

    target_size: (width, height) that larger pictures are reduced to fit. auto_crop: see `find_face`.
    cache_dir: keeps landmarks in its folder ``landmarks``; None keeps none. detect: None for the project's detector,
    which looks again at every face that it finds.
    """

    def __init__(
        self,
        directory: Path,
        cache_dir: Path | None = None,
        target_size: tuple[int, int] = DEFAULT_TARGET_SIZE,
        auto_crop: bool = True,
        detect: DetectFace | None = None,
    ) -> None:
        self.directory = directory
        self._cache = LandmarkCache(cache_dir / "landmarks") if cache_dir is not None else None
        self._target_size = target_size
        self._auto_crop = auto_crop
        self._detect = detect
        self._included: dict[str, Path] = {}

    def list(self) -> tuple[CharacterEntry, ...]:
        """Return the characters in the order of `character_names.natural_key`."""
        try:
            names = character_names.list_names(self.directory)
        except OSError as exc:
            logger.warning("cannot look into %s: %s; create the folder and put pictures there", self.directory, exc)
            return ()
        return tuple(self._entry(name) for name in names)

    def expressions(self) -> dict[str, dict[str, str]]:
        """Return each character's pictures of other expressions, see `character_names.list_expressions`."""
        try:
            return character_names.list_expressions(self.directory)
        except OSError:
            return {}

    def path(self, name: str) -> Path:
        """Return the file of a character by its file name; raises CharacterError for any other name."""
        with contextlib.suppress(OSError):
            # Only what is listed: a name from elsewhere must not lead out of the folder.
            files = (file for files in self.expressions().values() for file in files.values())
            if name in self._included or name in (*character_names.list_names(self.directory), *files):
                return self._file(name)
        known = ", ".join(entry.file for entry in self.list()[:10]) or "none"
        raise CharacterError(
            f"there is no character {name!r} in {self.directory}",
            f"add the picture or choose another (there are: {known})",
        )

    def include(self, path: Path) -> str:
        """Have a picture from elsewhere loaded under its file name, and return that name."""
        name = character_names.as_text(path.name)
        self._included[name] = path
        return name

    def load(self, name: str, max_pixels: int | None = None) -> Character:
        """Return the character with the file name ``name``, of at most ``max_pixels``; may take a second.

        Raises CharacterError for a picture or description that cannot be used. A picture without a face has no
        landmarks.
        """
        return self.load_file(self.path(name), max_pixels, described_as=self._described_as(name))

    def load_file(self, path: Path, max_pixels: int | None = None, *, described_as: Path | None = None) -> Character:
        """Return the character in any picture file, in the library or not; as `load` otherwise.

        described_as: the picture whose description counts, None for this one's own.
        """
        picture = load_picture(path)
        description = read_description(described_as or path)
        name = character_names.as_text(path.name)
        face = self._face(picture, description, path)
        character = Character(
            name=name,
            display_name=description.name or character_names.display_name(name),
            picture=picture,
            landmarks=None if face is None else face.landmarks,
            content_hash="",
            head=_head(description, picture, path),
            renderer=description.renderer,
            path=path,
        ).within(self._target_size)
        if face is not None and character.landmarks is not None:
            # In the size in which it is shown, but not in the smaller one of a slow computer.
            shown = replace(face, landmarks=character.landmarks)
            character = replace(character, warnings=face_warnings(character.picture, shown, path.name))
        character = character.within(self._target_size, max_pixels)
        return replace(character, content_hash=_content_hash(character))

    def load_whole(self, path: Path) -> Character:
        """Return the character in a picture file in the file's own size, not reduced as for animation."""
        whole = CharacterLibrary(
            self.directory, target_size=(MAX_SIDE, MAX_SIDE), auto_crop=self._auto_crop, detect=self._detect
        )
        return whole.load_file(path)

    def fingerprint(self, name: str) -> tuple[int, ...]:
        """Return numbers that change when the picture or its description does; zeros for a missing file."""
        numbers: list[int] = []
        for path in (self._file(name), description_path(self._described_as(name))):
            try:
                status = path.stat()
                numbers += [status.st_mtime_ns, status.st_size]
            except (OSError, ValueError):
                numbers += [0, 0]
        return tuple(numbers)

    def _described_as(self, name: str) -> Path:
        """Return the picture whose description counts: of an expression without one its character's."""
        path = self._file(name)
        if description_path(path).exists():
            return path
        expressions = self.expressions().items()
        return next((self._file(base) for base, files in expressions if name in files.values()), path)

    def _file(self, name: str) -> Path:
        return self._included.get(name) or self.directory / character_names.system_path(name)

    def _entry(self, name: str) -> CharacterEntry:
        path = self._file(name)
        try:
            display_name = read_description(path).name
        except CharacterError as exc:
            logger.warning("%s", exc)
            display_name = ""
        return CharacterEntry(
            name, display_name or character_names.display_name(name), character_names.as_text(path.resolve())
        )

    def _face(self, picture: UInt8Array, description: CharacterDescription, path: Path) -> FoundFace | None:
        height, width = picture.shape[:2]
        if description.key_points or description.landmarks is not None:
            landmarks = _given_landmarks(description, description_path(path))
            _check_on_picture(landmarks, picture, description_path(path))
            return FoundFace(landmarks)
        if description.crop and (description.crop[0] >= width or description.crop[1] >= height):
            raise CharacterError(
                f"{description_path(path)}: crop {list(description.crop)} lies outside the picture of {width}x{height}",
                "write [x, y, width, height] in its pixels",
            )
        return self._detected_face(picture, description.crop)

    def _detected_face(self, picture: UInt8Array, crop: tuple[int, int, int, int] | None) -> FoundFace | None:
        digest = hashlib.sha256(repr((_SEARCH_VERSION, picture.shape, crop, self._auto_crop)).encode())
        digest.update(np.ascontiguousarray(picture).data)
        key = digest.hexdigest()
        face = self._cache.get(key) if self._cache else None
        if face is not None:
            return face
        given = None if self._detect is None else PictureDetector(self._detect)
        with contextlib.nullcontext(given) if given else project_detector() as detector:
            face = find_face(picture, detector, crop, look_closer=self._auto_crop)
        if face is not None and self._cache:
            self._cache.put(key, face)
        return face


@contextlib.contextmanager
def project_detector() -> Iterator[PictureDetector]:
    """Give a detector with this machine's tracker, loaded once for all searches of a picture."""
    # mediapipe takes a second to import, and listing a library does not need it.
    from animator_core.config import MODELS_DIR
    from animator_core.tracking.detect import detect_face, shifts_between_looks
    from animator_core.tracking.trackers import create_tracker

    tracker = create_tracker(MODELS_DIR, _DETECTION_CONFIDENCE, is_static=True, with_blendshapes=False)
    try:
        yield PictureDetector(
            lambda rgb: detect_face(rgb, tracker),
            look_again=lambda rgb, landmarks: shifts_between_looks(rgb, landmarks, tracker),
        )
    finally:
        tracker.close()


def _content_hash(character: Character) -> str:
    picture, landmarks = character.picture, character.landmarks
    digest = hashlib.sha256(repr((character.name, picture.shape, character.head, character.renderer)).encode())
    digest.update(np.ascontiguousarray(picture).data)
    digest.update(b"" if landmarks is None else np.ascontiguousarray(landmarks, np.float32).data)
    return digest.hexdigest()


def _head(description: CharacterDescription, picture: UInt8Array, path: Path) -> HeadPlace | None:
    head, (height, width) = description.head, picture.shape[:2]
    if head is not None and not (0 <= head.center[0] < width and 0 <= head.center[1] < height):
        raise CharacterError(
            f"{description_path(path)}: anime.center {list(head.center)} lies outside the picture of {width}x{height}",
            "write [x, y] in its pixels",
        )
    return head


def _given_landmarks(description: CharacterDescription, path: Path) -> FloatArray:
    if description.landmarks is not None:
        return description.landmarks
    from animator_core.tracking.face_model import fit_landmarks

    try:
        return fit_landmarks(description.key_points)
    except CharacterError as exc:
        raise exc.about(str(path)) from exc


def _check_on_picture(landmarks: FloatArray, picture: UInt8Array, path: Path) -> None:
    height, width = picture.shape[:2]
    middle = landmarks[:, :2].mean(axis=0)
    if not (0 <= middle[0] < width and 0 <= middle[1] < height):
        raise CharacterError(
            f"{path}: the landmarks lie around ({middle[0]:.0f}, {middle[1]:.0f}), outside the picture of "
            f"{width}x{height}",
            "write them in pixels of the picture",
        )
