"""The documentation's pages against the code: tables against spaces and models, numbers against the game."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, parallel_env, single_agent_env
from ma_ssm_env.bodies import BODIES
from ma_ssm_env.options import TEAM_CONTROLS, TWIN_CONTROLS, Options
from ma_ssm_env.variations import BASE

DOCS = Path(__file__).resolve().parents[2] / "docs"
spec = importlib.util.spec_from_file_location("pages", DOCS / "pages.py")
pages = importlib.util.module_from_spec(spec)
sys.modules.setdefault("pages", pages)
spec.loader.exec_module(pages)

ORDER = [
    "Description",
    "Hidden task and reward",
    "Actions",
    "Observations",
    "Start state",
    "Termination",
    "Truncation",
    "Arguments",
    "Version history",
]


def tables(text):
    """Every Markdown table of `text`: its head and its rows."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n?)+", text, re.MULTILINE):
        lines = [line.strip("| ").split(" | ") for line in block.strip().split("\n")]
        lines = [[cell.strip() for cell in line] for line in lines]
        found.append((lines[0], lines[2:]))
    return found


def section(text, title, level=2):
    match = re.search(rf"^{'#' * level} {re.escape(title)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.M | re.S)
    assert match, title
    return match[1]


def body_of(name):
    return next(s for s in SCENARIOS.values() if s.body.name == name)


@pytest.mark.parametrize("name", BODIES)
def test_the_tables_of_a_body_are_those_of_its_model(name):
    (_, positions), (_, velocities), (_, torques) = tables(pages.module_of_body(body_of(name)))
    model, root = BODIES[name].load(), set(BODIES[name].root)
    owner = np.repeat(np.arange(model.njnt), np.diff([*model.jnt_qposadr, model.nq]))
    assert [row[1] for row in positions] == [model.joint(j).name for j in owner]
    assert [int(row[0]) for row in positions] == list(range(model.nq))
    assert [row[1] for row in velocities] == [model.joint(j).name for j in model.dof_jntid]
    assert [int(row[0]) for row in velocities] == list(range(model.nv))
    assert [row[1] for row in torques] == [model.joint(j).name for j in model.actuator_trnid[:, 0]]
    seen = {int(row[0]): row[4] for row in positions}
    of_body = [(i, s.variation.place) for i, s in SCENARIOS.items() if s.body.name == name]
    hidden = set() if all(place for _, place in of_body) else root  # a cart's place is always observed
    observed = [i for i in range(model.nq) if i not in hidden]
    assert [i for i, shown in seen.items() if shown == "-"] == sorted(hidden)
    assert [int(seen[i]) for i in observed] == list(range(len(observed)))
    env = single_agent_env(next(i for i, place in of_body if not (place and hidden)))
    fields = env.observation_fields()
    assert fields["positions"].stop - fields["positions"].start == len(observed)
    assert fields["velocities"].stop - fields["velocities"].start == len(velocities)
    assert env.action_space.shape == (len(torques),)
    units = {mujoco.mjtJoint.mjJNT_SLIDE: "m", mujoco.mjtJoint.mjJNT_HINGE: "rad"}
    for row, joint in zip(positions, owner, strict=True):
        if model.jnt_type[joint] in units:
            assert row[3] == units[model.jnt_type[joint]], row
    for row, i in zip(torques, range(model.nu), strict=True):
        low, high = model.actuator_ctrlrange[i]
        assert row[2] == f"{low:g} to {high:g}"
        assert float(row[3].split()[0]) == pytest.approx(model.actuator_gear[i, 0] * high)


def test_a_page_has_its_parts_in_order_and_its_tables_are_those_of_the_spaces(scenario):
    text = pages.scenario_page(scenario)
    assert re.findall(r"^## (.*)$", text, re.M) == ORDER
    assert f"# {scenario}\n\n![{scenario}](../pictures/thumbs/{scenario}.webp)" in text
    env, twin = parallel_env(scenario), single_agent_env(scenario)
    ((head, acts),) = tables(section(text, "Actions"))
    assert head == ["agent", "field", "slice", "numbers", "range", "what it is"]
    for agent in env.possible_agents:
        mine = [row for row in acts if row[0] == agent]
        assert sum(int(row[3]) for row in mine) == env.action_space(agent).shape[0]
    for agent, space in [(a, env.observation_space(a)) for a in env.possible_agents] + [
        ("The single-agent twin", twin.observation_space)
    ]:
        ((_, rows),) = tables(section(section(text, "Observations"), agent, 3))
        at = 0
        for _, where, numbers, span, meaning in rows:
            start, _, stop = where.partition(":")
            assert (int(start), int(stop or int(start) + 1)) == (at, at + int(numbers))
            high = np.inf if span == "unbounded" else float(span.split()[-1])
            assert (space.high[at : at + int(numbers)] == np.float32(high)).all()
            assert meaning
            at += int(numbers)
        assert at == space.shape[0]
    known = SCENARIOS[scenario]
    law, body = section(text, "Hidden task and reward"), known.body
    stock = (
        f"reward = {body.forward_weight:g} v_x + {body.alive_bonus:g} [healthy] - {body.control_cost:g} |a|^2"
    )
    assert (stock in law) == (known.variation.reward is BASE.reward)
    assert f"{known.episodes_per_trial} inner episodes of {known.horizon} steps" in text
    for term in known.variation.terms:
        assert f"`reward_{term}`" in text
    ((_, options),) = tables(section(text, "Arguments"))
    assert [row[0].strip("`") for row in options] == list(Options.__dataclass_fields__)
    assert section(text, "Version history").strip().startswith(f"- {scenario.rpartition('-')[2]}: ")


def test_every_scenario_is_in_the_index_with_its_picture():
    text = pages.scenario_index()
    for id in SCENARIOS:
        assert f"[![{id}](../pictures/thumbs/{id}.webp) {id}]({id}.md)" in text
        size = (DOCS / "pictures" / "thumbs" / f"{id}.webp").stat().st_size
        assert 300 < size <= 12_000, f"{id}: python docs/thumbnails.py"


def test_every_law_has_its_formula_on_the_page():
    for id, known in SCENARIOS.items():
        assert "reward" in pages.module_of_law(known), id
        assert known.variation.name in pages.module_of_law(known), id


def test_the_worked_sequences_are_played_for_real():
    game = (DOCS / "game.md").read_text()
    sequences = pages.worked_sequences()
    assert set(re.findall(r"<!-- sequence:(\w+) -->", game)) == set(sequences)
    assert pages.with_sequences(game, sequences) == game, "python docs/pages.py writes the tables anew"
    # What the page says in words about them.
    observed, done = tables(sequences["messages"]())
    assert [row[5] for row in observed[1]][:1] == ["0"]
    assert float(done[1][0][7].split(",")[0]) == pytest.approx(0.5 + 0.5 * 0.4)
    assert float(done[1][1][7].split(",")[0]) == pytest.approx(0.5 + 0.4)
    assert observed[1][4][5] == "0", "nothing arrives at rate -1"
    for row in done[1]:
        assert float(row[10]) == pytest.approx(float(row[8]) - float(row[9]), abs=0.0011)


def test_the_compatibility_page_is_that_of_the_scripts_and_the_last_run():
    text = (DOCS / "compatibility.md").read_text()
    assert text == pages.compatibility_page(), "python docs/pages.py writes it anew"
    scripts = {p.stem for p in (DOCS.parent / "tests" / "consumers").glob("*.py")} - {"run"}
    results = json.loads((DOCS / "consumers.json").read_text())
    assert scripts == set(results) == set(json.loads((DOCS / "consumers_notes.json").read_text()))
    for name in scripts:
        lines = pages.user_lines(name)
        assert "import ma_ssm_env" in lines, name
        assert f"```python\n{lines}\n```" in text
        assert results[name]["outcome"] == "passed", name
        pinned = (DOCS.parent / "tests" / "consumers" / "requirements" / f"{name}.txt").read_text().lower()
        for package, version in results[name]["versions"].items():
            version = version.partition("+")[0]
            pin = rf"^{re.escape(package.lower())}(\[\w+\])?=={re.escape(version)}$"
            assert re.search(pin, pinned, re.M), (name, package)


def test_the_lines_of_the_twin_page_run():
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "twin.md").read_text(), re.S)
    exec(compile(code, "twin.md", "exec"), {})


def test_the_page_of_the_twin_tells_of_every_option_of_controls():
    rows = re.findall(r"^\| `(\w+)=\S+` \| the (\w+) \|.*\| (\S+) \|$", (DOCS / "twin.md").read_text(), re.M)
    assert {name for name, of, _ in rows if of == "twin"} == TWIN_CONTROLS
    assert {name for name, of, _ in rows if of == "team"} == TEAM_CONTROLS


def test_the_lines_of_the_page_of_the_game_print_what_it_says(capsys):
    ((code, said),) = re.findall(
        r"```python\n(.*?)```\n\nprints `(.*?)`", (DOCS / "game.md").read_text(), re.S
    )
    exec(compile(code, "game.md", "exec"), {})
    assert capsys.readouterr().out.strip() == said


@pytest.mark.parametrize(
    ("id", "law"), [("Ant-v0", "w_forward v_x"), ("PointDir-v0", "w_speed v . (cos, sin)")]
)
def test_a_formula_that_begins_the_text_of_a_law_stays_code(id, law):
    assert f"\n\n    reward = {law}" in pages.scenario_page(id)
