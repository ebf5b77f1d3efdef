"""Whether the trail of who did what is written on this device, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.serving.auditing.files import parts, read_head
from edge_agent.serving.auditing.reading import verify
from edge_agent.settings import Settings

_CHECK = "audit trail"


def examine_audit(settings: Settings) -> Iterator[Finding]:
    """Look at the audit trail of a daemon with these settings."""
    if settings.audit == "off":
        yield Finding(Verdict.NOTE, _CHECK, "who starts and stops models is not written down", 'set audit = "on"')
        return
    folder = Path(settings.state_dir)
    try:
        if not parts(folder) and read_head(folder) is None:
            yield Finding(Verdict.OK, _CHECK, f"none yet in {folder}")
            return
        found = verify(folder)
    except PermissionError as error:
        yield Finding(
            Verdict.NOTE,
            _CHECK,
            f"{error.filename or folder} can't be read: {describe_refusal(error)}",
            "see operation.md",
        )
        return
    except OSError as error:
        yield Finding(
            Verdict.NOTE, _CHECK, f"the trail in {folder} can't be read ({describe_refusal(error)})", "see operation.md"
        )
        return
    if found.problems:
        more = f", and {len(found.problems) - 1} more" if len(found.problems) > 1 else ""
        yield Finding(Verdict.NOTE, _CHECK, f"not whole: {found.problems[0]}{more}", "edge-agent audit verify")
        return
    gaps = f", {found.gaps} of them tell of others that could not be written" if found.gaps else ""
    yield Finding(Verdict.OK, _CHECK, f"whole: entries {found.first} to {found.last}{gaps}")
