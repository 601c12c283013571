"""One filter whose character a host on another computer draws; this computer's own loop stands in for it.

The local loop is a warp, ready but hidden while the host is alive. It takes over where the host's animation stopped:
same character, same settings, same neutral pose.
"""

from __future__ import annotations

import dataclasses
import logging

from animator_core.animation.live_loop import LiveLoop
from animator_core.animation.services import Services
from animator_core.animation.statistics import FrameStatistics
from animator_core.arrays import UInt8Array
from animator_core.errors import AnimatorError
from animator_core.ipc.frame_ring import now_ns
from animator_core.ipc.protocol import AnimationSettings, FilterStatus, OpenFilter
from animator_core.motion.emotes.emote import Emote
from animator_core.remote import wire
from animator_core.remote.hosts import parse_address
from animator_core.remote.link import HostLink
from animator_core.remote.picture_file import PictureFile
from animator_core.remote.split import SharedSink, SplitSource
from animator_core.worker.session import FilterSession

logger = logging.getLogger(__name__)

_LINK_SECONDS = 0.5
_LOCAL_RENDERER = "warp"
_SEE = "it connects again by itself; docs/SECOND_PC.md has more"


class BridgedSession(FilterSession):
    """Serves one filter by a host, and by the local loop while there is none."""

    def _make_loop(self, opening: OpenFilter, services: Services) -> LiveLoop:
        remote = services.config.remote
        # A face that another program sends is in no frame.
        sends = wire.LANDMARKS if services.config.vmc.receive else remote.send
        self._library, self._preferred = services.library, services.config.character.current_character
        self._settings = opening.settings
        self._address = parse_address(remote.address)
        self._shown = FrameStatistics()
        self._is_hidden = False
        self._sent_neutral = opening.neutral
        self._unsendable: AnimatorError | None = None
        self._link = HostLink(
            self._address, remote.fingerprint, sends=sends, on_frame=lambda *frame: self._show(*frame)
        )
        self._sink = SharedSink(self._rings.sink, self._link, self._switch)
        source = SplitSource(self._rings.source, self._link, self._sink, sends=sends)
        loop = LiveLoop(
            services,
            _local(opening.settings),
            source=source,
            sink=self._sink,
            name=f"filter {opening.filter_id}",
            neutral=opening.neutral,
            on_tracked=source.offer_tracked,
        )
        self._send_character()
        self._link.start(opening.neutral)
        return loop

    def update(self, settings: AnimationSettings) -> None:
        """Use other settings on both computers."""
        self._settings = settings
        self._loop.requests.update(_local(settings))
        self._send_character()

    def act(self, action: str) -> None:
        """Carry out an action on both computers; the local loop stays hidden while the host animates."""
        self._link.act(action)
        if action in ("hide", "show"):
            self._is_hidden = action == "hide"
            self._hide_local()
        else:
            self._loop.requests.act(action)

    def play(self, name: str, emote: Emote) -> None:
        """Play an emote here, and the host's own of the same name there."""
        super().play(name, emote)
        self._link.play(name)

    def refresh_characters(self) -> None:
        """List the characters again, and send a changed one."""
        super().refresh_characters()
        self._send_character()

    def status(self) -> FilterStatus:
        """Return the host's status while it animates, else the local one with the reason."""
        local, news, moment = super().status(), self._link.news, now_ns()
        theirs = news.status
        if self._sink.is_remote and theirs is not None:
            return dataclasses.replace(
                theirs,
                filter_id=self.filter_id,
                fps=round(self._shown.fps(moment), 1),
                latency_ms=round(self._shown.latency_ms(moment), 1),
                device=f"{theirs.device}, remote {self._address}",
                character=local.character or self._settings.character,
            )
        if local.message:
            return local
        if self._unsendable is not None:
            reason, remedy = f"the host {self._address}: {self._unsendable.message}", self._unsendable.remedy
        elif theirs is not None and theirs.message:
            reason, remedy = f"the host {self._address}: {theirs.message}", theirs.remedy
        elif news.problem:
            reason, remedy = f"the host {self._address}: {news.problem}", news.remedy
        else:
            return local
        return dataclasses.replace(local, message=f"{reason}, so this computer animates", remedy=remedy or _SEE)

    @property
    def neutral(self) -> str:
        """The neutral pose that the host found, else the local one."""
        return self._link.news.neutral or super().neutral

    def ask_to_end(self) -> None:
        """Have the threads leave at their next step."""
        self._link.ask_to_end()
        super().ask_to_end()

    def close(self, timeout_s: float) -> None:
        """End link and loop, and let go of the rings."""
        self._sink.close()
        self._link.close(_LINK_SECONDS)
        super().close(timeout_s)

    # --- the link's thread ---

    def _show(self, picture: UInt8Array, captured_ns: int) -> None:
        self._sink.show_remote(picture, captured_ns)
        self._shown.shown(captured_ns, now_ns())

    # --- the local loop's thread ---

    def _switch(self, is_remote: bool) -> None:
        neutral = self._link.news.neutral
        if not is_remote and neutral:
            self._loop.requests.take_neutral(neutral)
        logger.info("filter %s: %s animates", self.filter_id, self._address if is_remote else "this computer")
        self._hide_local()

    def _hide_local(self) -> None:
        self._loop.requests.act("hide" if self._is_hidden or self._sink.is_remote else "show")

    def _send_character(self) -> None:
        try:
            path = self._library.path(self._settings.character or self._preferred or self._first())
            self._link.show(self._settings, PictureFile.read(path))
            self._unsendable = None
        except AnimatorError as exc:
            self._unsendable = exc
        self._sink.is_refused = self._unsendable is not None

    def _first(self) -> str:
        return next((entry.file for entry in self._library.list()), "")


def _local(settings: AnimationSettings) -> AnimationSettings:
    """Return the settings of the loop that stands in: the graphics card is the game's."""
    return dataclasses.replace(settings, renderer=_LOCAL_RENDERER)
