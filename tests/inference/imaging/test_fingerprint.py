"""Fingerprints are stored with models: how they are worked out may change, they may not."""

from __future__ import annotations

import cv2
import numpy as np

from edge_agent.inference.imaging.fingerprint import fingerprint


def test_a_fingerprint_is_of_the_mean_of_red_green_and_blue() -> None:
    rng = np.random.default_rng(0)
    for size in ((1200, 1600), (37, 51), (240, 320)):
        picture = rng.integers(0, 256, (*size, 3), np.uint8)
        small = cv2.resize(picture.astype(np.float32).mean(axis=2), (17, 16), interpolation=cv2.INTER_AREA)
        assert fingerprint(picture) == np.packbits(small[:, 1:] > small[:, :-1]).tobytes()
    assert fingerprint(np.full((64, 64, 3), 255, np.uint8)) == bytes(32)
