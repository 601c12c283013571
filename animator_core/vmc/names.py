"""The names of facial movements: ARKit's 52 blendshapes, and VRM's presets made of them."""

from __future__ import annotations

from collections.abc import Mapping

_PAIRS = (
    "browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp",
    "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch",
    "mouthUpperUp", "noseSneer",
)  # fmt: skip
_SINGLE = (
    "browInnerUp", "cheekPuff", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel",
    "mouthLeft", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", "tongueOut",
)  # fmt: skip
ARKIT = (*_SINGLE, *(f"{name}{side}" for name in _PAIRS for side in ("Left", "Right")))
"""All 52; left and right are the person's own. "Perfect Sync" avatars have the same names, the first letter large."""

Scores = Mapping[str, float]


def _both(name: str, score: float) -> dict[str, float]:
    return {f"{name}Left": score, f"{name}Right": score}


_PRESETS: Mapping[str, Scores] = {
    "a": {"jawOpen": 0.7},
    "i": {"jawOpen": 0.15, **_both("mouthStretch", 0.5)},
    "u": {"jawOpen": 0.15, "mouthPucker": 0.8},
    "e": {"jawOpen": 0.3, **_both("mouthStretch", 0.4)},
    "o": {"jawOpen": 0.5, "mouthFunnel": 0.6},
    "blink": _both("eyeBlink", 1.0),
    "blink_l": {"eyeBlinkLeft": 1.0},
    "blink_r": {"eyeBlinkRight": 1.0},
    "joy": {**_both("mouthSmile", 0.8), **_both("cheekSquint", 0.4)},
    "angry": {**_both("browDown", 0.8), **_both("mouthFrown", 0.3)},
    "sorrow": {"browInnerUp": 0.7, **_both("mouthFrown", 0.5)},
    "fun": _both("mouthSmile", 0.5),
    "surprised": {"browInnerUp": 0.6, "jawOpen": 0.2, **_both("browOuterUp", 0.6), **_both("eyeWide", 0.8)},
    "lookup": _both("eyeLookUp", 1.0),
    "lookdown": _both("eyeLookDown", 1.0),
    "lookleft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookright": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
}
"""VRM 0's presets, in small letters, as ARKit's movements of about the same look."""
_VRM_1 = {
    "aa": "a", "ih": "i", "ou": "u", "ee": "e", "oh": "o", "blinkleft": "blink_l", "blinkright": "blink_r",
    "happy": "joy", "sad": "sorrow", "relaxed": "fun",
}  # fmt: skip
_ARKIT_BY_SMALL_NAME = {name.lower(): name for name in ARKIT}


def known_name(name: str) -> str | None:
    """Return ARKit's name for a name in any case, a VRM 0 preset in small letters, or None for any other name."""
    small = name.lower()
    preset = _VRM_1.get(small, small)
    return _ARKIT_BY_SMALL_NAME.get(small) or (preset if preset in _PRESETS else None)


def arkit_scores(values: Scores) -> dict[str, float]:
    """Return ARKit's scores of values by `known_name`; presets count only where no movement of ARKit's is there.

    Senders with Perfect Sync send the presets as well, which say the same once more.
    """
    scores = {name: value for name, value in values.items() if name not in _PRESETS}
    if scores:
        return scores
    for name, value in values.items():
        for movement, share in _PRESETS[name].items():
            scores[movement] = max(scores.get(movement, 0.0), share * value)
    return scores


def vrm_presets(scores: Scores) -> dict[str, float]:
    """Return VRM 0's vowel and blink presets of ARKit's scores, for avatars that have no more."""
    jaw, pucker, funnel = (scores.get(name, 0.0) for name in ("jawOpen", "mouthPucker", "mouthFunnel"))
    left, right = scores.get("eyeBlinkLeft", 0.0), scores.get("eyeBlinkRight", 0.0)
    rounded = min(1.0, max(pucker, funnel))
    return {
        "A": jaw * (1 - rounded),
        "O": jaw * rounded,
        "U": rounded * (1 - jaw),
        "Joy": (scores.get("mouthSmileLeft", 0.0) + scores.get("mouthSmileRight", 0.0)) / 2,
        "Blink_L": left,
        "Blink_R": right,
    }
