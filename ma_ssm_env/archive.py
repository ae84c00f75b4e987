"""Files of named arrays and what they are about: NumPy archives without pickles, the rest in them as JSON."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.whole_file import replaced

# What NumPy, the archive and the JSON in it say of files that are something else, cut short or damaged.
_DAMAGE = (
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_archive(
    path: str | os.PathLike[str], about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write `arrays` of any shape and `about`, JSON values, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    everything: dict[str, Any] = {"about": json.dumps(dict(about)), **arrays}
    with replaced(path, suffix=".npz") as beside:
        np.savez_compressed(beside, **everything)


def read_archive(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `write_archive` was given: about, and the arrays by name, of any shape. No code is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such archive, or a damaged one.
    """
    try:
        # NumPy leaves a file open that it was given by name and could not read.
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = dict(json.loads(str(arrays.pop("about"))))
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        raise ValueError(f"{path}: not an archive of arrays, or a damaged one: {error}") from None
    return about, arrays
