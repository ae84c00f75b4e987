"""The modes of collaboration: what each changes in the team's training run, and so what it isolates.

| mode | what differs from `emergent` | what the difference isolates |
|---|---|---|
| `emergent` | nothing: channel, rate and trust are learned | |
| `silent` | no role hears what another one posts, and nothing is sent | all communication |
| `fixed` | trust is 1/2 and the rate full, whatever the coordinator says | what the coordinator decides |
| `centralised` | every acting role senses all that any role senses | the price of having to be told |
| `independent` | a critic of each role's own, messages learned by reward alone | what is shared in learning |
"""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from ma_ssm_env.roles import ACTING_ROLES
from policies.config import TrainConfig

Mode = Literal["emergent", "silent", "fixed", "centralised", "independent"]
MODES: tuple[Mode, ...] = get_args(Mode)


def in_mode(mode: Mode, config: TrainConfig) -> TrainConfig:
    """The run `config` of a team under a mode of collaboration.

    Raises:
        ValueError: an unknown mode, or one that this team cannot have.
    """
    options, absent = dict(config.options), config.options.get("absent_roles", ())
    match mode:
        case "emergent":
            return config
        case "silent":
            options["muted_roles"] = [role for role in ACTING_ROLES if role not in absent]
        case "fixed":
            if "coordinator" in absent:
                raise ValueError(
                    "collaboration_mode='fixed' without a coordinator: it is what the mode holds fixed; give "
                    "coordinator=CoordinatorAgent(), or take 'emergent', where trust and rate are then 1/2"
                )
            options |= {"fixed_trust": True, "fixed_rate": 1.0}
        case "centralised":
            options["observability"] = "full"
        case "independent":
            network = dataclasses.replace(config.network, privileged_critic=False)
            return dataclasses.replace(config, critics="own", communication="reinforced", network=network)
        case _:
            raise ValueError(f"collaboration_mode={mode!r}: one of {', '.join(map(repr, MODES))} is expected")
    return dataclasses.replace(config, options=options)
