"""A second script inside OBS, for tests: runs code that the test leaves in a folder, and leaves the answer.

The code runs on a thread of its own, as OBS's user interface would call libobs, and sets ``result``.
"""

import contextlib
import ctypes
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path

import obspython as obs

FOLDER = Path(os.environ["HELPER_FOLDER"])
_stop = threading.Event()
_threads = []
_added = []


_libobs = ctypes.CDLL(None)
if not hasattr(_libobs, "obs_source_properties"):
    _libobs = ctypes.CDLL("libobs.so.0")


def native(name, *arguments, result=ctypes.c_void_p):
    """Call libobs as C code does: without the interpreter's lock.

    obspython keeps that lock while it waits for a source's or scene's one; if the graphics thread holds that and
    calls the filter, both wait for ever. OBS's own user interface never does so, and neither may a test.
    """
    function = getattr(_libobs, name)
    function.restype = result
    return function(*(ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments))


def _loaded(name):
    """Return a library that this process has loaded, whatever number its file has."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return ctypes.CDLL(next(line.split(maxsplit=5)[5] for line in lines if f"/{name}.so" in line))


def _scripting(name, result, *arguments):
    """Call a function of OBS's scripting library, which this process has loaded, with the lock let go."""
    function = getattr(_loaded("libobs-scripting"), name)
    function.restype = result
    return function(*arguments)


def _script(name):
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_void_p(get_pointer(sys.modules[name].__script_data__, None))


def reload_script(name):
    """Reload a script like the Reload button of Tools → Scripts."""
    return _scripting("obs_script_reload", ctypes.c_bool, _script(name))


def save_script(name):
    """Save a script as OBS does with the scene collection."""
    _scripting("obs_script_save", None, _script(name))


def on_ui_thread(function):
    """Run ``function`` on OBS's user interface thread, and return its result."""
    results = []
    task = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: results.append(function()))
    address, waits = ctypes.cast(task, ctypes.c_void_p), ctypes.c_bool(True)
    native("obs_queue_task", ctypes.c_int(0), address, None, waits, result=None)
    return results[0]


def add_script(path):
    """Add a script like the + button of Tools → Scripts; it is destroyed with this one."""
    settings = native("obs_data_create")
    arguments = path.encode(), ctypes.c_void_p(settings)
    _added.append(on_ui_thread(lambda: _scripting("obs_script_create", ctypes.c_void_p, *arguments)))
    native("obs_data_release", settings, result=None)
    return bool(_added[-1])


def _work():
    while not _stop.is_set():
        for path in sorted(FOLDER.glob("*.command")):
            scope = {"obs": obs, "ctypes": ctypes, "native": native, "result": None}
            scope.update(reload_script=reload_script, save_script=save_script, add_script=add_script)
            try:
                exec(path.read_text(), scope)
                answer = {"result": scope["result"]}
            except Exception:
                answer = {"error": traceback.format_exc()}
            path.unlink()
            temporary = path.with_suffix(".part")
            temporary.write_text(json.dumps(answer))
            temporary.rename(path.with_suffix(".answer"))
        time.sleep(0.02)


def script_load(settings):
    _stop.clear()
    _threads.append(threading.Thread(target=_work, daemon=True))
    _threads[-1].start()


def script_unload():
    _stop.set()
    with contextlib.suppress(IndexError):
        _threads.pop().join(2)
    while _added:
        _scripting("obs_script_destroy", None, ctypes.c_void_p(_added.pop()))
