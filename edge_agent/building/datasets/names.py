"""Which class names mean normal and which anomaly: the two words, and what a user says beside them."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL

Label = Literal["normal", "anomaly"]

# Words that are proposed, never taken: in English, German and Chinese, as inspection stations write them.
_GOOD_WORDS = """
    ok, okay, good, pass, passed, passing, normals, fine, perfect, accept, accepted, clean, intact, undamaged,
    faultless, non-defective, nondefective, non defective, no defect, no_defect, nodefect, defect-free, defect free,
    no box, no class,
    gut, in ordnung, io, i.o., i.o, fehlerfrei, gutteil, gutteile, normalteil,
    正常, 正常品, 良品, 良, 合格, 合格品, 好, 好品, 良好, 无缺陷, 無缺陷, 无瑕疵, 無瑕疵, 通过, 通過
"""
_BAD_WORDS = """
    ng, nok, ko, bad, fail, failed, failing, not ok, not_ok, notok, not good, unacceptable, scrap,
    defect, defects, defective, anomalous, anomalies, abnormal, abnormals, fault, faulty, damage, damaged, broken,
    reject, rejected, rejects,
    nio, n.i.o., n.i.o, nicht in ordnung, schlecht, fehler, fehlerhaft, defekt, ausschuss, schlechtteil, schlechtteile,
    anomalie, anomalien,
    不良, 不良品, 异常, 異常, 缺陷, 瑕疵, 有缺陷, 不合格, 不合格品, 次品, 坏, 壞, 坏品, 不通过, 不通過, 故障
"""
_GOOD, _BAD = (frozenset(word.strip() for word in words.split(",")) for words in (_GOOD_WORDS, _BAD_WORDS))
_MOST_SHOWN = 8


class Names(NamedTuple):
    """The names that a user gave for each label, as `key` writes them; normal and anomaly are known without."""

    normal: frozenset[str] = frozenset()
    anomaly: frozenset[str] = frozenset()

    def label(self, name: str) -> Label | None:
        """Give what a class name means, or None."""
        wanted = key(name)
        if wanted in self.normal or wanted == NORMAL:
            return NORMAL
        return ANOMALY if wanted in self.anomaly or wanted == ANOMALY else None

    def unused(self, met: Collection[str]) -> list[str]:
        """List the names that are not among those that were met, as `key` writes them."""
        known = self.normal | self.anomaly
        whole = {name for name in known if "," in name and name not in met}
        return sorted(name for name in known - whole if name not in met)


def key(name: str) -> str:
    """Write a name as names are compared: without case, surplus blanks, and ways of writing accents."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", name)).strip().casefold()


def names_of(normal: Iterable[str], anomaly: Iterable[str]) -> Names:
    """Make names of what a user typed: NAME or NAME,NAME.

    Raises:
        ValueError: a name is on both sides; the text names it.
    """
    sides = [_split(normal), _split(anomaly)]
    for both in sides[0] & sides[1]:
        raise ValueError(f"'{both}' can't be normal and anomaly")
    for side, other in ((sides[0], ANOMALY), (sides[1], NORMAL)):
        if other in side:
            raise ValueError(f"'{other}' means {other} already")
    return Names(sides[0], sides[1])


def _split(texts: Iterable[str]) -> frozenset[str]:
    found = set()
    for text in texts:
        # A name may have a comma in it.
        found |= {key(part) for part in (text, *text.split(",")) if part.strip()}
    return frozenset(found)


class Proposal(NamedTuple):
    """The options that would say what names mean; `is_guess` where they could be typed as they stand."""

    options: str
    is_guess: bool


def propose(unknown: Iterable[str], *, normal: bool, anomaly: bool) -> Proposal | None:
    """Propose what unknown names mean; `normal` and `anomaly` tell whether that side is known already."""
    names = list({key(name): name.strip() for name in unknown if name.strip()}.values())
    good = [name for name in names if key(name) in _GOOD]
    bad = [name for name in names if key(name) in _BAD]
    rest = [name for name in names if name not in good and name not in bad]
    # What is beside good ones and is no word that is known is a kind of defect.
    if rest and (normal or good):
        bad += rest
    elif rest and not names_are_few(rest):
        return Proposal("--normal NAME,… --anomaly NAME,…", False)
    elif rest:
        shown = " or ".join(f"--normal {_typed([name])}" for name in rest)
        other = " or ".join(f"--anomaly {_typed([name])}" for name in rest)
        return Proposal(f"{shown}, {'and' if len(rest) > 1 else 'or'} {other}", False)
    parts = [f"--{side} {_typed(found)}" for side, found in ((NORMAL, good), (ANOMALY, bad)) if found]
    return Proposal(" ".join(parts), True) if parts else None


def names_are_few(names: list[str]) -> bool:
    """Tell whether names can be listed in a sentence."""
    return len(names) <= _MOST_SHOWN


def _typed(names: list[str]) -> str:
    text = ",".join(names)
    # shlex.quote would quote all that is not ASCII, which no shell needs.
    return shlex.quote(text) if re.search(r"[\s'\"\\$`&|;<>()*?\[\]{}#!~^]", text) else text


def is_known_word(name: str) -> bool:
    """Tell whether a name is a usual word for good or bad parts, or one of the two labels."""
    wanted = key(name)
    return wanted in _GOOD or wanted in _BAD or wanted == ANOMALY
