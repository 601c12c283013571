"""How a character's picture is moved in its frame, and the background and label that it gets."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from dataclasses import dataclass

from animator_core.ipc.face_settings import Range

FRAMING_RANGES = {
    "zoom": Range(default=1.0, least=0.25, most=4.0),
    "offset_x": Range(default=0.0, least=-1.0, most=1.0),
    "offset_y": Range(default=0.0, least=-1.0, most=1.0),
    "rotation": Range(default=0.0, least=-180.0, most=180.0),
}
"""The numbers of `Framing` by name."""
BACKGROUNDS = ("picture", "color")
DEFAULT_COLOR = 0xFF00FF00
"""Green, as a green screen; ``0xAABBGGRR`` like every colour of OBS."""


@dataclass(frozen=True)
class Framing:
    """zoom: factor of the size. offset_x, offset_y: shares of the frame's width and height to the right and up.

    rotation: degrees clockwise, about the middle of the picture.
    """

    zoom: float = 1.0
    offset_x: float = 0.0
    offset_y: float = 0.0
    rotation: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Whether the picture stays where `drawing.fit_picture` puts it."""
        return self == Framing()


@dataclass(frozen=True)
class Look:
    """All that is drawn into the frame beside the picture as it is.

    background: one of `BACKGROUNDS`: the picture's own, which may be transparent, or a colour. color: that colour,
    ``0xAABBGGRR``; its alpha is ignored. has_label: whether a label says that the picture is animated.
    """

    framing: Framing = Framing()
    background: str = "picture"
    color: int = DEFAULT_COLOR
    has_label: bool = False
