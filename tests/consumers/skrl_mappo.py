"""skrl: MAPPO, whose critics see `state()`."""

import json

# -- what a user writes
import torch
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.models.torch import DeterministicMixin, GaussianMixin, Model
from skrl.multi_agents.torch.mappo import MAPPO, MAPPO_CFG
from skrl.trainers.torch import SequentialTrainer
from skrl.utils import set_seed

import ma_ssm_env

set_seed(0)
env = wrap_env(ma_ssm_env.parallel_env("PointDir-v0", absent_roles={"environment"}), wrapper="pettingzoo")


class Policy(GaussianMixin, Model):
    def __init__(self, **spaces):
        Model.__init__(self, **spaces)
        GaussianMixin.__init__(self, clip_actions=True)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(self.num_observations, 64), torch.nn.Tanh(), torch.nn.Linear(64, self.num_actions)
        )
        self.log_std = torch.nn.Parameter(torch.full((self.num_actions,), -1.0))

    def compute(self, inputs, role):
        return self.net(inputs["observations"]), {"log_std": self.log_std}


class Critic(DeterministicMixin, Model):
    def __init__(self, **spaces):
        Model.__init__(self, **spaces)
        DeterministicMixin.__init__(self)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(self.num_states, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)
        )

    def compute(self, inputs, role):
        return self.net(inputs["states"]), {}


models, memories = {}, {}
for agent in env.possible_agents:
    spaces = {
        "observation_space": env.observation_spaces[agent],
        "state_space": env.state_spaces[agent],
        "action_space": env.action_spaces[agent],
        "device": env.device,
    }
    models[agent] = {"policy": Policy(**spaces), "value": Critic(**spaces)}
    memories[agent] = RandomMemory(memory_size=200, num_envs=env.num_envs, device=env.device)

nothing = {agent: {} for agent in env.possible_agents}  # skrl refuses a dict that does not name the agents
cfg = MAPPO_CFG(
    rollouts=200,
    learning_epochs=4,
    mini_batches=2,
    discount_factor=0.95,
    learning_rate_scheduler_kwargs=dict(nothing),
    observation_preprocessor_kwargs=dict(nothing),
    state_preprocessor_kwargs=dict(nothing),
    value_preprocessor_kwargs=dict(nothing),
)
cfg.experiment.write_interval = cfg.experiment.checkpoint_interval = 0
mappo = MAPPO(
    possible_agents=env.possible_agents,
    models=models,
    memories=memories,
    observation_spaces=env.observation_spaces,
    state_spaces=env.state_spaces,
    action_spaces=env.action_spaces,
    device=env.device,
    cfg=cfg,
)
before = {a: [p.clone() for p in models[a]["policy"].parameters()] for a in env.possible_agents}
SequentialTrainer(env=env, agents=mappo, cfg={"timesteps": 600, "headless": True}).train()
# -- until here

for agent in env.possible_agents:
    after = models[agent]["policy"].parameters()
    assert any((a != b).any() for a, b in zip(after, before[agent], strict=True)), f"{agent} did not learn"
    assert all(torch.isfinite(p).all() for p in models[agent]["value"].parameters())
assert set(env.state()) == set(env.possible_agents)
print(json.dumps({"ran": "MAPPO of four roles with state() for the critics, 600 steps"}))
