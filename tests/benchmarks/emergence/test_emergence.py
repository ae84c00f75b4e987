"""Teams played under conditions, measured, and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from benchmarks.emergence import calibration, outputs
from benchmarks.emergence.__main__ import main
from benchmarks.emergence.analysis import analyse
from benchmarks.emergence.calibration import ALLOWED, NEEDED, p_values
from benchmarks.emergence.config import AnalysisConfig
from benchmarks.emergence.controls import scripted_teams
from benchmarks.emergence.influence import channel_influence
from benchmarks.emergence.information import of_proposals, of_signals
from benchmarks.emergence.outputs import TrialsEndEarly, played_replicates, task_features, whole_trials
from benchmarks.emergence.play import CHANNELS, Condition, Match, Swap, Team, play
from benchmarks.emergence.record import write_record
from benchmarks.emergence.scripted import Layout
from benchmarks.emergence.teams import load_team
from benchmarks.metrics.finding import LEVEL
from benchmarks.metrics.surrogates import other_task
from benchmarks.report.emergence import emergence_section
from benchmarks.runner.software import versions
from ma_ssm_env import SCENARIOS
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.roles import ACTING_ROLES
from policies import checkpoint
from policies.config import TrainConfig
from policies.game import Game
from policies.team import TeamNetwork

SCENARIO = "PointDir-v0"
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"
TASKS = np.linspace(-2.8, 2.8, 6)[:, None]
SMALL = AnalysisConfig(
    trials=2, message_tasks=6, message_trials=4, replicates=19, every=20, ahead=3, rates=3, num_threads=1
)


@pytest.fixture(scope="module")
def layout() -> Layout:
    return Layout.of(SCENARIO)


@pytest.fixture(scope="module")
def told(layout: Layout) -> Team:
    return Team(SCENARIO, layout.told_team(), {}, {"horizon": 20})


# -- playing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "options"),
    [
        (Condition(), {}),
        (Condition(absent=frozenset({"state_modeling"})), {"absent_roles": ["state_modeling"]}),
        (
            Condition(absent=frozenset({"meta_learning", "coordinator"})),
            {"absent_roles": ["meta_learning", "coordinator"]},
        ),
        (Condition(muted=frozenset({"state_modeling"})), {"muted_roles": ["state_modeling"]}),
        (
            Condition(muted=frozenset({"meta_learning", "adaptation"})),
            {"muted_roles": ["meta_learning", "adaptation"]},
        ),
    ],
)
def test_conditions_are_the_environments_options(
    told: Team, layout: Layout, condition: Condition, options: dict[str, Any]
) -> None:
    # The prior is read by both of its listeners, so that muting it matters.
    reads = layout.role("adaptation", {("last_prior", "correction"): 0.5 * np.eye(2)})
    players = {**told.players, "adaptation": reads}
    team = Team(SCENARIO, players, {}, told.options)
    found = play(team, TASKS, 2, [Condition(muted=frozenset(ACTING_ROLES)), condition])
    present = {role: p for role, p in players.items() if role not in options.get("absent_roles", ())}
    expected = evaluate(SCENARIO, present, tasks=TASKS, trials=2, horizon=20, **options)
    np.testing.assert_array_equal(found.episodes[1], expected.returns)
    np.testing.assert_array_equal(found.bits[1], expected.bits)


def test_a_world_that_breaks_is_charged_for_each_inner_episode(
    told: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, step, calls = play(told, TASKS, 2, [Condition()]), Match.step, []

    def breaking(match: Match, actions: Any) -> Any:
        if len(calls) == 3:
            match.env.game.trials.physics.qvel[1] = 1e12
        calls.append(0)
        return step(match, actions)

    monkeypatch.setattr(Match, "step", breaking)
    found = play(told, TASKS, 2, [Condition()])
    worst = SCENARIOS[SCENARIO].variation.worst_reward
    assert found.episodes[0, 0, 1, 1] == 20 * worst
    assert 20 * worst < found.episodes[0, 0, 1, 0] < 10 * worst
    np.testing.assert_array_equal(found.episodes[0, 1:], sound.episodes[0, 1:])
    np.testing.assert_array_equal(found.steps, [[40, 4] + [40] * 10])
    np.testing.assert_array_equal(found.judged(0).sum(0), found.steps[0])
    assert found.judged(0)[:4, 1].all()
    np.testing.assert_array_equal(found.whole, found.steps == 40)


def test_options_of_the_team_hold_in_every_condition(told: Team) -> None:
    muted = Team(SCENARIO, told.players, {}, {**told.options, "muted_roles": ["state_modeling"]})
    swap = Swap(dict.fromkeys(CHANNELS, other_task(6, 2, np.random.default_rng(0))))
    found = play(muted, TASKS, 2, [Condition(), Condition("swapped", swap=swap), Condition(rate=1.0)])
    assert (found.returns[0] == found.returns[1]).all()
    assert (found.bits == 0.0).all()


def test_a_frozen_role_is_played_by_its_reference(told: Team, layout: Layout) -> None:
    east = layout.role("meta_learning", bias={"prior": [1.0, 0.0]})
    team = Team(SCENARIO, told.players, {"meta_learning": east}, told.options)
    found = play(
        team,
        TASKS,
        2,
        [Condition(), Condition(frozen=frozenset({"meta_learning"}))],
        record=["meta_learning"],
    )
    assert (found.actions["meta_learning"][1] == [1.0, 0.0]).all()
    assert not (found.actions["meta_learning"][0] == [1.0, 0.0]).all()
    instead = Team(SCENARIO, {**told.players, "meta_learning": east}, {}, told.options)
    np.testing.assert_array_equal(found.returns[1], play(instead, TASKS, 2, [Condition()]).returns[0])
    with pytest.raises(ValueError, match="no reference policy for adaptation"):
        play(team, TASKS, 2, [Condition(frozen=frozenset({"adaptation"}))])


def test_the_rate_is_held(told: Team) -> None:
    found = play(told, TASKS, 2, [Condition(rate=rate) for rate in (-1.0, -0.5, 1.0)])
    np.testing.assert_allclose(found.bits.mean((1, 2)), [0.0, 16.0, 64.0])
    assert found.returns[2].mean() > found.returns[0].mean() + 1.0


# Options of the team that stand between what policies say and what is posted.
CONTROLS: list[dict[str, Any]] = [{}, {"fixed_rate": 1.0}, {"fixed_trust": True}, {"belief_size": 2}]


@pytest.mark.parametrize("controls", CONTROLS, ids=str)
def test_swapped_messages_are_those_of_the_named_worlds(layout: Layout, controls: dict[str, Any]) -> None:
    # The sender says its world's number; the rate is the highest, so that noise is small.
    class Numbered:
        def initial_memory(self, batch: int) -> None:
            return None

        def act(self, observations: Any, memory: Any, rng: Any) -> tuple[Any, Any]:
            number = np.arange(len(observations)) % 12 / 12.0
            return np.tile(number[:, None], (1, 8)).astype(np.float32), memory

    echo = {("received_belief", "prior"): np.eye(2)}
    players = {
        "state_modeling": Numbered(),
        "meta_learning": layout.role("meta_learning", echo),
        "adaptation": layout.role("adaptation", {("last_prior", "correction"): np.eye(2)}),
        "coordinator": layout.role("coordinator", bias={"rate": -1.0 if "fixed_rate" in controls else 1.0}),
    }
    source = np.roll(np.arange(12), 5)
    content = {
        ("received_belief", "meta_learning"): source,
        ("last_prior", "adaptation"): source[::-1].copy(),
    }
    team = Team(SCENARIO, players, {}, {"horizon": 5, **controls})
    found = play(
        team, TASKS, 2, [Condition(), Condition(swap=Swap(content))], record=["meta_learning", "adaptation"]
    )
    own, swapped = found.actions["meta_learning"][:, 2, :, 0]
    np.testing.assert_allclose(own, np.arange(12) / 12.0, atol=0.03)
    np.testing.assert_allclose(swapped, source / 12.0, atol=0.03)
    corrected = found.actions["adaptation"][1, 3, :, 0]
    np.testing.assert_allclose(corrected, source[source[::-1]] / 12.0, atol=0.03)


def test_swapped_noise_is_the_other_worlds_noise(layout: Layout) -> None:
    # The belief is 0, so that what is heard is noise alone.
    players = {
        "state_modeling": layout.role("state_modeling"),
        "meta_learning": layout.role("meta_learning", {("received_belief", "prior"): np.eye(2)}),
        "coordinator": layout.role("coordinator", bias={"rate": -0.8}),
    }
    order = np.random.default_rng(0).permutation(12)
    conditions = [Condition(), Condition(swap=Swap({}, noise=order))]
    team = Team(SCENARIO, players, {}, {"horizon": 5})
    heard = play(team, TASKS, 2, conditions, record=["meta_learning"]).actions["meta_learning"]
    assert heard[0, 2].std() > 0.1
    np.testing.assert_array_equal(heard[1, 2], heard[0, 2][order])


@pytest.mark.parametrize(
    "controls",
    [
        *CONTROLS,
        {"muted_roles": ["coordinator"]},
        {"muted_roles": ["state_modeling"]},
        {"absent_roles": ["coordinator"]},
        {"absent_roles": ["state_modeling"]},
        {"sensor_noise": 0.1, "feedback": "none", "split": "test"},
    ],
    ids=str,
)
def test_a_sender_that_says_the_same_everywhere_is_heard_the_same_everywhere(
    layout: Layout, controls: dict[str, Any]
) -> None:
    players = {
        "state_modeling": layout.role("state_modeling", bias={"belief": 0.5}),
        "meta_learning": layout.role("meta_learning", {("received_belief", "prior"): 0.3 * np.ones((8, 2))}),
        "adaptation": layout.role("adaptation"),
        "coordinator": layout.role("coordinator", bias={"rate": -0.5, "trust": 1.0}),
    }
    swap = Swap(dict.fromkeys(CHANNELS, other_task(6, 2, np.random.default_rng(0))))
    team = Team(SCENARIO, players, {}, {"horizon": 20, **controls})
    match = Match(team, TASKS, 2, [Condition(), Condition("swapped", swap=swap)])
    for _ in range(5):
        match.step(match.act())
        own, swapped = np.split(
            match.observations["meta_learning"][:, match.fields["meta_learning"]["received_belief"]], 2
        )
        np.testing.assert_array_equal(own, swapped)


def test_measures_meet_what_an_option_of_the_team_made_of_its_messages(layout: Layout) -> None:
    # A team under options is one whose roles say themselves what the options hold.
    reads = layout.observation["meta_learning"]["received_belief"]
    assert reads.stop - reads.start == 8

    def team_of(said: dict[str, float], belief: list[float], options: dict[str, Any]) -> Team:
        own = layout.role("state_modeling", {("positions", "belief"): np.eye(2, 8)}, {"belief": belief})
        hears = {("received_belief", "prior"): np.vstack([0.5 * np.eye(2), np.zeros((6, 2))])}
        players = {
            "state_modeling": own,
            "meta_learning": layout.role("meta_learning", hears),
            "adaptation": layout.role("adaptation", bias={"correction": [0.4, -0.4]}),
            "coordinator": layout.role("coordinator", bias=said),
        }
        return Team(SCENARIO, players, {}, {"horizon": 10, **options})

    held = {"fixed_rate": -0.4, "fixed_trust": True, "belief_size": 2}
    under = team_of({"rate": 0.9, "trust": 1.0}, [0.3] * 8, held)
    alike = team_of({"rate": -0.4, "trust": 0.0}, [0.3, 0.3, 0, 0, 0, 0, 0, 0], {})
    found = [
        channel_influence(team, TASKS, 3, np.random.default_rng(0), every=5, ahead=0)[0]
        for team in (under, alike)
    ]
    for channel, (by_pool, by_noise) in found[0].items():
        np.testing.assert_array_equal(by_pool, found[1][channel][0], err_msg=str(channel))
        np.testing.assert_array_equal(by_noise, found[1][channel][1], err_msg=str(channel))
    assert found[0]["received_belief", "meta_learning"][1].min() > 0.0
    order = np.random.default_rng(1).permutation(18)
    conditions = [Condition(), Condition(swap=Swap(dict.fromkeys(CHANNELS, order), noise=order[::-1].copy()))]
    one, other = (play(team, TASKS, 3, conditions, record=ACTING_ROLES) for team in (under, alike))
    np.testing.assert_array_equal(one.returns, other.returns)
    for role in ACTING_ROLES:
        np.testing.assert_array_equal(one.actions[role], other.actions[role], err_msg=role)


def test_the_torque_is_that_of_the_trust_that_was_used(layout: Layout) -> None:
    def torque(trust: float) -> Any:
        players = {**layout.told_team(), "coordinator": layout.role("coordinator", bias={"trust": trust})}
        players["adaptation"] = layout.role("adaptation", bias={"correction": [0.5, -0.5]})
        team = Team(SCENARIO, players, {}, {"horizon": 10, "fixed_trust": True})
        series, _ = played_replicates(team, TASKS, 2, np.random.default_rng(0), replicates=1)
        other = [*series.parts[:3], series.parts[3] + 1.0]
        np.testing.assert_array_equal(series.macro(series.parts), series.macro(other))
        return series.macro(series.parts)

    np.testing.assert_array_equal(torque(-1.0), torque(1.0))


def test_a_restored_match_goes_on_bit_for_bit(layout: Layout) -> None:
    noisy = {r: layout.role(r, noise={f: 0.3}, persistence=0.5) for r, f in (("meta_learning", "prior"),)}
    match = Match(Team(SCENARIO, {**layout.told_team(), **noisy}), TASKS, 2, [Condition()])
    for _ in range(5):
        match.step(match.act())
    kept, runs = match.clone(), []
    for _ in range(2):
        match.restore(kept)
        steps = []
        for _ in range(4):
            actions = match.act()
            match.step(actions)
            steps.append(np.concatenate([*actions.values(), match.env.state()], axis=1))
        runs.append(np.stack(steps))
    np.testing.assert_array_equal(runs[0], runs[1])


# -- measuring ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record_of_told(told: Team) -> dict[str, Any]:
    return analyse(told, SMALL)


def finding(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(f for found in record["findings"].values() for f in found if f["name"] == name)


def test_a_team_that_is_told_is_found_out(record_of_told: dict[str, Any]) -> None:
    record = record_of_told
    for name in ("listening to all messages (of another task)", "return against bits"):
        assert finding(record, name)["verdict"] == "coordination"
    assert finding(record, "influence of belief on meta_learning")["value"] > 0.05
    for deaf in ("adaptation", "coordinator"):
        assert finding(record, f"influence of belief on {deaf}")["value"] == 0.0
        assert finding(record, f"contribution of {deaf} (neutral)")["value"] == pytest.approx(0.0, abs=1e-9)
    shares = record["coalitions"]["neutral"]["shapley"]
    values = record["coalitions"]["neutral"]["values"]
    assert shares["meta_learning"] == pytest.approx(shares["state_modeling"])
    whole = "state_modeling+meta_learning+adaptation+coordinator"
    assert sum(shares.values()) == pytest.approx(values[whole] - values[""])
    assert values[whole] == pytest.approx(record["returns"]["team"])
    assert finding(record, "signalling of the hidden task")["p"] <= LEVEL
    assert record["ahead"]["meta_learning"][0] > 0.05
    assert record["ahead"]["coordinator"] == [0.0] * 4
    # What moved meta_learning moved the body, which the sender sees: it is heard again later.
    assert max(record["ahead"]["meta_learning"][2:]) > 0.0
    assert json.dumps(record, allow_nan=False)


def test_a_deaf_team_gives_exactly_nothing() -> None:
    _, team = scripted_teams()["scripted-deaf"]
    short = Team(team.scenario, team.players, {}, {"horizon": 20})
    edges, ahead = channel_influence(short, TASKS, 3, np.random.default_rng(0), every=7, ahead=4)
    assert all((by_pool == 0.0).all() for by_pool, _ in edges.values())
    assert all(value == 0.0 for values in ahead.values() for value in values)
    swap = Swap(dict.fromkeys(CHANNELS, other_task(6, 3, np.random.default_rng(0))))
    quiet = {role: policy for role, policy in short.players.items() if role != "coordinator"}
    silent = Team(team.scenario, quiet, {}, {"horizon": 20})
    found = play(silent, TASKS, 3, [Condition(swap=swap), Condition(muted=frozenset({"state_modeling"}))])
    again = play(silent, TASKS, 3, [Condition(), Condition()])
    np.testing.assert_array_equal(found.returns, again.returns)


def test_task_features() -> None:
    np.testing.assert_allclose(
        task_features(SCENARIO, np.array([[np.pi / 2], [-np.pi / 2]])), [[0, 1], [0, -1]], atol=1e-9
    )
    assert task_features("HalfCheetahVel-v0", np.array([[0.0], [3.0]])).tolist() == [[-1.0], [1.0]]


def test_trials_of_unequal_length_have_no_information_measured() -> None:
    team = Team("HumanoidDir-v0", {}, {}, {"horizon": 60, "episodes_per_trial": 1})
    with pytest.raises(TrialsEndEarly, match="end early"):
        played_replicates(team, np.array([[0.5]]), 2, np.random.default_rng(0), replicates=1)


def test_as_many_whole_trials_of_each_task_as_keep_most() -> None:
    every = whole_trials("HopperGravity-v0", np.ones(12, dtype=bool), 4)
    np.testing.assert_array_equal(every, np.arange(12).reshape(4, 3))
    ended = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 0, 0]], dtype=bool)
    # Two trials of three tasks are 6; three of one are 3.
    np.testing.assert_array_equal(
        whole_trials("HopperGravity-v0", ended.ravel(), 4), [[0, 1], [4, 5], [6, 8]]
    )
    alone = np.array([[1, 0], [1, 0], [1, 1]], dtype=bool)  # 4 of 6 are whole, and one pair
    with pytest.raises(TrialsEndEarly, match="HopperGravity-v0: 2 of 6 trials end early; signalling"):
        whole_trials("HopperGravity-v0", alone.ravel(), 3)


def test_steps_after_a_trial_has_ended_are_not_measured(told: Team) -> None:
    played = play(told, TASKS, 4, [Condition()], record=ACTING_ROLES, states=True)
    played.whole[0, [1, 9]] = False

    def measured() -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        worlds = whole_trials(SCENARIO, played.whole[0], len(TASKS))
        return of_signals(told, played, TASKS, worlds, rng), of_proposals(told, played, worlds, rng)

    before = measured()
    for series in (*played.actions.values(), played.states):
        series[0, 20:, [1, 9]] = np.random.default_rng(1).uniform(-1.0, 1.0, series[0, 20:, [1, 9]].shape)
    assert measured() == before
    assert before[0][0][0].verdict == "association"


@pytest.mark.parametrize(
    ("whole", "reported"),
    [
        ([4, 4, 3, 4, 4, 4], {"signalling", "information", "diversity"}),
        ([1, 1, 1, 1, 4, 4], {"information"}),  # half of the trials, but no half of them in pairs
        ([1, 1, 1, 1, 1, 1], set()),
    ],
)
def test_what_needs_whole_trials_is_reported_where_there_are_enough(
    told: Team, monkeypatch: pytest.MonkeyPatch, whole: list[int], reported: set[str]
) -> None:
    def ending(*given: Any, **named: Any) -> Any:
        played = play(*given, **named)
        played.whole[:] = (np.arange(4) < np.array(whole)[:, None]).ravel()
        return played

    monkeypatch.setattr(outputs, "play", ending)
    found = analyse(told, SMALL)["findings"]
    for group in ("signalling", "information", "diversity"):
        verdicts = {f["name"]: f["verdict"] for f in found[group]}
        assert (verdicts != {group: "not reported"}) == (group in reported), group
        if group not in reported:
            assert f"{24 - sum(whole)} of 24 trials end early" in found[group][0]["words"]


# -- the command ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(SCENARIO, team=True, steps=0, seed=3, options={"horizon": 10})
    network = TeamNetwork(
        Game(SCENARIO, 1, True, config.options), config.network, True, torch.Generator().manual_seed(3)
    )
    folder = tmp_path_factory.mktemp("untrained")
    checkpoint.save(folder, network, config, 0)
    return folder


def test_the_reference_policies_are_the_networks_before_training(untrained: Path) -> None:
    team, _, _ = load_team(untrained)
    assert set(team.references) == set(ACTING_ROLES)
    frozen = Condition(frozen=frozenset(ACTING_ROLES))
    found = play(team, TASKS, 1, [Condition(), frozen])
    np.testing.assert_array_equal(found.returns[0], found.returns[1])


def test_the_command_writes_a_record_that_the_report_reads(
    untrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = "trials=1 message-tasks=4 message-trials=3 replicates=19 every=5 ahead=2 rates=2 num-threads=1"
    settings = [part for setting in small.split() for part in (f"--analysis.{setting}".split("="))]
    arguments = [str(untrained), "--out", str(tmp_path), "--name", "it", "--title", "<It>", *settings]
    same = f"{RESULTS / 'point'}:team-s5"
    arguments += ["--same", same, "--retrained", f"state_modeling={RESULTS / 'point'}:team-s5-muted"]
    assert main(arguments) == 0
    record = json.loads((tmp_path / "emergence" / "it.json").read_text())
    assert record["origin"]["steps"] == 0
    assert set(record["cost"]) == {"coalitions", "ablations", "influence", "information"}
    lost = finding(record, "retrained without state_modeling")
    assert lost["verdict"] == "effect"
    assert lost["value"] == pytest.approx(105.0, abs=10.0)  # the README's table of the same records
    said = capsys.readouterr().out
    assert finding(record, "synergy (frozen)")["words"] in said
    section = emergence_section(tmp_path)
    assert section is not None
    assert "&lt;It&gt;" in section.html
    assert "<It>" not in section.html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no checkpoint there"),
        (["{}", "--name", "a/b"], "letters, digits"),
        (["{}", "--muted", "nobody"], "unknown role"),
        (["{}", "--retrained", "adaptation"], "ROLE=RUN is expected"),
        (["{}", "--retrained", "adaptation={}"], "without --same"),
        (["{}", "--same", "{}", "--retrained", "adaptation={}:team"], "no records of team"),
    ],
)
def test_what_cannot_be_used_is_named(
    untrained: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([argument.replace("{}", str(untrained)) for argument in arguments]) == 2
    assert message in capsys.readouterr().err


# -- the report -----------------------------------------------------------------------------------------


def test_the_section_holds_its_drawings_and_words(record_of_told: dict[str, Any], tmp_path: Path) -> None:
    assert emergence_section(tmp_path) is None
    record = {"name": "told", "title": "Told", **record_of_told}
    write_record(tmp_path, record)
    write_record(tmp_path, {**record, "name": "again", "title": "Again"})
    (tmp_path / "emergence" / "broken.json").write_text("{")
    (tmp_path / "emergence" / "other.json").write_text('{"schema": 99}')
    section = emergence_section(tmp_path)
    assert section is not None
    assert "broken.json: left out" in section.html
    assert "schema 99" in section.markdown
    drawings = [part.split("</svg>")[0] + "</svg>" for part in section.html.split("<svg")[1:]]
    assert len(drawings) == 8
    for drawing in drawings:
        tree = ElementTree.fromstring("<svg" + drawing)
        width, height = (float(x) for x in tree.attrib["viewBox"].split()[2:])
        for circle in tree.iter("circle"):
            assert 0 <= float(circle.attrib["cx"]) <= width
            assert 0 <= float(circle.attrib["cy"]) <= height
    for found in record["findings"].values():
        for each in found:
            assert each["words"] in section.markdown
    ids = [part.split('"')[0] for part in section.html.split('id="')[1:]]
    assert len(ids) == len(set(ids))
    assert "Messages are used" in section.html
    assert "moves meta_learning by" in section.markdown


# -- what was measured ----------------------------------------------------------------------------------


def test_committed_calibration_is_within_its_bounds() -> None:
    found = json.loads((RESULTS / "emergence" / "calibration.json").read_text())
    assert found["teams"] == 200
    for kind in ("null", "planted", "deaf"):
        for name, values in found["p"][kind].items():
            assert found[kind][name] == sum(p <= LEVEL for p in values), name
    assert all(ALLOWED[0] <= wrong <= ALLOWED[1] for wrong in found["null"].values()), found["null"]
    assert all(right >= NEEDED for right in found["planted"].values()), found["planted"]
    assert not any(found["deaf"].values())
    assert set(found["null"]) == set(found["planted"])


def test_committed_controls_are_told_apart() -> None:
    folder = RESULTS / "emergence" / "emergence"
    records = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    assert set(records) == {"trained", "trained-muted", "untrained", "scripted-deaf", "told"}
    used = {name: finding(r, "listening to all messages (of another task)") for name, r in records.items()}
    assert [name for name in sorted(used) if used[name]["verdict"] == "coordination"] == ["told", "trained"]
    for name in ("scripted-deaf", "trained-muted"):
        assert all(edge["nats"] == 0.0 for edge in records[name]["graph"])
    heard = {edge["receiver"] for edge in records["told"]["graph"] if edge["nats"] > 0}
    assert heard == {"meta_learning"}
    assert (
        finding(records["scripted-deaf"], "signalling of the hidden task")["p"] <= LEVEL
    )  # said, but not heard
    assert finding(records["trained-muted"], "signalling of the hidden task")["p"] > LEVEL
    for name, record in records.items():
        information = {f["name"]: f["verdict"] for f in record["findings"]["information"]}
        if name in ("trained-muted", "scripted-deaf"):
            assert "coordination" not in information.values()
        else:
            assert set(information) >= {"O-information", "Psi"}


def cut_calibration(out: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A calibration of 200 teams, cut off at the fourth, with judges that take no time; whom it judged."""
    judged: list[int] = []

    def judge(index: int, layout: Layout) -> dict[str, dict[str, float]]:
        if len(judged) == 3:
            judged.append(-1)
            raise KeyboardInterrupt
        judged.append(index)
        p = index / 200
        return {"null": {"synergy": p}, "planted": {"synergy": p / 100}, "deaf": {}}

    monkeypatch.setattr(calibration, "p_values", judge)
    with pytest.raises(KeyboardInterrupt):
        calibration.main(["--out", str(out)])
    return judged


def test_a_calibration_goes_on_where_it_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "folder" / "x.json"
    judged = cut_calibration(out, monkeypatch)
    assert calibration.main(["--out", str(out)]) == 0
    assert judged == [0, 1, 2, -1, *range(3, 200)]
    found = json.loads(out.read_text())
    assert found["teams"] == len(found["p"]["null"]["synergy"]) == 200
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ({"versions": {**versions(), "mujoco": "3.14.0"}}, "kept of a calibration with mujoco 3.14.0 (here "),
        (None, "its versions are not recorded"),  # as calibrations of before kept their teams
    ],
)
def test_a_calibration_does_not_change_its_software_half_way(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    head: dict[str, Any] | None,
    told: str,
) -> None:
    out, partial = tmp_path / "x.json", tmp_path / "x.partial.jsonl"
    judged = cut_calibration(out, monkeypatch)
    first, *teams = partial.read_text().splitlines()
    assert json.loads(first) == {"versions": versions()}
    assert len(teams) == 3
    partial.write_text("".join(f"{line}\n" for line in [*([json.dumps(head)] if head else []), *teams]))
    kept = partial.read_text()
    assert calibration.main(["--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert f"{partial}: {told}" in said
    assert "move the file away to begin anew, or choose another --out" in said
    assert judged == [0, 1, 2, -1]  # nobody was judged with these packages
    assert partial.read_text() == kept
    assert not out.exists()


@pytest.mark.slow
def test_verdicts_are_calibrated_on_a_few_teams(layout: Layout) -> None:
    count = 12
    found = [p_values(10_000 + i, layout, ("null", "planted")) for i in range(count)]
    for name in found[0]["null"]:
        wrong = sum(team["null"][name] <= LEVEL for team in found)
        right = sum(team["planted"][name] <= LEVEL for team in found)
        assert wrong <= 4, name  # 1 in 6000 by chance
        assert right >= 8, name
