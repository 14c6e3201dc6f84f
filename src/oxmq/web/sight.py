"""Say which jobs somebody may see who looks at another: parents and children may be in other queues."""

from __future__ import annotations

from oxmq.monitor.job_refs import JobRef, MaySee, see_all
from oxmq.monitor.site import Site
from oxmq.web.access import Grant


def sight_of(grant: Grant, site: Site) -> MaySee:
    """Return what tells of a job whether a grant reaches it."""
    if grant.queues is None:
        return see_all

    def may_see(ref: JobRef) -> bool:
        return ref.prefix == site.prefix and grant.covers(ref.queue)

    return may_see
