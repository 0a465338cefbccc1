"""The pages: the README stays short, every page is listed in it, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.support.program import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("data/*.md")])
README = ROOT / "README.md"


def links(page: Path) -> list[str]:
    """The targets of a page's links and pictures, but for those of the web."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_lists_every_page() -> None:
    assert len(README.read_text().splitlines()) <= 300
    listed = README.read_text().partition("## All pages")[2]
    assert set(re.findall(r"^\| \[docs/(\w+\.md)\]", listed, re.MULTILINE)) == {
        page.name for page in ROOT.glob("docs/*.md")
    }
