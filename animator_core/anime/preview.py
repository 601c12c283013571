"""How a character's face would be moved at a place of the head, quickly enough to be seen while the place is chosen."""

from __future__ import annotations

import numpy as np
import torch

from animator_core.anime.contact_sheet import over_grey
from animator_core.anime.network_picture import linear_light, sampled
from animator_core.anime.networks.chain import FACE, AnimeNetworks
from animator_core.anime.placing import refined
from animator_core.anime.response import POSES, drawn_faces, response_of
from animator_core.arrays import UInt8Array
from animator_core.characters.head_picker import Preview
from animator_core.characters.head_place import HeadPlace


class FacePreview:
    """Previews of one character; picture: (H, W, 4) uint8 RGBA, straight alpha, its background transparent."""

    def __init__(self, networks: AnimeNetworks, picture: UInt8Array) -> None:
        self._networks = networks
        self._linear = linear_light(picture)

    def at(self, place: HeadPlace) -> Preview:
        """Return the face at rest, with an eye closed and with the mouth open; takes a second on a processor."""
        drawn = drawn_faces(self._networks, sampled(self._linear, place, FACE), poses=POSES)
        response = response_of(drawn)
        if response is None or not response.is_face:
            verdict = "The networks find no eyes here."
        elif not response.has_mouth:
            verdict = "Both eyes close, the mouth does not open."
        else:
            verdict = "Both eyes close, the mouth opens."
        rest, _, wink, mouth = (over_grey(torch.from_numpy(each)[None]) for each in drawn)
        return Preview(place, np.vstack([rest, wink, mouth]), verdict)

    def improved(self, place: HeadPlace) -> HeadPlace | None:
        """Return the place near ``place`` that suits the networks best, None if they find no eyes there."""
        found = refined(self._networks, self._linear, place)
        return None if found is None else found[0]
