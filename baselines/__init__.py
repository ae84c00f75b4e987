"""Baselines by others: Stable-Baselines3 on the single-agent twin, and the floors that anything must beat."""
