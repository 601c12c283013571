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


_libobs = ctypes.CDLL(None)
if not hasattr(_libobs, "obs_source_properties"):
    _libobs = ctypes.CDLL("libobs.so.0")


def native(name, *arguments, result=ctypes.c_void_p):
    """Call libobs as C code does: without the interpreter's lock.

    obspython keeps that lock while it waits for a source's or scene's one; where the graphics thread holds that and
    calls the filter, both wait for ever. OBS's own user interface never does so, and neither may a test.
    """
    function = getattr(_libobs, name)
    function.restype = result
    return function(*(ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments))


def _scripting(function, name, result):
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    script = get_pointer(sys.modules[name].__script_data__, None)
    called = getattr(ctypes.CDLL("libobs-scripting.so.1"), function)
    called.argtypes, called.restype = [ctypes.c_void_p], result
    return called(script)


def reload_script(name):
    """Do what the Reload button of Tools → Scripts does."""
    return _scripting("obs_script_reload", name, ctypes.c_bool)


def save_script(name):
    """Do what OBS does with a script when it saves the scene collection."""
    _scripting("obs_script_save", name, None)


def _work():
    while not _stop.is_set():
        for path in sorted(FOLDER.glob("*.command")):
            scope = {"obs": obs, "ctypes": ctypes, "native": native, "result": None}
            scope.update(reload_script=reload_script, save_script=save_script)
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
