"""Changed copies of pictures and of their classes."""

from __future__ import annotations

import numpy as np

from edge_agent.building.training.segmentation.augmentation import augment


def test_a_label_moves_with_what_it_marks() -> None:
    """However a picture is turned, the middle of its marked square stays the middle of the label."""
    rng = np.random.default_rng(0)
    classes = np.zeros((80, 96), np.uint8)
    classes[30:50, 40:60] = 1
    marked = np.repeat(np.repeat(classes, 2, axis=0), 2, axis=1)[..., None]
    picture = np.repeat(marked * np.uint8(200) + np.uint8(20), 3, axis=2)
    beside = []
    for _ in range(50):
        moved, labels = augment(picture, classes, rng)
        assert (moved.shape, labels.shape) == ((160, 192, 3), (80, 96))
        brightness = moved.mean(axis=2)
        shown, found = (np.argwhere(plane) for plane in (brightness > brightness.mean(), labels))
        if len(found) > 200:  # not at the rim, where it is cut off
            # In the input's pixels, of which a label's is two; the middle of the first is at a half.
            beside.append((shown.mean(axis=0) + 0.5) - 2 * (found.mean(axis=0) + 0.5))
    assert len(beside) > 30
    assert np.sqrt(np.mean(np.square(beside), axis=0)).max() < 0.25
