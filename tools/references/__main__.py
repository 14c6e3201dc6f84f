"""Write all pages, or say which are not what would be written."""

from __future__ import annotations

import sys

from tools.page_part import keep
from tools.references.roster import PAGES

if __name__ == "__main__":
    sys.exit(max([keep(page.file, page.tool, page.part(), sys.argv[1:]) for page in PAGES]))
