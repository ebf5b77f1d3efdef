"""Whether the camera sees what it should: from a sample of the pictures that a model is sent.

Compared is with the training pictures, or, where the component does not say how those look, with the first ones that
came. Of a picture that is looked at some rows are copied before the answer, and measured after it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from typing import NamedTuple

import numpy as np

from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.appearance import TRAINED, Look, compare, summarize
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8, Pixels
from edge_agent.inference.imaging.sight import Sight, copy_rows, measure, summarize_sharpness
from edge_agent.records.condition.notice import CameraState
from edge_agent.serving.workers.messages import Baseline

_SAMPLES = 8  # the last ones are judged together
_ENOUGH = 4  # are needed for a word
_REST = 0.5  # seconds until the next look, once there are as many
_CALM = 10.0  # seconds until a word is taken back: one of two cameras may be wrong, and its parts come now and then
#: A picture without light: dark all over. The spots of a dark field are brighter, and deviate.
_BLACK_MEAN, _BLACK_DEVIATION = 8.0, 4.0
#: So many pictures, the same to the last bit in all rows that are looked at, over so many seconds. No two shots of a
#: camera that works are the same, since its sensor has noise, not even of a part that stands still. Who sends a stored
#: picture again and again, to test or to measure, does it less often, or for a shorter time.
_SAME, _SAME_SECONDS = 20, 10.0
#: Edges twice as wide as those of training, and off by more than its pictures differ by (spreads of the logarithm).
_BLURRED_SHARE, _BLURRED_SPREADS = 0.5, 3.0
#: pictures that are learned from, where training says nothing
_LEARNED = 100


class Opinion(NamedTuple):
    """How the pictures look, and what a person should know of them; "" for nothing."""

    state: CameraState = "ok"
    text: str = ""
    #: red and blue, by the look of them: the client's doing, not the camera's
    exchanged: bool = False


class CameraWatch:
    """Looks at a picture now and then. `see` is in a call's way, `judge` is not."""

    def __init__(self, manifest: Manifest, learned: Baseline | None) -> None:
        """Compare with what the component says, else with what was `learned`, else learn it."""
        self._image = manifest.image
        known = learned or Baseline()
        self._those = TRAINED if manifest.appearance else "the first ones that came"
        self._appearance = manifest.appearance or known.appearance
        self._sharpness = manifest.sharpness or known.sharpness
        #: what has been learned, once
        self.learned: Baseline | None = None
        self._lessons: list[Sight] | None = None if learned or manifest.appearance else []
        self._rows: U8 | None = None
        self._last: U8 | None = None
        self._sights: deque[Sight] = deque(maxlen=_SAMPLES)
        self._same, self._same_since = 1, 0.0
        self._next = 0.0
        #: what has been seen, when last, and the sentence of the first time: its figures change with every picture
        self._seen: dict[str, tuple[float, Opinion]] = {}
        #: None until enough has been seen
        self.opinion: Opinion | None = None

    def see(self, pixels: Pixels) -> None:
        """Take note of a picture that is about to be inspected; InvalidRequest when it can't be read."""
        if time.monotonic() >= self._next:
            self._rows = copy_rows(pixels, self._image.width, self._image.height)
            if len(self._sights) == _SAMPLES:  # the first ones are looked at one by one
                self._next = time.monotonic() + _REST

    def judge(self) -> None:
        """Measure what was seen, and make up one's mind."""
        rows, self._rows = self._rows, None
        if rows is None:
            return
        now = time.monotonic()
        if self._last is not None and np.array_equal(rows, self._last):
            self._same += 1
        else:
            self._same, self._same_since = 1, now
        self._last = rows
        self._sights.append(measure(rows))
        found = self._compare(now) if len(self._sights) >= _ENOUGH else []
        for kind, opinion in found:
            _, first = self._seen.get(kind, (now, opinion))
            self._seen[kind] = now, first
        self._seen = {kind: seen for kind, seen in self._seen.items() if now - seen[0] < _CALM}
        if len(self._sights) >= _ENOUGH:
            self.opinion = self._together()
        if self._lessons is not None and not self._seen:
            self._learn(self._sights[-1])

    def _together(self) -> Opinion:
        """Put what has been seen into one opinion: the worst state, and all that there is to say."""
        kinds = [kind for kind in _ORDER if kind in self._seen]
        if "black" in kinds:
            kinds = ["black"]  # it is dark, without contrast, and perhaps frozen, too
        opinions = [self._seen[kind][1] for kind in kinds]
        states: list[CameraState] = [opinion.state for opinion in opinions if opinion.state != "ok"]
        text = "; ".join(opinion.text for opinion in opinions)
        return Opinion(states[0] if states else "ok", text, "exchanged" in kinds)

    def _compare(self, now: float) -> list[tuple[str, Opinion]]:
        looks = [sight.look for sight in self._sights]
        if 2 * sum(map(_is_black, looks)) > len(looks) and not self._is_black_usual():
            return [("black", Opinion("black", "the camera gives black pictures"))]
        found: list[tuple[str, Opinion]] = []
        if self._same >= _SAME and now - self._same_since >= _SAME_SECONDS:
            text = "the camera is frozen: the same picture comes again and again"
            found.append(("frozen", Opinion("frozen", text)))
        if self._appearance is not None:
            for unlike in compare(self._appearance, looks, self._those):
                state: CameraState = "ok"
                if unlike.kind == "brightness":
                    state = "dark" if unlike.less else "bright"
                found.append((unlike.kind, Opinion(state, unlike.text)))
        if (text := self._blurred()) and not any(opinion.state == "dark" for _, opinion in found):
            found.append(("blurred", Opinion("blurred", text)))
        return found

    def _is_black_usual(self) -> bool:
        usual = self._appearance
        return usual is not None and _is_black(Look(usual.mean, usual.deviation))

    def _blurred(self) -> str:
        """Say how much less sharp the pictures are; "" where they are as they should be, or that can't be told."""
        found = sorted(sight.sharpness for sight in self._sights if sight.sharpness is not None)
        usual = self._sharpness
        if usual is None or 2 * len(found) <= len(self._sights):
            return ""
        median = found[len(found) // 2]
        if median >= usual.mean * min(_BLURRED_SHARE, math.exp(-_BLURRED_SPREADS * usual.spread)):
            return ""
        return (
            "these pictures are blurred: edges are much wider than in those that the model knows"
            f" (sharpness {median / usual.mean:.0%} of theirs)"
        )

    def _learn(self, sight: Sight) -> None:
        assert self._lessons is not None
        if self._same > 1 or _is_black(sight.look):
            return  # nothing new, or nothing at all
        self._lessons.append(sight)
        if len(self._lessons) >= _LEARNED:
            appearance = summarize([lesson.look for lesson in self._lessons])
            self.learned = Baseline(appearance, summarize_sharpness(self._lessons))
            self._appearance, self._sharpness = appearance, self.learned.sharpness
            self._lessons = None


#: kinds of what may be seen, the worst first
_ORDER = ("black", "frozen", "brightness", "blurred", "exchanged", "contrast")


def _is_black(look: Look) -> bool:
    return sum(look.mean) < CHANNELS * _BLACK_MEAN and sum(look.deviation) < CHANNELS * _BLACK_DEVIATION
