"""A suite on a local Ray of several processes, one of which is killed in mid-run: the same records.

Ray is an extra of about 240 MB that nothing else needs, so this runs where it is installed:
`pip install -e .[ray]`, then `python -m pytest tests/benchmarks/runner/test_on_ray.py`.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.run import main

pytestmark = pytest.mark.slow

SMOKE = ["--suite", "smoke", "--seeds", "1", "--methods", "zero", "mono-mlp", "sb3-ppo"]


def contents(directory):
    """The records by name, without the blocks of timings and host, and the command."""
    found = {}
    for path in sorted((directory / "records").glob("*.json")):
        data = json.loads(path.read_text())
        del data["timings"], data["run"]["command"]
        found[path.name] = data
    return found


def kill_a_worker(directory, killed, stop):
    """Once a run has kept a state, kill -9 the process of a Ray worker that is doing one."""
    while not stop.is_set():
        if list(directory.glob("unfinished/*/state-*")):
            for entry in Path("/proc").iterdir():
                try:
                    command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                except OSError:
                    continue
                if command.startswith(b"ray::_work"):
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed.append(int(entry.name))
                    return
        time.sleep(0.02)


def test_a_worker_killed_in_mid_run_changes_no_record(tmp_path, capsys):
    pytest.importorskip("ray", reason="Ray is an extra of this project: pip install -e .[ray]")
    assert main([*SMOKE, "--jobs", "2", "--out", str(tmp_path / "local")]) == 0
    killed, stop = [], threading.Event()
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "ray", killed, stop), daemon=True)
    killer.start()
    arguments = [*SMOKE, "--backend", "ray", "--jobs", "2", "--keep-every", "0"]
    try:
        assert main([*arguments, "--out", str(tmp_path / "ray")]) == 0
    finally:
        stop.set()
        killer.join()
    assert killed
    assert "3 runs finished, 0 reused, 0 failed" in capsys.readouterr().out
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert not list((tmp_path / "ray").glob("unfinished/*"))


def test_without_ray_the_remedy_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "benchmarks.runner.on_ray", raising=False)
    assert main([*SMOKE, "--backend", "ray", "--out", str(tmp_path)]) == 2
    assert "pip install -e .[ray]" in capsys.readouterr().err
