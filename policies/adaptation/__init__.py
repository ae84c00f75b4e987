"""Test-time adaptation: a trained role goes on learning inside a trial, from what it observes itself.

`layer.py` is what adapts, `forecaster.py` where the error comes from, `online.py` the policy that adapts (it
speaks the policy protocol), `tampering.py` constructed faults, and `recovery.py` the measures.
"""

from policies.adaptation.forecaster import Forecaster, fit_forecaster
from policies.adaptation.online import AdaptationConfig, AdaptivePolicy, Event
from policies.adaptation.recovery import Recovery, harm, play, recovery
from policies.adaptation.tampering import Tampered

__all__ = [
    "AdaptationConfig",
    "AdaptivePolicy",
    "Event",
    "Forecaster",
    "Recovery",
    "Tampered",
    "fit_forecaster",
    "harm",
    "play",
    "recovery",
]
