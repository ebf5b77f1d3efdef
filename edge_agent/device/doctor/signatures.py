"""Whether signatures are checked on this device, with which keys, and whether others could get round them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from edge_agent.component.trust import Trust
from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.errors import SettingsError
from edge_agent.settings import Settings

_CHECK = "signatures"
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def examine_signatures(settings: Settings) -> tuple[Trust, list[Finding]]:
    """Return whom these settings trust, and what is to be said of it; nothing where they say nothing of signatures."""
    try:
        trust = Trust.of(settings)
    except SettingsError as error:
        remedy = "name PEM files of Ed25519 public keys in trusted_key (docs/security.md)"
        return Trust(), [Finding(Verdict.WRONG, _CHECK, str(error), remedy)]
    if not trust.keys:
        return trust, []
    findings = [Finding(Verdict.OK, _CHECK, str(trust))]
    if trust.required:
        decisive = [*_keys(settings), Path(settings.state_dir), settings.plans]
        findings += [
            Finding(Verdict.NOTE, _CHECK, f"{path} can be changed by others than its owner", f"chmod go-w {path}")
            for path in dict.fromkeys(decisive)
            if _is_open(path)
        ]
    return trust, findings


def _keys(settings: Settings) -> Iterator[Path]:
    """Give what somebody would change who wants his own key trusted, or what was built here replaced."""
    for name in settings.trusted_key:
        path = Path(name)
        yield path
        yield from sorted(path.glob("*.pem")) if path.is_dir() else [path.parent]


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:  # not there yet
        return False
