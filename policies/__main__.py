"""List what `policies` can do: `python -m policies`."""

from collections.abc import Sequence
from pathlib import Path

from ma_ssm_env import commands


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return commands.main("policies", Path(__file__).parent, arguments)


if __name__ == "__main__":
    commands.exit_with(main)
