"""Which pictures are kept: the setting `keep`, a list of rules of which the first that fits gives the kind."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from edge_agent.errors import SettingsError
from edge_agent.inference.verdict import Verdict

#: stands where a picture's name would, when it should have been kept and could not be
SKIPPED = "!"

_KINDS = ("asked", "anomalous", "near", "normal")
#: which is known only when the shadow model has judged, and does not ask for what else the picture is kept
DISAGREEMENT = "disagreement"

_EXPECTED = (
    "expected asked, anomalous, disagreement, near=0.05 (score so close to the threshold) or normal=100 (every 100th)"
)


class KeepRules(msgspec.Struct, frozen=True, array_like=True):
    """What is kept. Each rule that is set is a kind of pictures with room of its own."""

    asked: bool = False
    anomalous: bool = False
    #: how close to the threshold a score has to be; 0: closeness does not count
    near: float = 0.0
    #: every so many-th of the normal pictures; 0: none
    normal: int = 0
    #: those of which a shadow model says otherwise
    disagreement: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of pictures that are kept."""
        return tuple(kind for kind in (*_KINDS, DISAGREEMENT) if getattr(self, kind))

    def kind_of(self, verdict: Verdict, *, asked: bool, normals: int) -> str:
        """Return as which kind a picture is kept, "" for not at all; `normals` counts normal ones, itself included."""
        if asked and self.asked:
            return "asked"
        if self.near and abs(verdict.score - verdict.threshold) <= self.near:
            return "near"
        if verdict.is_anomalous:
            return "anomalous" if self.anomalous else ""
        return "normal" if self.normal and normals % self.normal == 0 else ""


def parse_rules(texts: Iterable[str]) -> KeepRules:
    """Read the setting `keep`.

    Raises:
        SettingsError: a rule is not one, or stands twice.
    """
    found: dict[str, bool | float | int] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name in found:
            raise SettingsError(f"rule '{name}' stands twice in the setting 'keep'")
        if text in ("asked", "anomalous", DISAGREEMENT):
            found[name] = True
        elif name == "near" and re.fullmatch(r"0?\.\d+", value) and float(value) > 0:
            found[name] = float(value)
        elif name == "normal" and re.fullmatch(r"[1-9]\d{0,8}", value):
            found[name] = int(value)
        else:
            raise SettingsError(f"'{text}' in the setting 'keep' is not a rule, {_EXPECTED}")
    return KeepRules(**found)  # type: ignore[arg-type]  # each by its own branch
