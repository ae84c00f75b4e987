"""The runner: what is planned, what one run records, and that nothing finished is lost."""

import dataclasses
import json
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import baselines.sb3
import baselines.vec_env
import benchmarks
from benchmarks.failures import read_failures
from benchmarks.record_store import find_record, read_records, record_path, write_record
from benchmarks.records import record_key
from benchmarks.report.__main__ import main as report
from benchmarks.run import main
from benchmarks.runner import local
from benchmarks.runner.execute import _Evaluator, execute, plan
from benchmarks.runner.methods import METHODS, Job, Method, find_methods
from benchmarks.runner.schedule import Done, _say_unfinished, run_all
from benchmarks.runner.software import commit, differing, disagreement, versions
from benchmarks.runner.suites import SUITES, Suite, find_suite
from benchmarks.runner.unfinished import Unfinished
from ma_ssm_env import SCENARIOS, neutral_policy, random_policy
from ma_ssm_env.evaluation import evaluate
from policies.config import TUNED, tuned
from policies.game import Game

TINY = Suite("tiny", ("PointDir-v0",), ("random", "mono-mlp", "team-s5"), 2, 500, (250, 500), 2)


# -- suites and plans -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", list(SUITES.values()), ids=list(SUITES))
def test_a_plan_is_complete_and_longest_first(suite):
    runs = plan(suite, "command")
    methods = find_methods(suite.methods)
    wanted = {(s, m, i) for s in suite.scenarios for m in methods for i in range(suite.seeds)}
    assert len(runs) == len(wanted)
    assert {(run.scenario, run.method, run.seed) for run in runs} == wanted
    assert len({record_key(run) for run in runs}) == len(runs)
    costs = [METHODS[run.method].cost for run in runs]
    assert costs == sorted(costs, reverse=True)
    assert runs == plan(suite, "another command")
    for run in runs:
        budget, judged = suite.of(run.method, METHODS[run.method].kind)
        assert (run.budget, run.suite, run.command) == (budget, suite.name, "command")
        assert run.configuration["judged"] == list(judged)
        assert run.configuration["curve_points"] == suite.curve_points


@pytest.mark.parametrize("suite", list(SUITES.values()), ids=list(SUITES))
def test_a_suite_names_what_exists_and_judges_at_its_budget(suite):
    assert set(suite.scenarios) <= set(SCENARIOS)
    assert set(find_methods(suite.methods)) <= set(METHODS)
    assert suite.methods == ("all",) or find_methods(suite.methods) == list(suite.methods)
    assert suite.judged[-1] == suite.budget
    assert list(suite.judged) == sorted(set(suite.judged))
    assert find_suite(suite.name) is suite


def test_what_makes_a_run_is_in_its_key():
    changed = [
        TINY,
        dataclasses.replace(TINY, budget=501),
        dataclasses.replace(TINY, judged=(500,)),
        dataclasses.replace(TINY, curve_points=3),
    ]
    keys = [record_key(run) for suite in changed for run in plan(suite, "")]
    assert len(set(keys)) == len(keys)
    renamed = plan(dataclasses.replace(TINY, name="other"), "")
    assert [record_key(run) for run in renamed] == keys[: len(renamed)]


def test_tuned_settings_are_in_the_configuration():
    configuration = METHODS["team-s5-full"].configuration("PointDir-v0", 7)
    assert configuration["steps"] == 7
    assert configuration["options"] == {"observability": "full"}
    assert configuration["ppo"].items() >= TUNED["PointDir-v0"].items()
    theirs = METHODS["sb3-ppo"].configuration("PointDir-v0", 7)
    assert theirs.items() >= baselines.sb3.TUNED["PointDir-v0"].items()


@pytest.mark.parametrize("scenario", list(baselines.sb3.TUNED))
def test_the_baselines_tuned_lines_name_scenarios_and_settings(scenario):
    assert scenario in SCENARIOS
    fields = {field.name for field in dataclasses.fields(baselines.sb3.Sb3PpoConfig)}
    assert set(baselines.sb3.TUNED[scenario]) <= fields
    found = dataclasses.asdict(baselines.sb3.sb3_ppo_config(scenario))
    assert found.items() >= baselines.sb3.TUNED[scenario].items()


def test_names_that_are_unknown_are_refused_and_doubles_dropped():
    with pytest.raises(ValueError, match="method 'mono': unknown; one of random, zero"):
        find_methods(["random", "mono"])
    with pytest.raises(ValueError, match="suite 'slow': unknown; one of quick"):
        find_suite("slow")
    assert find_methods(["zero", "random", "zero"]) == ["zero", "random"]


# -- one run --------------------------------------------------------------------------------------------


def run_of(method, **changes):
    suite = dataclasses.replace(TINY, methods=(method,), seeds=1, **changes)
    return plan(suite, "")[0]


def test_the_evaluator_judges_at_the_first_checkpoint_at_or_past_each_count(monkeypatch):
    played = []

    def fake(scenario, players, *, split, trials, **options):
        played.append((split, trials, players))
        return evaluate(scenario, neutral_policy(2), split=split, trials=trials, horizon=2, **options)

    monkeypatch.setattr("benchmarks.runner.execute.evaluate", fake)
    evaluator = _Evaluator(run_of("mono-mlp", budget=1000), {}, [300, 400, 1000], [250, 500, 750, 1000])
    for steps in (200, 260, 450, 760, 1040):
        evaluator(steps, "mode", "sampled")
    assert [point.steps for point in evaluator.curve] == [260, 760, 1040]
    assert [(e.steps, e.actions) for e in evaluator.evaluations] == [
        (450, "mode"),
        (1040, "mode"),
        (1040, "sampled"),
    ]
    assert all(e.split == "test" for e in evaluator.evaluations)
    assert played == [
        ("validation", 2, "mode"),
        ("test", 5, "mode"),
        ("validation", 2, "mode"),
        ("validation", 2, "mode"),
        ("test", 5, "mode"),
        ("test", 5, "sampled"),
    ]


@pytest.mark.parametrize("method", ["mono-mlp", "team-s5", "sb3-ppo"])
def test_steps_charged_are_steps_taken(method, monkeypatch):
    taken, told = 0, []

    def counted(step):
        def wrapper(self, *arguments):
            nonlocal taken
            taken += self.num_worlds if isinstance(self, Game) else self.num_envs
            return step(self, *arguments)

        return wrapper

    monkeypatch.setattr(Game, "step", counted(Game.step))
    twin = baselines.vec_env.BatchVecEnv
    monkeypatch.setattr(twin, "step_wait", counted(twin.step_wait))
    record = execute(run_of(method), told.append)
    assert record.result.charged_steps == taken >= 500
    assert told[-1] == taken
    assert [e.steps for e in record.result.evaluations][-1] == taken
    assert record.timings.train_steps_per_cpu_s > 0
    assert set(record.result.parameters) == {"actor", "critic"}


def test_a_floor_is_charged_nothing_and_evaluated_once():
    record = execute(run_of("random"), lambda steps: None)
    result = record.result
    assert (result.charged_steps, result.parameters, result.curve) == (0, {}, ())
    (evaluation,) = result.evaluations
    assert (evaluation.steps, evaluation.split, evaluation.actions) == (0, "test", "mode")
    assert np.array_equal(evaluation.array(), evaluate("PointDir-v0", random_policy(2)).returns)
    assert record.timings.train_steps_per_cpu_s is None
    tasks = np.array(evaluation.tasks)
    assert tasks.shape == (20, 1)
    np.testing.assert_allclose(tasks[:, 0], np.linspace(-0.95, 0.95, 20))


def test_a_record_does_not_name_the_machine():
    text = json.dumps(execute(run_of("zero"), lambda steps: None).to_json())
    assert platform.node() not in text
    assert os.path.expanduser("~") not in text or os.path.expanduser("~") == "/"


@pytest.mark.parametrize("method", ["mono-mlp-oracle", "team-s5-muted"])
def test_players_are_evaluated_in_the_game_that_they_trained_in(method):
    handed = []
    METHODS[method].run(
        Job("PointDir-v0", 3, 100, (100,)), lambda *given: handed.append(given), lambda steps: None
    )
    ((steps, mode, sampled),) = handed
    options = METHODS[method].evaluation_options
    short = {"horizon": 3, "trials": 1, **options}
    found = evaluate("PointDir-v0", mode, **short)
    assert np.array_equal(found.returns, evaluate("PointDir-v0", mode, policy_seed=1, **short).returns)
    assert not np.array_equal(found.returns, evaluate("PointDir-v0", sampled, **short).returns)
    assert not found.bits.any()  # an oracle does not talk, and a muted team is not heard
    assert steps >= 100


# -- many runs, in this process -------------------------------------------------------------------------


class Here:
    """In place of a multiprocessing context: a "process" runs where it is started, and is over at once."""

    def __init__(self):
        self.order = []

    def Pipe(self, duplex):
        return multiprocessing.Pipe(duplex)

    def Process(self, target, args, daemon):
        assert daemon
        return HereProcess(self, target, args)


class HereProcess:
    def __init__(self, context, target, args):
        self.context, self.target, self.args, self.exitcode = context, target, args, None

    def start(self):
        run = self.args[0]
        self.context.order.append((run.method, run.seed))
        if run.method == "killed":
            self.exitcode = -9
            return  # its pipe ends when the scheduler closes the other end, as with a process that dies
        try:
            self.target(*self.args)
            self.exitcode = 0
        except SystemExit as error:
            self.exitcode = error.code

    def is_alive(self):
        return False

    def join(self):
        pass

    def terminate(self):
        raise AssertionError("nothing runs any more")


@pytest.fixture
def here(monkeypatch):
    context = Here()
    monkeypatch.setattr(local.multiprocessing, "get_context", lambda method: context)

    def talks_and_fails(job, report, progress):
        for steps in range(0, job.budget, 50):
            progress(steps)
        raise FloatingPointError("loss is nan after 7 updates")

    failing = Method(5.0, lambda scenario, budget: {"kind": "failing"}, talks_and_fails)
    monkeypatch.setitem(METHODS, "failing", failing)
    monkeypatch.setitem(METHODS, "killed", dataclasses.replace(failing, cost=4.0))
    return context


def floors(*methods, seeds=2):
    return plan(dataclasses.replace(TINY, methods=methods, seeds=seeds), "")


def test_every_run_is_done_once_in_the_order_of_the_plan(tmp_path, here):
    runs = floors("zero", "random")
    assert run_all(runs, tmp_path, 2) == Done(0, 4, {})
    assert here.order == [(run.method, run.seed) for run in runs]
    assert {record.run.method for record in read_records(tmp_path)} == {"zero", "random"}


def test_what_is_finished_is_reused(tmp_path, here, capsys):
    first = floors("zero")
    run_all(first, tmp_path, 1)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}
    assert run_all(floors("zero", "random"), tmp_path, 1) == Done(2, 2, {})
    assert "2 of 4 runs are already in" in capsys.readouterr().out
    assert run_all(floors("zero", "random"), tmp_path, 1) == Done(4, 0, {})
    assert here.order == [("zero", 0), ("zero", 1), ("random", 0), ("random", 1)]
    for name, when in before.items():
        assert (tmp_path / "records" / name).stat().st_mtime_ns == when


def of_other_versions(directory, run):
    """Change the record of `run` to one that was made with another MuJoCo."""
    path = record_path(directory, run)
    data = json.loads(path.read_text())
    data["versions"]["mujoco"] = "3.14.0"
    path.write_text(json.dumps(data))


def test_records_of_other_versions_are_not_mixed_unasked(tmp_path, here, monkeypatch, capsys):
    monkeypatch.setitem(SUITES, "small", dataclasses.replace(TINY, methods=("zero",), seeds=2))
    arguments = ["--suite", "small", "--out", str(tmp_path), "--jobs", "1"]
    assert main([*arguments, "--seeds", "1"]) == 0
    of_other_versions(tmp_path, floors("zero", seeds=1)[0])
    capsys.readouterr()
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "1 with mujoco 3.14.0 (here " in said
    assert "say --allow-mixed" in said
    assert len(here.order) == 1  # nothing was run
    assert main([*arguments, "--allow-mixed"]) == 0
    said = capsys.readouterr()
    assert "1 with mujoco 3.14.0" in said.err
    assert "1 runs finished, 1 reused" in said.out


def test_versions_differ_by_release_alone():
    here = versions()
    assert differing(here) == ""
    assert differing({}) == ""
    assert differing({**here, "python": "3.99", "unheard-of": "1"}) == ""
    assert differing({**here, "torch": here["torch"].partition("+")[0] + "+cu999"}) == ""
    assert differing({**here, "numpy": "1.0"}) == f"numpy 1.0 (here {here['numpy']})"
    one = {"python": "3.11", "torch": "2.1+cpu", "numpy": "2"}
    assert disagreement([one, {}, {**one, "python": "3.12", "torch": "2.1+cu999", "mujoco": "4"}]) == ""
    assert disagreement([one, {**one, "numpy": "1"}, one]) == "numpy 1 / 2"


def test_the_commit_is_told_and_changes_to_it(tmp_path):
    def git(*words):
        named = ("-c", "user.name=a", "-c", "user.email=a@b")
        made = subprocess.run(["git", "-C", str(tmp_path), *named, *words], check=True, capture_output=True)
        return made.stdout.decode().strip()

    assert commit(tmp_path) == {}
    git("init", "-q")
    (tmp_path / "code.py").write_text("1")
    git("add", ".")
    git("commit", "-qm", "one")
    git("tag", "v1")  # a tag can move: the commit is told
    head = git("rev-parse", "HEAD")[:12]
    assert commit(tmp_path) == {"commit": head}
    (tmp_path / "untracked.json").write_text("{}")
    assert commit(tmp_path) == {"commit": head}
    (tmp_path / "code.py").write_text("2")
    assert commit(tmp_path) == {"commit": f"{head}+"}
    (tmp_path / "elsewhere").mkdir()
    assert (
        commit(tmp_path / "elsewhere") == {}
    )  # an installed copy that happens to lie inside somebody's checkout
    (tmp_path / "elsewhere" / ".git").write_text("gitdir: nowhere")
    assert commit(tmp_path / "elsewhere") == {}


def test_a_record_tells_the_commit_which_refuses_nothing(tmp_path, here, monkeypatch):
    told = iter(("aaa", "bbb"))
    monkeypatch.setattr("benchmarks.runner.execute.commit", lambda: {"commit": next(told)})
    for run in floors("zero", seeds=2):
        write_record(tmp_path, execute(run, lambda steps: None))
    assert [record.versions["commit"] for record in read_records(tmp_path)] == ["aaa", "bbb"]
    assert run_all(floors("zero", seeds=2), tmp_path, 1) == Done(2, 0, {})


def test_a_restart_says_what_it_reuses_and_what_goes_on(tmp_path, here, capsys):
    run_all(floors("zero"), tmp_path, 1)
    started = plan(dataclasses.replace(TINY, methods=("mono-mlp",), seeds=1), "")[0]
    place = Unfinished(tmp_path, started, 0.0)
    place.keep(250, lambda folder: None, dict)
    capsys.readouterr()
    with pytest.raises(KeyError):  # there is nothing in that state to go on from: only what is said counts
        execute(started, lambda steps: None, place)
    _say_unfinished([started], tmp_path)
    run_all(floors("zero", "random"), tmp_path, 1)
    said = capsys.readouterr().out
    assert f"goes on from step 250 of 500: {record_key(started)}" in said
    assert "2 of 4 runs are already in" in said
    assert "are reused: zero 2" in said


def test_a_damaged_record_is_done_again(tmp_path, here):
    (run,) = floors("zero", seeds=1)
    run_all([run], tmp_path, 1)
    record_path(tmp_path, run).write_text("{")
    with pytest.warns(UserWarning, match="damaged"):
        assert run_all([run], tmp_path, 1) == Done(0, 1, {})
    assert find_record(tmp_path, run) is not None


def test_a_failure_is_told_with_its_reason_and_stops_no_other(tmp_path, here, capfd):
    runs = floors("zero", "failing", seeds=2)
    done = run_all(runs, tmp_path, 1)
    assert (done.reused, done.finished) == (0, 2)
    assert set(done.failed) == {record_key(run) for run in runs if run.method == "failing"}
    for reason in done.failed.values():  # what a worker said last counts, however much it said before
        assert "FloatingPointError: loss is nan after 7 updates" in reason
    assert "FloatingPointError: loss is nan after 7 updates" in capfd.readouterr().out
    told = read_failures(tmp_path)
    assert {record_key(f.run): f.reason for f in told} == done.failed
    assert [f.versions for f in told] == [versions()] * 2
    assert here.order[2:] == [("zero", 0), ("zero", 1)]


def test_a_run_that_failed_and_is_done_later_is_no_failure_any_more(tmp_path, here, monkeypatch):
    runs = floors("failing", seeds=1)
    run_all(runs, tmp_path, 1)
    assert len(list((tmp_path / "failed").iterdir())) == 1
    mended = dataclasses.replace(METHODS["failing"], run=METHODS["zero"].run, trains=False)
    monkeypatch.setitem(METHODS, "failing", mended)
    assert run_all(runs, tmp_path, 1) == Done(0, 1, {})
    assert list((tmp_path / "failed").iterdir()) == []


def test_a_process_that_dies_takes_its_own_run_alone(tmp_path, here):
    runs = floors("zero", "killed", seeds=1)
    done = run_all(runs, tmp_path, 1)
    assert done.finished == 1
    assert done.failed == {record_key(runs[0]): "its process ended with exit code -9"}


def test_the_command_says_what_failed(tmp_path, here, monkeypatch, capsys):
    monkeypatch.setitem(SUITES, "mixed", dataclasses.replace(TINY, methods=("failing", "zero"), seeds=1))
    assert main(["--suite", "mixed", "--out", str(tmp_path), "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert "1 runs finished, 0 reused, 1 failed; records: " in said.out
    assert "failed: PointDir-v0--failing--seed0--" in said.err
    assert "FloatingPointError: loss is nan after 7 updates" in said.err
    assert main(["--suite", "mixed", "--out", str(tmp_path), "--jobs", "1", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["finished"], told["reused"], told["records"]) == (0, 1, f"{tmp_path}/records")
    assert ["failing" in key for key in told["failed"]] == [True]


def test_the_command_can_ask_for_less(tmp_path, here, capsys):
    arguments = ["--suite", "smoke", "--out", str(tmp_path), "--jobs", "1", "--seeds", "3"]
    assert main([*arguments, "--methods", "zero", "random", "zero"]) == 0
    assert sorted(here.order) == sorted((m, s) for m in ("zero", "random") for s in range(3))
    (command,) = {record.run.command for record in read_records(tmp_path)}
    assert command.endswith(f"--suite smoke --out {tmp_path.name} --seeds 3 --methods zero random zero")
    assert str(tmp_path.parent) not in command  # a record says nothing of the machine's folders


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "slow"], "suite 'slow': unknown; one of quick"),
        (["--suite", "smoke", "--seeds", "0"], "--seeds 0: at least 1 is expected"),
        (["--suite", "smoke", "--jobs", "0"], "--jobs 0: at least 1 is expected"),
        (["--suite", "smoke", "--methods", "random", "sb3"], "method 'sb3': unknown; one of random"),
    ],
)
def test_bad_arguments(arguments, message, tmp_path, capsys):
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["--suite", "smoke"], ["--out", "x", "--suite"], ["--jobs", "two"]]
)
def test_arguments_that_do_not_parse(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m benchmarks.run" in capsys.readouterr().err


# -- many runs, in processes ----------------------------------------------------------------------------

METHODS_OF_SMOKE = ("random", "mono-mlp", "team-s5")
SMOKE = ["--suite", "smoke", "--jobs", "2", "--seeds", "1", "--methods", *METHODS_OF_SMOKE]


def contents(directory):
    """The records by name, without what may differ between two machines, hours or folders."""
    found = {}
    for path in sorted((directory / "records").glob("*.json")):
        data = json.loads(path.read_text())
        del data["timings"], data["run"]["command"]
        found[path.name] = data
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A folder in which the smoke suite ran from beginning to end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert main([*SMOKE, "--out", str(folder)]) == 0
    return folder


def test_a_suite_in_processes_gives_records_that_can_be_reported(undisturbed, capsys):
    records = read_records(undisturbed)
    settings = tuned("PointDir-v0")
    iteration = settings.num_worlds * settings.rollout
    half, whole = (-(-steps // iteration) * iteration for steps in (2000, 4000))
    assert sorted(record.run.method for record in records) == sorted(METHODS_OF_SMOKE)
    for record in records:
        last = record.result.evaluations[-1]
        assert last.array().shape == (20, 5, 2)
        assert np.isfinite(last.array()).all()
        if record.run.method != "random":
            assert record.result.charged_steps == whole
            assert [point.steps for point in record.result.curve] == sorted({half, whole})
            judged = [(e.steps, e.actions) for e in record.result.evaluations]
            assert judged == [(whole, "mode"), (whole, "sampled")]
    assert main([*SMOKE, "--out", str(undisturbed)]) == 0
    assert "0 runs finished, 3 reused, 0 failed" in capsys.readouterr().out
    assert report([str(undisturbed), "--no-beside"]) == 0
    page = (undisturbed / "report" / "index.html").read_text()
    assert all(method in page for method in METHODS_OF_SMOKE)


def test_a_run_in_a_process_gives_the_same_bits_as_one_here(undisturbed):
    (there,) = [r for r in read_records(undisturbed) if r.run.method == "mono-mlp"]
    again = execute(there.run, lambda steps: None)
    assert again.to_json()["result"] == there.to_json()["result"]


@pytest.mark.slow
def test_a_killed_suite_goes_on_and_ends_with_the_same_records(undisturbed, tmp_path):
    root = Path(benchmarks.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.run", *SMOKE, "--out", str(tmp_path)],
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that its workers can be killed with it
    )
    try:
        while not contents(tmp_path):
            assert process.poll() is None, "the suite ended without a record"
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    kept = contents(tmp_path)
    assert 1 <= len(kept) < len(METHODS_OF_SMOKE)
    times = {name: (tmp_path / "records" / name).stat().st_mtime_ns for name in kept}
    assert main([*SMOKE, "--out", str(tmp_path)]) == 0
    assert contents(tmp_path) == contents(undisturbed)
    for name, when in times.items():
        assert (tmp_path / "records" / name).stat().st_mtime_ns == when
    assert not (tmp_path / "records" / "damaged").exists()


@pytest.mark.slow
def test_a_failing_run_in_a_process_is_told_and_stops_no_other(tmp_path, monkeypatch, capsys):
    suite = dataclasses.replace(TINY, scenarios=("Nowhere-v0",), methods=("mono-mlp",), seeds=1)
    good = dataclasses.replace(TINY, methods=("random",), seeds=1)
    monkeypatch.setattr(
        "benchmarks.run.plan", lambda _, command: [*plan(suite, command), *plan(good, command)]
    )
    assert main(["--suite", "smoke", "--out", str(tmp_path), "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert "1 runs finished, 0 reused, 1 failed" in said.out
    assert "ValueError: Nowhere-v0: unknown scenario" in said.err
    assert [record.run.method for record in read_records(tmp_path)] == ["random"]


def test_a_run_equals_another_in_all_but_suite_and_command():
    a, b = run_of("random"), dataclasses.replace(run_of("random"), suite="x", command="y")
    assert a == b
    assert record_key(a) == record_key(b)
