"""What measuring has said of a project's models."""

from __future__ import annotations

from edge_agent.studio.jobs.kinds import EVALUATION
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.store.models import Measurement

#: measurements that are looked at; older ones are of versions that nobody compares any more
_MOST = 100


def measurements(jobs: Jobs, project: str) -> dict[str, Measurement]:
    """Give the newest measurement of each version that has one."""
    found: dict[str, Measurement] = {}
    for job in jobs.of_kind(project, EVALUATION, limit=_MOST):
        about = jobs.about(job.id)
        if job.state != "done" or about["version"] in found:
            continue
        result = jobs.result(job.id)
        said = result.get("EdgeAgent") if isinstance(result, dict) else None
        taken = said.get("MillisecondsPerPicture") if isinstance(said, dict) else None
        found[about["version"]] = Measurement(job.id, about.get("part", ""), taken)
    return found
