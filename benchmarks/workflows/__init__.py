"""Workflows: a team of agents trained and judged by one call, and the search for what it is best made of.

from benchmarks.workflows import CollaborativeLearning, EmergentOptimization
"""

from benchmarks.workflows.collaboration import CollaborativeLearning
from benchmarks.workflows.modes import MODES, Mode
from benchmarks.workflows.optimization import Choices, EmergentOptimization, Optimization
from benchmarks.workflows.result import CollaborationResult

__all__ = [
    "MODES",
    "Choices",
    "CollaborationResult",
    "CollaborativeLearning",
    "EmergentOptimization",
    "Mode",
    "Optimization",
]
