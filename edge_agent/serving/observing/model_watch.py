"""What a model tells of its life: for whoever counts it, and for the audit trail."""

from __future__ import annotations

import re

from edge_agent.serving.auditing.audit import Audit
from edge_agent.serving.observing.counts import ModelCounts, VersionCounts

#: what stands in a cause of failure, and the word by which restarts are counted; the name of a signal is its own word
_CAUSES = (("killed by signal", "signal"), ("it hung", "hung"), ("exited with", "exited"), ("not ready after", "late"))
_SIGNAL = re.compile(r"killed by (SIG[A-Z0-9]+)")


class ModelWatch:
    """One model's."""

    def __init__(self, name: str, counts: ModelCounts | None, audit: Audit | None) -> None:
        self._name, self._counts, self._audit = name, counts, audit
        self._seen: tuple[str, str] = ("", "")  # version and digest of what was there last
        self._problem = ""

    def _note(self, event: str, **content: str) -> None:
        if self._audit is not None:
            self._audit.note(event, model=self._name, **content)

    def found(self, version: str, digest: str, signer: str, problem: str) -> None:
        """Take note of what the catalogue has: a version ("" for none) and what is wrong with others."""
        if self._audit is None:
            return
        if (version, digest) != self._seen:
            self._seen = version, digest
            if version:
                signed = {"signer": signer} if signer else {}
                self._note("version came", version=version, manifest_sha256=digest, **signed)
            else:
                self._note("no version left")
        if problem != self._problem:
            self._problem = problem
            if problem:
                self._note("version refused", details=problem)

    def counts_of(self, version: str) -> VersionCounts | None:
        """Give what is counted of a version whose workers are started; None where nobody counts."""
        return None if self._counts is None else self._counts.version(version)

    def serves(self, version: str, before: str = "") -> None:
        """Take note that calls go to this version from now on, and no more to the one before it, if there was one."""
        if self._counts is not None:
            self._counts.served = self._counts.version(version)
        if before:
            self._note("changed over", version=version, before=before)
        else:
            self._note("running", version=version)

    def failed(self, cause: str) -> None:
        """Take note that the model has failed."""
        self._note("failed", details=cause)

    def restarts(self, cause: str) -> None:
        """Take note that the model is started again by itself, and why it had failed."""
        if self._counts is not None:
            self._counts.restarts[kind_of(cause)] += 1


def kind_of(cause: str) -> str:
    """Return one of few words for why a model failed."""
    found = _SIGNAL.search(cause)
    if found:
        return found[1]
    return next((word for text, word in _CAUSES if text in cause), "failed")
