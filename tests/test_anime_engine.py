"""The engine that finds heads and computes bases in the background; its networks are stand-ins."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from anime_basis import SmoothNetworks

from animator_core.anime import basis_parts, engine, parameters, store
from animator_core.anime.basis import to_arrays
from animator_core.anime.engine import AnimeEngine, CharacterBasis
from animator_core.anime.placing import Fit
from animator_core.anime.renderer import AnimeRenderer
from animator_core.characters.character import Character
from animator_core.characters.head_place import HeadPlace
from animator_core.errors import AnimatorError, ModelError, WeightsError
from animator_core.rendering.srgb import premultiplied_bgra

PLACE = HeadPlace((32.0, 20.0), 6.0)


class Machine:
    """Loads stand-in networks and finds heads; counts both, and may be told to fail or to wait."""

    def __init__(self) -> None:
        self.networks = SmoothNetworks()
        self.loads, self.looked_for = 0, []
        self.fits, self.prefers_anime = True, True
        self.load_error: Exception | None = None
        self.error: Exception | None = None
        self.fails_after = 0
        self.gate = threading.Event()
        self.gate.set()
        self.at_gate = threading.Event()
        plain = self.networks.change_body

        def change_body(picture: Any, pose: Any) -> Any:
            if self.error is not None and len(self.networks.poses) >= self.fails_after:
                raise self.error
            self.at_gate.set()
            assert self.gate.wait(60)
            return plain(picture, pose)

        self.networks.change_body = change_body  # type: ignore[method-assign]

    def load(self, folder: Path, cache_dir: Path | None) -> SmoothNetworks:
        self.loads += 1
        if self.load_error is not None:
            raise self.load_error
        return self.networks

    def find(self, character: Character, networks: Any) -> Fit:
        self.looked_for.append(character.name)
        return Fit(
            PLACE, "networks", self.fits, reason="so", prefers_anime=self.prefers_anime, picture=character.picture
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(engine, "load_networks", made.load)
    monkeypatch.setattr(engine, "accelerated", lambda networks: networks)
    monkeypatch.setattr(engine, "find_place", made.find)
    monkeypatch.setattr(basis_parts, "COARSE", 2)
    monkeypatch.setattr(basis_parts, "FINE", 3)
    monkeypatch.setattr(engine, "lower_thread_priority", lambda niceness: None)
    return made


@pytest.fixture
def start(machine: Machine, tmp_path: Path) -> Any:
    made: list[AnimeEngine] = []

    def begin(cache_dir: Path | None = tmp_path / "cache") -> AnimeEngine:
        made.append(AnimeEngine(tmp_path / "weights", cache_dir))
        made[-1].acquire()
        return made[-1]

    yield begin
    machine.gate.set()
    for each in made:
        each.release()
        assert until(lambda each=each: each._thread is None), "the thread goes on without a renderer"


def person(name: str = "ada", *, renderer: str = "auto", shade: int = 90) -> Character:
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[4:, 14:50] = (shade, 120, 160, 255)
    return Character(f"{name}.png", name, picture, None, f"{name} {shade}", renderer=renderer)


def until(is_so: Callable[[], bool]) -> bool:
    """Wait for something of another thread; the limit only ends a test that has failed."""
    end = time.monotonic() + 120
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def finished(begun: AnimeEngine, character: Character) -> CharacterBasis:
    state = begun.basis_of(character)
    begun.want(state)
    assert until(lambda: state.is_finished)
    return state


def evaluations(machine: Machine) -> int:
    return machine.networks.faces + len(machine.networks.poses)


@pytest.mark.slow
def test_a_basis_is_computed_once_and_read_without_networks_later(machine: Machine, start: Any) -> None:
    state = finished(start(), person())
    assert state.error is None
    assert state.basis.head.side == 3
    assert (machine.loads, machine.looked_for) == (1, ["ada.png"])
    machine.load_error = WeightsError("they are gone")
    again = start().basis_of(person())
    assert (again.progress, again.is_finished, again.fit.place, again.fit.reason) == (1.0, True, PLACE, "so")
    for name, array in to_arrays(state.basis).items():
        assert np.array_equal(array, to_arrays(again.basis)[name]), name
    assert machine.loads == 1


@pytest.mark.slow
def test_the_character_wanted_last_comes_first_and_the_other_goes_on(machine: Machine, start: Any) -> None:
    begun, order = start(), []
    machine.gate.clear()
    ada, bob = begun.basis_of(person()), begun.basis_of(person("bob", shade=30))
    begun.want(ada)
    assert machine.at_gate.wait(60)
    faces = machine.networks.faces
    begun.want(bob)
    machine.gate.set()
    assert until(lambda: bob.is_finished)
    order.append(ada.is_finished)
    assert until(lambda: ada.is_finished)
    assert order == [False]
    assert machine.networks.faces == 2 * faces, "the face of the first was computed again"
    assert ada.basis.head.side == bob.basis.head.side == 3


@pytest.mark.slow
def test_without_a_renderer_nothing_more_is_computed_and_the_work_is_kept(machine: Machine, start: Any) -> None:
    begun = start()
    machine.gate.clear()
    state = begun.basis_of(person())
    begun.want(state)
    assert machine.at_gate.wait(60)
    begun.release()
    machine.gate.set()
    assert until(lambda: begun._thread is None)
    assert not state.is_finished
    with pytest.raises(ModelError, match="no renderer waits"):
        begun._wanted.clear() or AnimeEngine.finish(_Idle(begun), state, lambda progress: None)
    begun.acquire()
    faces = machine.networks.faces
    assert finished(start(), person()).basis is not None
    assert machine.networks.faces == faces, "the regions were computed again"


class _Idle:
    """An engine that takes no wishes."""

    def __init__(self, begun: AnimeEngine) -> None:
        self._is_wanted = begun._is_wanted

    def want(self, state: CharacterBasis) -> None:
        pass


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["version", "bytes", "truncated", "empty"])
def test_a_damaged_basis_or_one_of_another_version_is_computed_again(
    damage: str, machine: Machine, start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finished(start(), person())
    (path,) = (tmp_path / "cache" / "anime-basis").glob("*.safetensors")
    content = path.read_bytes()
    if damage == "version":
        monkeypatch.setattr(store, "_METADATA", {**store._METADATA, "format_version": "0"})
    elif damage == "bytes":
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    before = evaluations(machine)
    state = start().basis_of(person())
    assert (state.basis, state.progress, state.fit.place) == (None, 0.0, PLACE)
    again = finished(start(), person())
    assert evaluations(machine) == 2 * before
    assert again.basis.nbytes == first.basis.nbytes
    assert machine.looked_for == ["ada.png"], "the head was searched again"


@pytest.mark.slow
def test_a_full_disk_costs_a_warning_and_the_basis_is_used_from_memory(
    machine: Machine, start: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, *rest: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "write_tensors", full)
    monkeypatch.setattr(engine, "_KEEP_SECONDS", 0.0)
    begun = start()
    state = finished(begun, person())
    assert state.error is None
    assert state.basis is not None
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "cannot keep motion bases" in warnings[0]
    assert "No space left on device" in warnings[0]
    assert begun.basis_of(person()) is state


def test_a_failed_write_of_the_finished_form_leaves_the_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anime_basis import empty_basis

    bases, parts = store.BasisStore(tmp_path), basis_parts.BasisParts(regions=empty_basis().regions)
    bases.put_parts("ab", parts)

    def full(path: Path, *rest: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_tensors", full)
        bases.put("ab", empty_basis())
    assert bases.get("ab") is None
    assert bases.get_parts("ab").regions.keys() == empty_basis().regions.keys()
    bases.put("ab", empty_basis())
    assert bases.get_parts("ab") is None


def test_networks_that_fail_are_stated(machine: Machine, start: Any) -> None:
    machine.error = RuntimeError("out of something\nmore")
    begun = start()
    state = finished(begun, person())
    assert state.basis is None
    assert isinstance(state.error, ModelError)
    assert "the motion basis of ada.png cannot be computed (RuntimeError: out of something)" in str(state.error)
    assert state.error.remedy
    with pytest.raises(ModelError, match="out of something"):
        begun.finish(state, lambda progress: None)
    renderer = AnimeRenderer(begun)
    renderer.set_character(person())
    assert (renderer.is_ready, renderer.progress, renderer.is_computing) == (False, None, False)
    assert renderer.note is state.error
    renderer.close()


@pytest.mark.slow
def test_a_coarse_basis_stays_if_the_fine_one_fails(machine: Machine, start: Any) -> None:
    machine.error, machine.fails_after = RuntimeError("no more"), 8 + 11 + 6
    begun = start()
    renderer = AnimeRenderer(begun)
    renderer.set_character(person())
    state = finished(begun, person())
    assert state.basis.head.side == 2
    assert (renderer.is_ready, renderer.progress) == (True, None)
    assert "no more" in str(renderer.note)
    renderer.close()


@pytest.mark.parametrize(
    "error", [WeightsError("editor.pt is missing", "run install.py to get it"), RuntimeError("CUDA out of memory")]
)
def test_networks_that_cannot_be_loaded_are_stated(error: Exception, machine: Machine, start: Any) -> None:
    machine.load_error = error
    state = finished(start(), person())
    assert isinstance(state.error, WeightsError if isinstance(error, WeightsError) else ModelError)
    assert str(error).split(";")[0] in str(state.error)
    assert state.error.remedy


@pytest.mark.parametrize(("fits", "prefers"), [(False, False), (True, False)])
def test_a_character_that_does_not_suit_it_costs_no_basis(
    fits: bool, prefers: bool, machine: Machine, start: Any
) -> None:
    machine.fits, machine.prefers_anime = fits, prefers
    begun = start()
    renderer = AnimeRenderer(begun)
    renderer.set_character(person())
    state = finished(begun, person())
    assert (state.basis, evaluations(machine)) == (None, 0)
    assert (renderer.is_ready, renderer.progress, renderer.is_computing, renderer.prefers_anime) == (False, None, 0, 0)
    assert (renderer.note is None) == fits
    if not fits:
        assert "ada.png is not animated as an anime character: so; show the place" in str(renderer.note)
    renderer.close()
    assert start().basis_of(person()).fit.reason == "so", "what was found is kept"
    assert finished(start(), person()).error is None
    assert machine.looked_for == ["ada.png"]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["description", "renderer"])
def test_a_basis_that_is_asked_for_is_computed_all_the_same(way: str, machine: Machine, start: Any) -> None:
    machine.prefers_anime = False
    character = person(renderer="anime" if way == "description" else "auto")
    renderer = AnimeRenderer(start(), is_forced=way == "renderer")
    renderer.set_character(character)
    reported: list[float] = []
    assert renderer.settled(reported.append) is renderer
    assert reported == sorted(reported)
    assert reported[-1] == 1
    assert renderer.is_ready
    renderer.close()


@pytest.mark.slow
def test_the_renderer_draws_the_still_picture_until_there_is_a_basis(machine: Machine, start: Any) -> None:
    machine.gate.clear()
    begun, character = start(), person()
    renderer = AnimeRenderer(begun)
    with pytest.raises(AnimatorError, match="no character is set"):
        renderer.place(parameters.pose(), 0)
    renderer.set_character(character)
    still = renderer.draw(renderer.place(parameters.pose({"head_y": 1.0}), 7))
    assert np.array_equal(still, premultiplied_bgra(character.picture))
    assert not renderer.is_ready
    assert renderer.is_computing
    machine.gate.set()
    renderer.settled(lambda progress: None)
    placement = renderer.place(parameters.pose({"head_y": 1.0}), 7)
    assert (placement.captured_ns, np.abs(placement.signature).max() > 1) == (7, True)
    assert not np.array_equal(renderer.draw(placement), still)
    renderer.warm_up()
    other = AnimeRenderer(begun)
    for _ in range(2):
        renderer.close()
    assert begun._users == 2, "the engine and the other renderer"
    other.close()


def test_a_damaged_place_is_searched_again(machine: Machine, start: Any, tmp_path: Path) -> None:
    machine.fits = False
    finished(start(), person())
    (path,) = (tmp_path / "cache" / "anime-places").glob("*.json")
    for content in (b"{", b"null", path.read_bytes().replace(b'"scale":6.0', b'"scale":-6.0')):
        path.write_bytes(content)
        assert start().basis_of(person()).fit is None
    finished(start(), person())
    assert len(machine.looked_for) == 2


def test_nothing_is_kept_without_a_folder(machine: Machine, start: Any) -> None:
    machine.fits = False
    finished(start(None), person())
    finished(start(None), person())
    assert len(machine.looked_for) == 2
