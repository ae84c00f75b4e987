"""How it was run: commands, versions, hosts and every setting."""

from __future__ import annotations

import json
from collections import Counter
from html import escape

from benchmarks.configurations import without_seed
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.study import Study


def settings(report: Report) -> Fragment:
    """Commands in the open, the rest folded."""
    study = report.study
    total = len(study.records)
    versions: Counter[tuple[str, str]] = Counter()
    hosts: Counter[str] = Counter()
    for record in study.records:
        versions.update((record.versions | {"code of this project": record.run.code}).items())
        host = ", ".join(f"{key} {value}" for key, value in record.timings.host.items())
        hosts[host or "not recorded"] += 1
    lines = [(name, value, count) for (name, value), count in sorted(versions.items())]
    lines += [(f"Host {i}", host, count) for i, (host, count) in enumerate(hosts.items(), start=1)]
    told = [(name, value + ("" if n == total else f" ({n} of {total} runs)")) for name, value, n in lines]
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in told
    )
    configurations = "".join(
        f"<details><summary>{escape(where)}: <code>{escape(method)}</code></summary>"
        f"<pre>{escape(text)}</pre></details>"
        for where, method, text in configurations_of(study)
    )
    commands = "\n".join(study.commands)
    html = (
        f'<pre tabindex="0">{escape(commands)}</pre><details><summary>Versions and hosts</summary>'
        '<table class="plain"><caption>Software and hosts of the records</caption><tbody>'
        f"{rows}</tbody></table></details><details><summary>All settings of every method"
        f"</summary>{configurations}</details>"
    )
    markdown = [f"```\n{commands}\n```", "\n".join(f"- {name}: {value}" for name, value in told)]
    return Fragment("How it was run", "settings", html, "\n\n".join(markdown))


def configurations_of(study: Study) -> list[tuple[str, str, str]]:
    """(scenarios, method, JSON) of each distinct configuration; seed and scenario are left out of it."""
    found: dict[tuple[str, str], list[str]] = {}
    for record in study.records:
        run = record.run
        shown = {"budget": run.budget, **without_seed(run.configuration)}
        shown.pop("scenario", None)
        text = json.dumps(shown, indent=1, sort_keys=True)
        names = found.setdefault((run.method, text), [])
        if run.scenario not in names:
            names.append(run.scenario)
    return sorted((", ".join(sorted(names)), method, text) for (method, text), names in found.items())
