"""Policies in PyTorch: memory cores, the team and its differentiable channel, PPO, checkpoints."""
