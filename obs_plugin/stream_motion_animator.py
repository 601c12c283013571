"""Stream Motion Animator: the script to add in OBS under Tools → Scripts.

OBS imports only this file anew on "Reload script"; `obs_plugin.registration` has everything that must outlive that.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any, Callable

import obspython as obs

_RELEASE = "0.1.0"
_ROOT = str(Path(__file__).resolve().parents[1])
_problem = ""
# First in the path, so that no other obs_plugin is imported; removed below, so that no other script finds our files.
sys.path.insert(0, _ROOT)
try:
    import animator_core
    from animator_core.ipc.emote_names import list_emotes
    from obs_plugin import libobs, registration, script_log, texts
    from obs_plugin.hotkeys import Hotkey, all_hotkeys, descriptions
    from obs_plugin.installation import find_installation
    from obs_plugin.session import Session

    if animator_core.__version__ != _RELEASE:
        raise ImportError(f"they are of release {animator_core.__version__}, the script of {_RELEASE}")
except Exception as exc:
    # A traceback would not say what to do.
    if Path(_ROOT, "animator_core").is_dir():
        _problem = (
            f"Files beside this script are missing, or of another release ({exc}): restart OBS, and if that does not "
            "help, put the whole Stream Motion Animator folder there anew."
        )
    else:
        _problem = (
            "This file works only in its own folder: remove this entry with the - button, press + and choose "
            "obs_plugin/stream_motion_animator.py in the Stream Motion Animator folder."
        )
finally:
    sys.path.remove(_ROOT)

logger = logging.getLogger("obs_plugin.script")

_LOG_INTERVAL_MS = 250
_NUMBERS_KEY = "character_numbers"
_lib: libobs.LibObs | None = None
_session: Session | None = None
_hotkey_ids: dict[str, int] = {}
_hotkeys: list[Hotkey] = []


def script_description() -> str:
    if _problem:
        return f"<h2>Stream Motion Animator cannot start</h2>{_problem}"
    return f"<h2>Stream Motion Animator</h2>{texts.text('Script.Description')}"


def script_load(settings: Any) -> None:
    global _lib, _session
    if _problem:
        obs.script_log(obs.LOG_WARNING, _problem)
        return
    script_log.set_up()
    obs.timer_add(_flush_log, _LOG_INTERVAL_MS)
    # First, while nothing here has let another script run: OBS counts a hotkey to the script that runs at the moment.
    _hotkeys[:] = all_hotkeys(list_emotes(str(find_installation().emotes)))
    for hotkey in _hotkeys:
        identifier = obs.obs_hotkey_register_frontend(hotkey.name, hotkey.name, _on_press(hotkey))
        saved = obs.obs_data_get_array(settings, hotkey.name)
        obs.obs_hotkey_load(identifier, saved)
        obs.obs_data_array_release(saved)
        _hotkey_ids[hotkey.name] = identifier
    numbers = _read_numbers(obs.obs_data_get_string(settings, _NUMBERS_KEY))
    try:
        _lib = libobs.load()
        texts.use((_lib.obs_get_locale() or b"").decode("utf-8", "replace"))
        _name_hotkeys()
        _session = registration.register(_lib)
    except Exception:
        logger.exception("Stream Motion Animator cannot start")
        return
    others = _other_python_scripts()
    if others:
        logger.warning("%s", texts.text("Log.OtherScripts", names=", ".join(others)))
    if _session is not None:
        _session.roster.numbers, _session.roster.on_change = numbers, _name_hotkeys
        _session.start()


def script_save(settings: Any) -> None:
    if _lib is None:
        return
    # Not through obspython, which keeps the GIL: OBS holds its lock of the hotkeys while it runs a hotkey's function,
    # and another plugin's function may wait for something that waits for a filter.
    for name, identifier in _hotkey_ids.items():
        keys = _lib.obs_hotkey_save(identifier)
        _lib.obs_data_set_array(int(settings), name.encode(), keys)
        _lib.obs_data_array_release(keys)
    if _session is not None:
        _lib.obs_data_set_string(int(settings), _NUMBERS_KEY.encode(), json.dumps(_session.roster.numbers).encode())


def script_unload() -> None:
    if _problem:
        return
    registration.hide()
    if _session is not None:
        _session.roster.on_change = lambda: None
        _session.stop()
    _hotkey_ids.clear()
    _flush_log()


def _read_numbers(saved: str) -> tuple[str, ...]:
    """Return the file of each numbered hotkey, as OBS saved them with the script."""
    try:
        numbers = json.loads(saved or "[]")
    except ValueError:
        return ()
    return tuple(str(name) for name in numbers) if isinstance(numbers, list) else ()


def _name_hotkeys() -> None:
    """Write the hotkeys' texts and the characters' names into Settings → Hotkeys."""
    if _lib is None:
        return
    for name, text in descriptions(_session, _hotkeys).items():
        if name in _hotkey_ids:
            _lib.obs_hotkey_set_description(_hotkey_ids[name], text.encode("utf-8", "replace"))


def _other_python_scripts() -> list[str]:
    """Return the names of other Python scripts: one that waits for a scene keeps the GIL, which our rendering needs."""
    # OBS marks every script's module with this name.
    modules = list(sys.modules.items())
    return sorted(name for name, module in modules if name != __name__ and hasattr(module, "__script_data__"))


def _on_press(hotkey: Hotkey) -> Callable[[bool], None]:
    # OBS takes plain functions only: no bound methods, no partials.
    @registration.guarded(None)
    def on_press(is_pressed: bool) -> None:
        if is_pressed and _session is not None:
            hotkey.press(_session)

    return on_press


def _flush_log() -> None:
    script_log.HANDLER.flush_to(obs.script_log)
