"""Records of the studies: a JSON file each, with the settings that made it, never taken for one of others.

A study's file is named by its row and seed, and a row can change. So a record says what was set, and whoever
would reuse it or put it into a table compares that with what the row says now.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from benchmarks.configurations import flat, without_seed
from benchmarks.runner.software import versions
from ma_ssm_env.whole_file import replace_file

Settings = dict[str, Any]


class SettingsError(ValueError):
    """A record was made with other settings than its row has now; the message names both and the remedy."""


def plain(settings: Any) -> Any:
    """Settings as JSON values; dataclasses as mappings, functions by their names."""
    return json.loads(json.dumps(settings, default=_told))


def _told(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.__name__


def is_done(path: Path, settings: Settings) -> bool:
    """Whether the record is there.

    Raises:
        SettingsError: it is, but was made with other settings.
    """
    if not path.exists():
        return False
    read(path, settings)
    return True


def read(path: Path, settings: Settings) -> dict[str, Any]:
    """A record, if it was made with these settings, seeds apart.

    Raises:
        SettingsError: it was made with others.
    """
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    made, asked = (flat(without_seed(s)) for s in (record.get("settings", {}), plain(settings)))
    differing = [name for name in sorted({*made, *asked}) if made.get(name, "-") != asked.get(name, "-")]
    if differing:
        name = differing[0]
        raise SettingsError(
            f"{path}: made with {name} {made.get(name, 'not recorded')}, and now it is "
            f"{asked.get(name, 'not set')} ({len(differing)} settings differ): move the file away, or choose "
            "another --out"
        )
    return record


def write(path: Path, record: dict[str, Any], settings: Settings) -> None:
    """Write a record with the settings and the packages that made it, whole or not at all."""
    content = {**record, "settings": plain(settings), "versions": versions()}
    replace_file(path, json.dumps(content, separators=(",", ":")) + "\n")
