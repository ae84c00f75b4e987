"""The site as it is built and read: it warns of undocumented names, its pages fit wide and narrow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.report.chromium import Chromium, find_chromium

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("ma_ssm_env", "policies", "baselines", "benchmarks", "tests", "docs")
FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md")
# Every page that is written by hand, and some of those that are made.
PAGES = (
    *(f"{path.stem}.html" for path in sorted((ROOT / "docs").glob("*.md"))),
    "scenarios/index.html",
    "scenarios/HumanoidDir-v0.html",
    "api/index.html",
    "api/ma_ssm_env.html",
    "api/policies.cores.html",
)
CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium is installed; on Debian: apt-get install chromium"
    ),
]

# What reaches beyond the right edge of the window, unless it lies in something of the page that scrolls.
STICKS_OUT = """(() => {
  const edge = document.documentElement.clientWidth + 1;
  const scrolls = e => { for (let p = e.parentElement; p && p.tagName !== "ARTICLE"; p = p.parentElement)
    if (/auto|scroll|hidden/.test(getComputedStyle(p).overflowX)) return true; return false; };
  const out = [...document.querySelectorAll("article *")].filter(e => { const b = e.getBoundingClientRect();
    return b.width && b.right > edge && !scrolls(e); })
    .map(e => e.tagName + ": " + e.textContent.slice(0, 40));
  if (document.documentElement.scrollWidth > edge) out.push("the page itself");
  return out.slice(0, 5); })()"""
# Text of too little contrast (4.5 to 1) or below 10 pixels.
UNREADABLE = """(() => {
  const parts = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (let p = e; p; p = p.parentElement) {
    const c = parts(getComputedStyle(p).backgroundColor);
    if (c[3] > .9) return c; } return [255, 255, 255]; };
  const walk = document.createTreeWalker(document.querySelector(".page"), NodeFilter.SHOW_TEXT), out = [];
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, s = getComputedStyle(e);
    if (!walk.currentNode.data.trim() || !e.getClientRects().length || s.visibility === "hidden"
      || e.closest(".headerlink, .visually-hidden, svg")) continue;
    const [a, b] = [light(parts(s.color)), light(behind(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5 || parseFloat(s.fontSize) < 10)
      out.push(`${walk.currentNode.data.trim().slice(0, 30)}: ${ratio.toFixed(1)}, ${s.fontSize}`);
  }
  return [...new Set(out)].slice(0, 5); })()"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, str]:
    """The site of a copy of the tree in which one name is not documented, and what the build said."""
    folder = tmp_path_factory.mktemp("tree")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    (folder / "policies" / "bare.py").write_text(
        '"""A module."""\n\n\ndef undocumented() -> None:\n    pass\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-b", "html", "docs", "site"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    return folder / "site", done.stderr


@pytest.fixture(scope="module")
def browser():
    with Chromium(CHROMIUM) as browser:
        yield browser


def test_the_build_warns_of_the_undocumented_name_and_of_nothing_else(built: tuple[Path, str]) -> None:
    said = [line for line in built[1].splitlines() if line.strip()]
    assert len(said) == 1, built[1]
    assert "WARNING: undocumented: policies/bare.py:4: undocumented: no docstring" in said[0]


def test_every_page_is_in_the_navigation(built: tuple[Path, str]) -> None:
    index = (built[0] / "index.html").read_text()
    sidebar = index.partition('class="sidebar-tree"')[2].partition("</aside>")[0]
    for page in PAGES:
        if page != "index.html" and page.count("/") == 0:
            assert f'href="{page}"' in sidebar, page


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (400, False)])
def test_pages_fit_and_can_be_read(built: tuple[Path, str], browser, width: int, dark: bool) -> None:
    found = {}
    for page in PAGES:
        browser.errors.clear()
        browser.requests.clear()
        browser.open(built[0] / page, width=width, dark=dark)
        fetched = [url for url in browser.requests if not url.startswith("file:")]
        wrong = [*browser.evaluate(STICKS_OUT), *browser.evaluate(UNREADABLE), *browser.errors, *fetched]
        if wrong:
            found[page] = wrong
    assert found == {}
