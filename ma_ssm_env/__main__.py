"""List what `ma_ssm_env` can do: `python -m ma_ssm_env`."""

from collections.abc import Sequence
from pathlib import Path

from ma_ssm_env import commands


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return commands.main("ma_ssm_env", Path(__file__).parent, arguments)


if __name__ == "__main__":
    commands.exit_with(main)
