"""TorchRL: PettingZooWrapper with a group a role, check_env_specs, and a short PPO of every acting role."""

import json

# -- what a user writes
import torch
from tensordict.nn import NormalParamExtractor, TensorDictModule, TensorDictSequential
from torchrl.collectors import Collector
from torchrl.envs import MarlGroupMapType, PettingZooWrapper, check_env_specs
from torchrl.modules import ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives import ClipPPOLoss

import ma_ssm_env


def make_env():
    env = ma_ssm_env.parallel_env("PointDir-v0", absent_roles={"environment"})
    return PettingZooWrapper(env, return_state=True, group_map=MarlGroupMapType.ONE_GROUP_PER_AGENT)


env = make_env()
check_env_specs(env)

torch.manual_seed(0)
policies, losses = [], {}
for group in env.group_map:  # such as "state_modeling_0": observations [..., 1 agent, O], actions [..., 1, A]
    sizes = [
        env.full_observation_spec[group, "observation"].shape[-1],
        env.full_action_spec[group, "action"].shape[-1],
    ]
    body = torch.nn.Sequential(
        torch.nn.Linear(sizes[0], 64),
        torch.nn.Tanh(),
        torch.nn.Linear(64, 2 * sizes[1]),
        NormalParamExtractor(),
    )
    keys = [(group, "loc"), (group, "scale")]
    actor = ProbabilisticActor(
        TensorDictModule(body, [(group, "observation")], keys),
        in_keys=keys,
        out_keys=[(group, "action")],
        distribution_class=TanhNormal,
        return_log_prob=True,
        log_prob_key=(group, "action_log_prob"),
    )
    critic = ValueOperator(
        torch.nn.Sequential(torch.nn.Linear(sizes[0], 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)),
        in_keys=[(group, "observation")],
        out_keys=[(group, "state_value")],
    )
    loss = ClipPPOLoss(actor, critic, normalize_advantage=True)
    loss.set_keys(
        action=(group, "action"),
        sample_log_prob=(group, "action_log_prob"),
        value=(group, "state_value"),
        reward=(group, "reward"),
        done=(group, "done"),
        terminated=(group, "terminated"),
    )
    loss.make_value_estimator(gamma=0.95, lmbda=0.95)
    policies.append(actor)
    losses[group] = loss, torch.optim.Adam(loss.parameters(), 1e-3)

collector = Collector(
    make_env,
    TensorDictSequential(*policies),
    frames_per_batch=400,
    total_frames=1200,
)
logged = []
for batch in collector:
    for loss, optimizer in losses.values():
        with torch.no_grad():
            loss.value_estimator(batch)
        for _ in range(4):
            values = loss(batch)
            total = values["loss_objective"] + values["loss_critic"] + values["loss_entropy"]
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
        logged.append(total.item())
# -- until here

assert list(env.group_map) == [role + "_0" for role in ma_ssm_env.ACTING_ROLES]
assert len(logged) == 12
assert all(abs(value) < 1e6 for value in logged), logged
assert batch["state"].shape == (400, *ma_ssm_env.parallel_env("PointDir-v0").state_space.shape)
print(json.dumps({"ran": "check_env_specs; PPO of four roles, 1,200 steps"}))
