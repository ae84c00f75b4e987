"""Files that are there whole or not at all: written beside their place, flushed to the disk, renamed into it.

A process that is killed, a full disk or a lost power supply leaves what was there before. Of several that
write at once, processes or threads, the last one's file stays.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: str | os.PathLike[str], suffix: str = "") -> Iterator[Path]:
    """A place beside `path` to write to; what is there in the end takes the place of `path`.

    The folder is made. Where the block raises, nothing is left and `path` stays as it was.

    Args:
        path: the file that is to be there.
        suffix: how the name to write to ends, where a writer looks at that. Without one it ends in `.tmp`,
            so that who lists files by their suffix does not find it.

    Raises:
        OSError: the folder cannot be made, or the file not be written.
    """
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # "file exists" would be said of the wrong thing
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(file.parent)) from None
    # Threads share a process, and machines that share a folder may have processes of one number.
    beside = file.with_name(f".{file.name}.{os.getpid()}-{uuid.uuid4().hex[:12]}.tmp{suffix}")
    try:
        yield beside
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(beside, file)
    finally:
        beside.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # the rename itself must survive a loss of power
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def replace_file(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Put `content`, text in UTF-8, at `path`, all of it or nothing.

    Raises:
        OSError: it cannot be written.
    """
    with replaced(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
