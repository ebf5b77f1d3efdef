"""Pictures without a label: why, how many of each kind, and whether a whole side is lost with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.names import Label, propose
from edge_agent.building.datasets.reasons import Reason, Weight, grouped

#: nobody said anything of these pictures, or only a model did, so nothing that was said is lost
_UNSAID = ("no-label", "class-detected")


def weighed(whys: Sequence[Reason], labels: Collection[Label | None]) -> list[Reason]:
    """Group the reasons of pictures without a label; `labels` are those that the others have.

    When all pictures of a side are lost it is a problem: a model of the rest would be one that the user did not mean.
    """
    groups = grouped(whys)
    lost = not {NORMAL, ANOMALY} <= set(labels) and any(group.code not in _UNSAID for group in groups)
    weight: Weight = "problem" if lost else "note"
    found = [group._replace(weight="note" if group.code in _UNSAID else weight) for group in groups]
    unknown = [group.value for group in groups if group.code == "class-unknown"]
    proposal = propose(unknown, normal=NORMAL in labels, anomaly=ANOMALY in labels)
    options = proposal.options if proposal else ""
    code = "names-none" if proposal is None else "names-proposed" if proposal.is_guess else "names-needed"
    if lost:
        sides = [name for name in (NORMAL, ANOMALY) if name not in labels]
        facts = {"sides": " or ".join(sides)}
        found.append(Reason(f"side-lost-{code}", "problem", options, facts=facts))
    elif proposal:
        found.append(Reason(code, "note", options))
    return found
