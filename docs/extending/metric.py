"""The measure on a case worked by hand, and its table in the report of the committed records."""

import shutil
import tempfile
from pathlib import Path

from benchmarks.report.__main__ import write_report
from benchmarks.stats.worst_tasks import worst_tasks_mean

print(worst_tasks_mean([[4.0, 1.0, 3.0, 2.0], [5.0, 5.0, 5.0, 9.0]], share=0.5))

with tempfile.TemporaryDirectory() as folder:
    shutil.copytree("benchmarks/results/demo/records", Path(folder, "records"))
    write_report(Path(folder))
    text = Path(folder, "report", "report.md").read_text()
print(text.partition("Worst tasks")[2].partition("\n## ")[0].strip())
