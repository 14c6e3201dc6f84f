"""What the how-to page says of deploying is what is in ``deploy/``."""

from __future__ import annotations

import re
from typing import Final

from oxmq.kubernetes import cluster
from tests.deploy.commands import AFTERWARDS
from tests.deploy.manifests import DEPLOY

TEXT: Final = (DEPLOY.parent / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")


def test_it_says_for_how_long_to_wait_beyond_the_grace_period() -> None:
    assert f"`--grace` + {AFTERWARDS:g} s" in TEXT


def test_it_shows_the_example_as_it_is() -> None:
    (shown,) = re.findall(r"```dockerfile\n(.+?)```", TEXT, re.DOTALL)
    lines = (DEPLOY / "example" / "Dockerfile").read_text().splitlines(keepends=True)
    assert "".join(line for line in lines if not line.startswith("#")) == shown


def test_it_explains_every_right() -> None:
    table = TEXT.partition("### Rights")[2].partition("### Probes")[0]
    for _, resource, verb in (*cluster.RIGHTS, *cluster.OWN_POD_RIGHTS):
        (row,) = [row for row in table.splitlines() if re.search(rf"`{verb}`[^|]*?{resource}\b(?!/)", row)]
        assert row.startswith("|")


def test_what_it_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("https://") or (DEPLOY.parent / "docs" / "how-to" / target).exists(), target
