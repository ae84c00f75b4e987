"""The consumers that need nothing but this project's own dependencies; `make consumers` runs all of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("name", ["gymnasium_vector", pytest.param("supersuit_sb3", marks=pytest.mark.slow)])
def test_consumer(name, tmp_path):
    ran = subprocess.run(
        [sys.executable, HERE / "consumers" / f"{name}.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert '{"ran": ' in ran.stdout
