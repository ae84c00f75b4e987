"""Cores: the part of a policy between its inputs and its heads, with or without memory.

To add a core, write one file with a subclass of `Core`, and its line in `CORES`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import torch

from policies.cores.core import Core, CoreConfig
from policies.cores.gru import GRU
from policies.cores.lstm import LSTM
from policies.cores.mamba import Mamba
from policies.cores.mlp import MLP
from policies.cores.s5 import S5
from policies.cores.s5conv import S5Conv
from policies.cores.transformer import Transformer

__all__ = [
    "CORES",
    "GRU",
    "LSTM",
    "MLP",
    "S5",
    "Core",
    "CoreConfig",
    "CoreKind",
    "Mamba",
    "S5Conv",
    "Transformer",
    "make_core",
]

CORES: Final[dict[str, Callable[[CoreConfig, int, torch.Generator], Core]]] = {
    "mlp": MLP,
    "gru": GRU,
    "lstm": LSTM,
    "s5": S5,
    "s5conv": S5Conv,
    "mamba": Mamba,
    "transformer": Transformer,
}
"""Cores by kind."""

# A command line shows the choices; the table is the only place that lists them.
if TYPE_CHECKING:
    CoreKind = str
else:
    CoreKind = Literal[tuple(CORES)]


def make_core(config: CoreConfig, in_features: int, generator: torch.Generator) -> Core:
    """Build a core.

    Args:
        config: kind and sizes.
        in_features: size I of the inputs, at least 1.
        generator: the only source of the initial parameters.

    Returns:
        A new core with float32 parameters.
    """
    return CORES[config.kind](config, in_features, generator)
