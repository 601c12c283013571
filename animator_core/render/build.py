"""Chooses the renderer that this machine can run."""

from __future__ import annotations

from animator_core.errors import AnimatorError, WeightsError
from animator_core.render.contract import Renderer

RENDERERS = ("auto", "liveportrait", "warp")


def create_renderer(name: str = "auto") -> Renderer:
    """Return a renderer; "auto" takes the best that this machine has.

    Raises WeightsError where "liveportrait" is asked for and cannot be had, AnimatorError for an unknown name.
    """
    from animator_core.render.warp.renderer import WarpRenderer

    if name not in RENDERERS:
        raise AnimatorError(f"renderer {name!r} is unknown; choose one of {', '.join(RENDERERS)}")
    if name == "liveportrait":
        raise WeightsError("the LivePortrait renderer is not part of this release yet; use the warp renderer")
    return WarpRenderer()
