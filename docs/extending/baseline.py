"""The baseline through the runner: trained for some steps, judged, in the report."""

import tempfile
from pathlib import Path

from benchmarks.record_store import read_records
from benchmarks.report.__main__ import write_report
from benchmarks.run import main

if __name__ == "__main__":  # the runner starts processes, which import this file
    with tempfile.TemporaryDirectory() as folder:
        main(["--suite", "smoke", "--methods", "sb3-trpo", "--seeds", "1", "--out", folder])
        for record in read_records(folder):
            print(record.run.method, record.result.charged_steps, record.result.parameters)
        page = write_report(Path(folder)).with_name("report.md")
        print("SB3 TRPO" in page.read_text())
