"""One worker process: start it, exchange messages with it, end it. Sending never blocks."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
import queue
import re
import subprocess
import threading
from typing import Callable

from animator_core.ipc.protocol import LineDecoder, Message, Shutdown, encode
from obs_plugin.installation import Installation

logger = logging.getLogger(__name__)
worker_logger = logging.getLogger("obs_plugin.worker")

# Windows would open a console window for the worker.
_CREATION_FLAGS: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_LEAVE_SECONDS = 1.5
_TERMINATE_SECONDS = 0.5
_KILL_SECONDS = 0.5
_JOIN_SECONDS = 0.5
_LONGEST_LOG_LINE = 500

_NATIVE_NOISE = re.compile(
    r"[IW](?:\d{4}|\d{8}) [\d:.]+ +\d+ \S+\.\w+:\d+\]"  # glog and absl: MediaPipe and TensorFlow Lite
    r"|WARNING: All log messages before absl::InitializeLog"
    r"|(?:INFO|VERBOSE): \w.*(?:TensorFlow Lite|delegate|XNNPACK|OpenGL)"
    r"|[\d-]+ [\d:.]+ \[[VIW]:\w+"  # onnxruntime
    r"|\[ *(?:DEBUG|INFO|WARN)[:@]"  # OpenCV
    r"|libpng warning:"
)
"""Log lines of native libraries below the level of an error; our own lines have another form."""


class WorkerProcess:
    """A running worker with a thread for each of its three pipes."""

    def __init__(
        self,
        installation: Installation,
        on_message: Callable[[WorkerProcess, Message], None],
        on_exit: Callable[[], None],
    ) -> None:
        """Start the worker; raises OSError if the interpreter cannot be run.

        on_message, on_exit: called on the thread that reads the worker's output, on_exit once and last.
        """
        self._on_message = on_message
        self._on_exit = on_exit
        self._is_output_closed = False
        self._outgoing: queue.Queue[bytes | None] = queue.Queue()
        self._process = subprocess.Popen(
            installation.worker_command,
            cwd=str(installation.root),
            env=installation.worker_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            creationflags=_CREATION_FLAGS,
        )
        self.pid = self._process.pid
        self._threads = [
            threading.Thread(target=work, name=f"sma-{name}", daemon=True)
            for name, work in (("send", self._send), ("receive", self._receive), ("log", self._log))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    @property
    def has_ended(self) -> bool:
        """Whether the worker ended, or closed its output, without which it is of no use."""
        return self._is_output_closed or self.exit_code is not None

    def send(self, message: Message) -> None:
        """Queue a message; returns at once, also if the worker does not read."""
        self._outgoing.put(encode(message))

    def _send(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            while True:
                line = self._outgoing.get()
                if line is None:
                    break
                rest = memoryview(line)
                while rest:
                    rest = rest[pipe.write(rest) or 0 :]
        except (OSError, ValueError):
            logger.debug("the worker no longer reads")
        finally:
            try:
                pipe.close()
            except OSError:
                logger.debug("the worker's input was closed already")

    def _receive(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        decoder = LineDecoder()
        try:
            while True:
                data = pipe.read(65536)
                if not data:
                    break
                for message in decoder.feed(data):
                    self._on_message(self, message)
                for reason in decoder.rejected:
                    logger.warning("the worker wrote a line that is no message: %s", reason[:_LONGEST_LOG_LINE])
                decoder.rejected.clear()
        except (OSError, ValueError):
            logger.debug("the worker's output was closed")
        finally:
            pipe.close()
            self._is_output_closed = True
            self._on_exit()

    def _log(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        rest = b""
        try:
            while True:
                data = pipe.read(65536)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[-_LONGEST_LOG_LINE:]
                for line in lines:
                    text = line.decode("utf-8", "replace").rstrip()[:_LONGEST_LOG_LINE]
                    if not _NATIVE_NOISE.match(text):
                        worker_logger.info("%s", text)
        except (OSError, ValueError):
            logger.debug("the worker's log was closed")
        finally:
            pipe.close()

    def stop(self, *, is_hung: bool = False) -> None:
        """End the worker within about three seconds: ask, wait, terminate, kill. A hung one is not asked."""
        if not is_hung:
            self.send(Shutdown())
        self._outgoing.put(None)
        if is_hung or not self._wait(_LEAVE_SECONDS):
            self._process.terminate()
            if not self._wait(_TERMINATE_SECONDS):
                self._process.kill()
                if not self._wait(_KILL_SECONDS):
                    logger.error("the worker (process %d) does not end", self.pid)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_SECONDS)

    def _wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
