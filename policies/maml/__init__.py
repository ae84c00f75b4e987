"""Meta-learning a prior that is good after a few gradient steps (MAML), over whole trials.

`train.py` is the loop, `inner.py` the adaptation, `outer.py` the learning of the prior, `estimators.py` the
surrogates, `baseline.py` the fitted baseline, `trials.py` the data, `curves.py` adaptation on test tasks, and
`supervised.py` the same for data that people already have. `python -m policies.maml --help` is the command.
"""

from policies.maml.inner import Adaptation, InnerConfig
from policies.maml.outer import OuterConfig
from policies.maml.train import MamlConfig, MetaTraining, maml_ppo, meta_train

__all__ = [
    "Adaptation",
    "InnerConfig",
    "MamlConfig",
    "MetaTraining",
    "OuterConfig",
    "maml_ppo",
    "meta_train",
]
