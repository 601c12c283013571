"""Has the user mark a face or a head in a picture, and writes it into the description beside it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from animator_core import assembly
from animator_core.arrays import FloatArray
from animator_core.config import Config
from animator_core.errors import WeightsError


def pick_face(path: Path, config: Config) -> bool:
    """Let the user mark the face and write it beside the picture; return False if they cancelled."""
    from animator_core.characters.description import read_description, write_description
    from animator_core.characters.face_picker import FacePicker
    from animator_core.characters.face_search import find_face, over_grey
    from animator_core.characters.library import project_detector
    from animator_core.characters.picture import load_picture
    from animator_core.cli.picker.face_controller import FacePickController
    from animator_core.cli.picker.window import pick

    picture = load_picture(path)
    read_description(path)  # reports an unreadable one before the work
    height, width = picture.shape[:2]
    with project_detector() as detector:

        def find(crop: tuple[int, int, int, int]) -> FloatArray | None:
            face = find_face(picture, detector, crop, look_closer=config.character.auto_crop)
            return None if face is None else face.landmarks

        picker = FacePicker(width, height, find)
        picked = pick(FacePickController(over_grey(picture), picker))
    if picked is None:
        return False
    print(f"wrote {write_description(path, picked.crop, picked.key_points)}", flush=True)
    return True


def pick_head(path: Path, config: Config) -> bool:
    """Let the user mark the head for the anime networks and write it beside the picture; return False if cancelled.

    Raises WeightsError without their weights, CharacterError for a picture that cannot be used.
    """
    networks = assembly.load_anime_networks(config)
    if networks is None:
        raise WeightsError("the weights of the anime networks are not there", "run install.py to get them")
    from animator_core.anime.background import without_background
    from animator_core.anime.placing import find_place
    from animator_core.anime.preview import FacePreview
    from animator_core.characters.description import write_head
    from animator_core.characters.face_search import over_grey
    from animator_core.characters.head_picker import HeadPicker
    from animator_core.characters.library import CharacterLibrary
    from animator_core.characters.picture import load_picture
    from animator_core.cli.picker.head_controller import HeadPickController
    from animator_core.cli.picker.window import pick

    print("looking for the head", flush=True)
    # In the size that is written: a library may reduce pictures.
    height, width = load_picture(path).shape[:2]
    character = CharacterLibrary(path.parent, target_size=(width, height)).load_file(path)
    picture = without_background(character.picture)
    first = find_place(character, networks).place
    executor = ThreadPoolExecutor(1, "preview")
    try:
        picker = HeadPicker(first, FacePreview(networks, picture), executor)
        head = pick(HeadPickController(over_grey(picture), picker))
    finally:
        executor.shutdown(cancel_futures=True)
    if head is None:
        return False
    print(f"wrote {write_head(path, head)}", flush=True)
    return True
