"""List what `benchmarks` can do: `python -m benchmarks`."""

from collections.abc import Sequence
from pathlib import Path

from ma_ssm_env import commands


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return commands.main("benchmarks", Path(__file__).parent, arguments)


if __name__ == "__main__":
    commands.exit_with(main)
