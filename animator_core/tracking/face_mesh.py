"""MediaPipe's legacy FaceMesh, whose models are inside the wheel: it tracks without any download."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.errors import ModelError, loading
from animator_core.tracking.closing import Closer
from animator_core.tracking.observation import FaceObservation


class FaceMeshTracker:
    """Tracks one face with 478 landmarks and no blendshapes; takes about two thirds of the landmarker's time."""

    name = "face_mesh"

    def __init__(
        self, min_detection_confidence: float = 0.5, min_tracking_confidence: float = 0.5, is_static: bool = False
    ) -> None:
        """Load the models; raises ModelError if this mediapipe has none."""
        with loading("mediapipe"):
            from mediapipe.python.solutions.face_mesh import FaceMesh
        try:
            self._mesh = FaceMesh(
                static_image_mode=is_static,
                max_num_faces=1,
                refine_landmarks=True,
                min_detection_confidence=min_detection_confidence,
                min_tracking_confidence=min_tracking_confidence,
            )
        except (RuntimeError, OSError, ValueError) as exc:
            raise ModelError(f"the face mesh cannot be loaded ({exc})", "run install.py again") from exc
        self._close = Closer(self, self._mesh.close)

    def track(self, frame: UInt8Array, captured_ns: int) -> FaceObservation | None:
        """Return the face in ``frame``, (H, W, 3) uint8 RGB, or None."""
        found = self._mesh.process(frame).multi_face_landmarks
        if not found:
            return None
        height, width = frame.shape[:2]
        points = np.array([(p.x * width, p.y * height, p.z * width) for p in found[0].landmark], np.float32)
        return FaceObservation(points, frame_width=width, frame_height=height, captured_ns=captured_ns)

    def close(self) -> None:
        """Free the tracker's models."""
        self._close()
