"""Worked sequences of the game, played for real: the tables in docs/game.md come from here."""

import numpy as np

from ma_ssm_env import parallel_env

Rows = list[list[str]]


def table(head: list[str], rows: Rows) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def number(value) -> str:
    text = f"{float(value):.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def pair(values) -> str:
    return ", ".join(number(v) for v in values)


def messages() -> str:
    """Five steps of PointDir-v0, direction 0: what is said at a step is heard at the next."""
    env = parallel_env("PointDir-v0", absent_roles={"environment"})
    observations, _ = env.reset(seed=0, options={"task": 0.0})
    said = [  # belief (first number), rate, prior, correction, trust
        (1.0, 1.0, (0.5, 0.0), (0.4, -0.4), (0.0, 0.0)),
        (1.0, 0.0, (0.5, 0.0), (0.4, -0.4), (1.0, -1.0)),
        (1.0, -0.5, (0.5, 0.0), (0.0, 0.0), (0.0, 0.0)),
        (1.0, -1.0, (1.0, 0.0), (1.0, 0.0), (1.0, 1.0)),
        (0.0, -1.0, (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    ]
    seen: Rows = []
    did: Rows = []
    for step, (belief, rate, prior, correction, trust) in enumerate(said):
        part = {
            agent: {name: observations[agent][where] for name, where in env.observation_fields(agent).items()}
            for agent in env.agents
        }
        modeling, adapting = part["state_modeling_0"], part["adaptation_0"]
        coordinating = part["coordinator_0"]
        seen.append(
            [
                str(step),
                number(modeling["episode_start"][0]),
                number(modeling["time_left"][0]),
                pair(modeling["velocities"]),
                number(modeling["last_reward"][0]),
                number(adapting["received_belief"][0]),
                pair(adapting["last_prior"]),
                pair(coordinating["last_correction"]),
                number(coordinating["last_rate"][0]),
            ]
        )
        actions = {
            "state_modeling_0": np.array([belief] + [0.0] * 7, np.float32),
            "meta_learning_0": np.array(prior, np.float32),
            "adaptation_0": np.array(correction, np.float32),
            "coordinator_0": np.array([*trust, rate], np.float32),
        }
        observations, rewards, _, _, infos = env.step(actions)
        info = infos["adaptation_0"]
        torque = observations["state_modeling_0"][env.observation_fields("state_modeling_0")["last_torque"]]
        did.append(
            [
                str(step),
                number(belief),
                number(rate),
                number(info["bits"]),
                pair(prior),
                pair(correction),
                pair(trust),
                pair(torque),
                number(info["task_reward"]),
                number(info["rate_cost"]),
                number(rewards["adaptation_0"]),
            ]
        )
    first = table(
        [
            "step",
            "all: episode start",
            "all: time left",
            "state_modeling: velocities",
            "state_modeling: last reward",
            "the others: received belief, first number",
            "adaptation, coordinator: last prior",
            "coordinator: last correction",
            "coordinator: last rate",
        ],
        seen,
    )
    second = table(
        [
            "step",
            "belief, first number",
            "rate",
            "bits",
            "prior",
            "correction",
            "trust",
            "torque on the body",
            "task reward",
            "cost of the channel",
            "paid to each acting role",
        ],
        did,
    )
    return f"What is observed before the step:\n\n{first}\n\nWhat is done in it:\n\n{second}"


def clock(feedback: str = "step") -> str:
    """Two inner episodes of three steps: header, observed reward, and how the trial ends."""
    env = parallel_env("PointDir-v0", horizon=3, episodes_per_trial=2, feedback=feedback)
    observations, _ = env.reset(seed=0, options={"task": 0.0})
    push = {agent: np.zeros(env.action_space(agent).shape, np.float32) for agent in env.agents}
    push["meta_learning_0"][:] = (1.0, 0.0)
    rows: Rows = []
    fields = env.observation_fields("state_modeling_0")

    def row(step, info, terminated):
        view = observations["state_modeling_0"]
        names = ("episode_start", "time_left", "episode_index", "last_reward")
        paid = ["-", "-", "-"] if info is None else [number(info["task_reward"])]
        if info is not None:
            paid += [str(info["episode_ended"]), number(info["episode_return"])]
        return [str(step), *paid, str(terminated), *(number(view[fields[name]][0]) for name in names)]

    rows.append(row("reset", None, "-"))
    step = 0
    while env.agents:
        observations, _, terminations, _, infos = env.step(push)
        rows.append(row(step, infos["state_modeling_0"], terminations["state_modeling_0"]))
        step += 1
    head = ["step", "task reward", "episode ended", "episode return", "terminated"]
    seen = ["then observed: episode start", "time left", "episode index", "last reward"]
    return table(head + seen, rows)


def setup() -> str:
    """A trial whose task the environment role chooses, on PointDir-v0."""
    env = parallel_env("PointDir-v0", horizon=2, episodes_per_trial=1, task_source="environment")
    env.reset(seed=0)
    rows: Rows = []
    for trial, proposal in enumerate((0.5, -0.5, -0.4)):
        _, infos = env.reset() if trial else env.reset(seed=0)
        step = 0
        while env.agents:
            active = [a.removesuffix("_0") for a in env.agents if infos[a]["active"]]
            who = "environment" if active == ["environment"] else "the four acting roles"
            actions = {agent: np.zeros(env.action_space(agent).shape, np.float32) for agent in env.agents}
            actions["environment_0"][:] = proposal
            actions["meta_learning_0"][:] = (1.0, 0.0)
            _, rewards, _, _, infos = env.step(actions)
            angle = env.game.trials.task[0, 0]
            rows.append(
                [
                    str(trial),
                    str(step),
                    who,
                    number(proposal) if who == "environment" else "ignored",
                    number(angle),
                    number(rewards["meta_learning_0"]),
                    number(rewards["environment_0"]),
                ]
            )
            step += 1
    head = [
        "trial",
        "step",
        "active",
        "proposal",
        "task: angle, rad",
        "paid to acting roles",
        "to environment",
    ]
    return table(head, rows)


SEQUENCES = {
    "messages": messages,
    "clock": clock,
    "delayed": lambda: clock("episode"),
    "setup": setup,
}
