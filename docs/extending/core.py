"""The core through its public entry: both modes agree, and a team and an agent with it are methods."""

import torch

from benchmarks.runner.methods import METHODS
from policies.cores import CoreConfig, make_core

generator = torch.Generator().manual_seed(0)
core = make_core(CoreConfig(kind="mingru", layers=2), 5, generator)
inputs = torch.randn(20, 3, 5, generator=generator)
starts = (torch.rand(20, 3, generator=generator) < 0.2).float()
memory = core.initial_memory(3)
with torch.no_grad():
    features, last = core(inputs, starts, memory)
    for now, start, feature in zip(inputs, starts, features, strict=True):
        stepped, memory = core.step(now, start, memory)
        torch.testing.assert_close(stepped, feature, rtol=0, atol=1e-5)
torch.testing.assert_close(memory, last, rtol=0, atol=1e-5)
print("sequence and steps agree")
print(*sorted(name for name in METHODS if "mingru" in name))
