"""BenchMARL: a task class around TorchRL's PettingZooWrapper, then MAPPO and IPPO."""

import json

# -- what a user writes
import tempfile

from benchmarl.algorithms import IppoConfig, MappoConfig
from benchmarl.environments.common import TaskClass
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from torchrl.data import Composite
from torchrl.envs import MarlGroupMapType, PettingZooWrapper

import ma_ssm_env


class MaSsmTask(TaskClass):
    """`config`: keyword arguments of `parallel_env`; the name is the scenario's id."""

    def get_env_fun(self, num_envs, continuous_actions, seed, device):
        def make():
            env = ma_ssm_env.parallel_env(self.name, absent_roles={"environment"}, **self.config)
            groups = MarlGroupMapType.ONE_GROUP_PER_AGENT
            return PettingZooWrapper(env, return_state=True, group_map=groups, seed=seed, device=device)

        return make

    def supports_continuous_actions(self):
        return True

    def supports_discrete_actions(self):
        return False

    def has_render(self, env):
        return False

    def max_steps(self, env):
        return env.options.episodes_per_trial * env.options.horizon

    def group_map(self, env):
        return env.group_map

    def _only(self, env, wanted):
        spec = env.observation_spec.clone()
        for group in env.group_map:
            for key in list(spec[group].keys()):
                if key != wanted:
                    del spec[group][key]
        del spec["state"]
        return spec

    def observation_spec(self, env):
        return self._only(env, "observation")

    def info_spec(self, env):
        return self._only(env, "info")

    def state_spec(self, env):
        return Composite({"state": env.observation_spec["state"].clone()})

    def action_spec(self, env):
        return env.full_action_spec

    def action_mask_spec(self, env):
        return None

    @staticmethod
    def env_name():
        return "ma_ssm"


config = ExperimentConfig.get_from_yaml()
config.loggers, config.create_json = [], False
config.on_policy_collected_frames_per_batch = 400
config.on_policy_n_envs_per_worker = 2
config.on_policy_n_minibatch_iters = 4
config.on_policy_minibatch_size = 200
config.evaluation_interval, config.evaluation_episodes, config.render = 400, 1, False
config.max_n_frames = 800
config.save_folder = tempfile.mkdtemp()

experiments = [
    Experiment(
        task=MaSsmTask("PointDir-v0", {}),
        algorithm_config=algorithm.get_from_yaml(),
        model_config=MlpConfig.get_from_yaml(),
        critic_model_config=MlpConfig.get_from_yaml(),
        seed=0,
        config=config,
    )
    for algorithm in (MappoConfig, IppoConfig)
]
for experiment in experiments:
    experiment.run()
# -- until here

for experiment in experiments:
    assert experiment.total_frames == 800, experiment.total_frames
    assert list(experiment.group_map) == [role + "_0" for role in ma_ssm_env.ACTING_ROLES]
print(json.dumps({"ran": "MAPPO (with state()) and IPPO of four roles, 800 steps each"}))
