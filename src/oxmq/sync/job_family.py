# Written by tools/unasync.py from oxmq/client/job_family.py; change that file, not this one.
"""Know a job's parent and children."""

from __future__ import annotations

from typing import Any

from oxmq.codec import decode_json_or
from oxmq.ops import families
from oxmq.records import ChildKind, Dependencies
from oxmq.sync.job_view import JobView
from oxmq.sync.removal import remove_unprocessed_children


class JobFamily(JobView):
    """Show what became of a job's children, and cut ties.

    Children are named by their keys, ``prefix:queue:id``.
    """

    __slots__ = ()

    def get_children_values(self) -> dict[str, Any]:
        """Return the results of the children that have completed, by the child's key."""
        stored = self._context.runner.run(families.get_values(self.key, "processed"))
        return {child_key: decode_json_or(value, None) for child_key, value in stored.items()}

    def children_values(self) -> dict[str, Any]:
        """Return the results of the children that have completed: `get_children_values` in fewer words."""
        return self.get_children_values()

    def get_ignored_children_failures(self) -> dict[str, str]:
        """Return why children failed whose failure did not stop this job, by the child's key."""
        stored = self._context.runner.run(families.get_values(self.key, "failed"))
        return {child_key: reason.decode() for child_key, reason in stored.items()}

    def get_failed_children(self) -> list[str]:
        """Return the keys of the children for whose failure this job fails."""
        return self._context.runner.run(families.get_unsuccessful(self.key))

    def get_dependencies(self) -> Dependencies:
        """Return all children, by what became of them."""
        return Dependencies(
            processed=self.get_children_values(),
            unprocessed=self._context.runner.run(families.get_pending(self.key)),
            ignored=self.get_ignored_children_failures(),
            failed=self.get_failed_children(),
        )

    def get_dependencies_page(self, kind: ChildKind, cursor: int = 0, count: int = 20) -> tuple[dict[str, Any], int]:
        """Return some of the children that are ``processed``, ``unprocessed``, ``ignored`` or ``failed``.

        Args:
            cursor: 0 at first, then what the last call returned; the order is the server's.
            count: about how many to return.

        Returns:
            The children, by key (with result or reason where there is one, else None), and the next cursor: 0 at the
            end. A child may be returned twice while children come and go.
        """
        found, following = self._context.runner.run(families.get_page(self.key, kind, cursor, count))
        if kind == "processed":
            return {child_key: decode_json_or(value, None) for child_key, value in found.items()}, following
        return {child_key: value.decode() if value else None for child_key, value in found.items()}, following

    def get_dependencies_count(self) -> dict[str, int]:
        """Count the children that are ``processed``, ``unprocessed``, ``ignored`` and ``failed``, at one moment."""
        return self._context.runner.run(families.count(self._context.keys, self.id))

    def remove_child_dependency(self) -> bool:
        """Let the parent no longer wait for this job; return whether it did.

        Raises:
            JobNotFoundError: the job is gone.
            ParentNotFoundError: it has no parent, or the parent is gone.
        """
        call = families.remove_dependency(self._context.keys, self.id, self.parent_key or "")
        cut = self._context.runner.run(call)
        if cut:
            self._record.parent_key = None
        return cut

    def remove_unprocessed_children(self) -> None:
        """Remove the children that have not begun, and theirs. Raises `JobNotFoundError` when the job is gone."""
        remove_unprocessed_children(self._context, self.id)
