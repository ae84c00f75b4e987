"""Check a built wheel: `python .ci/check_wheel.py dist/*.whl`.

It holds ma_ssm_env and nothing else, complete with its data files; no module of it imports a learning
library; and, installed by itself, it imports with nothing but its declared dependencies.
"""

import ast
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ma_ssm_env"
FORBIDDEN = {"torch", "stable_baselines3", "sb3_contrib", "supersuit", "policies", "baselines", "benchmarks"}
# Installed beside it by the extras, but no dependencies of the wheel.
UNDECLARED = {"safetensors", "tyro", "tqdm", "matplotlib", "scipy", "imageio", "hypothesis", "pytest"}

IMPORT_ALL = """
import importlib, pkgutil, sys
target, package, *blocked = sys.argv[1:]
sys.path.insert(0, target)
sys.modules.update(dict.fromkeys(blocked))
top = importlib.import_module(package)
names = [m.name for m in pkgutil.walk_packages(top.__path__, package + ".")]
names = [n for n in names if not n.endswith(".__main__")]
for name in [package, *names]:
    where = importlib.import_module(name).__file__
    assert where.startswith(target), f"{name} was imported from {where}"
print(f"imported {1 + len(names)} modules, version {top.__version__}")
"""


def imported_names(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


def check(wheel):
    errors = []
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if not n.endswith("/")}
        shipped = {n for n in names if n.startswith(PACKAGE + "/")}
        dist_info = {n for n in names if n.split("/")[0].endswith(".dist-info")}
        errors += [f"does not belong into the wheel: {n}" for n in sorted(names - shipped - dist_info)]
        for name in sorted(n for n in shipped if n.endswith(".py")):
            found = FORBIDDEN.intersection(imported_names(archive.read(name)))
            errors += [f"{name} imports {module}" for module in sorted(found)]
    present = {
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / PACKAGE).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts and p.name != "MUJOCO_LOG.TXT"
    }
    errors += [f"missing from the wheel: {n}" for n in sorted(present - shipped)]
    data = sorted(n for n in shipped if n.endswith(".json"))
    if not data:
        errors.append(f"no data file ({PACKAGE}/**/*.json) in the wheel")

    with tempfile.TemporaryDirectory() as target:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, "--no-deps", "--no-index", "--target", target, wheel], check=True)
        blocked = sorted(FORBIDDEN | UNDECLARED)
        # -I: neither the working directory nor the environment adds to the import path.
        command = [sys.executable, "-I", "-c", IMPORT_ALL, target, PACKAGE, *blocked]
        if subprocess.run(command, cwd=target).returncode != 0:
            errors.append("the installed wheel does not import by itself (see above)")
    if not errors:
        print(f"{wheel.name}: {len(shipped)} files, {len(data)} of them data: ok")
    return errors


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check_wheel.py WHEEL")
    problems = check(Path(sys.argv[1]).resolve())
    if problems:
        sys.exit("\n".join(problems))
