"""The worker's end of the pipes to the OBS process; nothing but messages goes to standard output."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading

from animator_core.ipc.protocol import LineDecoder, Message, encode

logger = logging.getLogger(__name__)

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_LONGEST_COMPLAINT = 300


class MessageChannel:
    """Messages from the descriptor ``incoming`` and to the descriptor ``outgoing``."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._lock = threading.Lock()
        self._received: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.is_broken = False
        """Whether the reader of the messages is gone."""
        # A thread that blocks in a read cannot be asked to end; it holds nothing that would have to be freed.
        threading.Thread(target=self._read, name="messages", daemon=True).start()

    def receive(self, timeout_s: float) -> Message | None:
        """Return the next message; None at the end of the input. Raises queue.Empty if none comes in time."""
        return self._received.get(timeout=timeout_s)

    def send(self, message: Message) -> None:
        """Write one message; any thread may call it."""
        line = memoryview(encode(message))
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._outgoing, line) :]
            except OSError as exc:
                self.is_broken = True
                logger.debug("nobody reads the worker's messages any more: %s", exc)

    def _read(self) -> None:
        decoder = LineDecoder()
        try:
            while True:
                data = os.read(self._incoming, 65536)
                if not data:
                    break
                for message in decoder.feed(data):
                    self._received.put(message)
                for reason in decoder.rejected:
                    logger.warning("ignored a line that is no message: %.*s", _LONGEST_COMPLAINT, reason)
                decoder.rejected.clear()
        except OSError as exc:
            logger.debug("standard input was closed: %s", exc)
        finally:
            self._received.put(None)


def claim_standard_streams() -> MessageChannel:
    """Return the channel over standard input and output, and send all other output to standard error.

    Libraries written in C++ print to descriptor 1; their output must not come between the messages.
    """
    outgoing = os.dup(_STDOUT)
    sys.stdout.flush()
    os.dup2(_STDERR, _STDOUT)
    sys.stdout = sys.stderr
    # On Windows a library that looks at standard input while it loads waits for a pending read of it, for ever.
    incoming, nothing = os.dup(_STDIN), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)
    os.close(nothing)
    return MessageChannel(incoming, outgoing)
