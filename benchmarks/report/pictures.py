"""Pictures of a report: `python -m benchmarks.report.pictures runs/quick` (needs Chromium)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.chromium import Chromium, ChromiumError, find_chromium
from ma_ssm_env.commands import exit_with
from ma_ssm_env.whole_file import replace_file

WIDTHS = (1280, 400)
FIRST_SCREEN = {1280: 900, 400: 860}


def take(directory: Path, out: Path) -> list[Path]:
    """Pictures of a page: first screen and whole, wide and narrow, light and dark; and its print as PDF.

    Raises:
        ChromiumError: There is no browser, or it failed.
        OSError: There is no page.
    """
    page = directory / "report" / "index.html"
    if not page.is_file():
        raise FileNotFoundError(f"{page}: no page; run `python -m benchmarks.report {directory}` first")
    path = find_chromium()
    if path is None:
        raise ChromiumError("no Chromium is installed; on Debian: apt-get install chromium")
    written = []
    with Chromium(path) as browser:
        for width in WIDTHS:
            for dark in (False, True):
                browser.open(page, width=width, height=FIRST_SCREEN[width], dark=dark)
                stem = f"{width}-{'dark' if dark else 'light'}"
                for name, full in ((f"{stem}-first.png", False), (f"{stem}-whole.png", True)):
                    replace_file(out / name, browser.picture(full=full))
                    written.append(out / name)
        browser.open(page)
        replace_file(out / "printed.pdf", browser.printed())
        written.append(out / "printed.pdf")
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report.pictures", description="Take pictures of a report in Chromium."
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="results folder with report/")
    parser.add_argument("--out", type=Path, help="where they go (default: DIRECTORY/report/pictures)")
    given = parser.parse_args(arguments)
    try:
        written = take(given.directory, given.out or given.directory / "report" / "pictures")
    except (ChromiumError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print("\n".join(str(path) for path in written))
    return 0


if __name__ == "__main__":
    exit_with(main)
