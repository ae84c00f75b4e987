"""Records of the studies: a JSON file each, with the settings that made it, never taken for one of others.

A study's file is named by its row and seed, and a row can change. So a record says what was set, and whoever
would reuse it or put it into a table compares that with what the row says now. It also says which packages
made it: a record of other versions is reused where that is asked for alone, and a table of several says so.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.configurations import flat, without_seed
from benchmarks.runner.software import differing, versions, versions_of
from ma_ssm_env.whole_file import replace_file

Settings = dict[str, Any]


class SettingsError(ValueError):
    """What is there was made with other settings or packages; the message names both and the remedy."""


def plain(settings: Any) -> Any:
    """Settings as JSON values; dataclasses as mappings, functions by their names."""
    return json.loads(json.dumps(settings, default=_told))


def _told(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.__name__


def is_done(path: Path, settings: Settings, allow_mixed: bool = False) -> bool:
    """Whether the record is there.

    Args:
        path: of the record.
        settings: that it must have been made with.
        allow_mixed: reuse a record of other package versions, and say so, rather than refuse.

    Raises:
        SettingsError: it is, but was made with other settings, or with other versions.
    """
    if not path.exists():
        return False
    record = read(path, settings)
    other = differing(versions_of(record))
    if other and not allow_mixed:
        raise SettingsError(
            f"{path}: made with {other}: results of different versions are not mixed; choose another --out, "
            "or say --allow-mixed"
        )
    if other:
        print(f"{path}: reused, as --allow-mixed says: made with {other}", file=sys.stderr)
    elif "versions" not in record:
        print(f"{path}: reused; the versions that made it are not recorded", file=sys.stderr)
    return True


def read(path: Path, settings: Settings) -> dict[str, Any]:
    """A record, if it was made with these settings, seeds apart.

    Raises:
        SettingsError: it was made with others.
    """
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "settings" not in record:
        raise SettingsError(
            f"{path}: its settings are not recorded, so that none can be compared with it: move the file "
            "away, or choose another --out"
        )
    apart = difference(*(without_seed(s) for s in (record["settings"], plain(settings))))
    if apart:
        raise SettingsError(f"{path}: {apart}: move the file away, or choose another --out")
    return record


def difference(made_with: Settings, asked: Settings) -> str:
    """Where settings, as JSON values, are not those that are asked for, in words; empty where they are."""
    made, wanted = flat(made_with), flat(asked)
    names = [name for name in sorted({*made, *wanted}) if made.get(name, "-") != wanted.get(name, "-")]
    if not names:
        return ""
    was, now = made.get(names[0], "not recorded"), wanted.get(names[0], "not set")
    return f"made with {names[0]} {was}, and now it is {now} ({len(names)} settings differ)"


def refuse_other_versions(folder: Path, made_with: Mapping[str, str]) -> None:
    """A training does not change its software half way.

    Args:
        folder: of what is kept of it.
        made_with: versions that it says.

    Raises:
        SettingsError: they are not those of now.
    """
    other = differing(made_with)
    if other:
        raise SettingsError(
            f"{folder}: kept of a training with {other}: move the folder away, or choose another --scratch"
        )


def write(path: Path, record: dict[str, Any], settings: Settings) -> None:
    """Write a record with the settings and the packages that made it, whole or not at all."""
    content = {**record, "settings": plain(settings), "versions": versions()}
    replace_file(path, json.dumps(content, separators=(",", ":")) + "\n")
