"""Make `.venv`, or bring it up to date: `python3 .ci/setup_env.py` (what `make setup` calls).

Needs Python >= 3.11 and nothing else. A stamp in `.venv` makes a second call instant; an installation that
was killed half-way is thrown away and made again.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".ma-ssm-env-done"
UNDER_WAY = VENV / ".ma-ssm-env-under-way"
PACKAGES = ("ma_ssm_env", "policies", "baselines", "benchmarks")
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def say(text):
    print(f"[setup] {text}", flush=True)


def fail(text):
    sys.exit(f"[setup] ERROR: {text}")


def nvidia_driver():
    if Path("/proc/driver/nvidia/version").exists():
        return True
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def fingerprint(gpu):
    """What the contents of .venv depend on (its scripts hold the path of the tree)."""
    inputs = ["pyproject.toml", "constraints.txt", "ma_ssm_env/version.py", ".ci/setup_env.py"]
    digest = hashlib.sha256(repr((sys.version_info[:3], gpu, str(ROOT))).encode())
    for name in inputs:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def ask(code):
    """The output of a line of Python in .venv; None if it cannot run."""
    try:
        done = subprocess.run([PYTHON, "-I", "-c", code], capture_output=True, text=True, cwd=VENV)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def pip_install(*arguments, tries=2):
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", *arguments]
    for attempt in range(1, tries + 1):
        say("pip install " + " ".join(arguments))
        if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode == 0:
            return True
        if attempt < tries:
            say("that failed: once more in 5 seconds, in case it was the network")
            time.sleep(5)
    return False


def make_venv():
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    if UNDER_WAY.exists():
        say("an earlier set-up did not end: .venv is made anew")
        shutil.rmtree(VENV)
    elif VENV.exists():
        found = ask("import sys, pip; print(*sys.version_info[:2], sep='.')")
        if found == wanted:
            say("bringing the existing .venv up to date")
        else:
            say(f"the existing .venv has Python {found or '(broken)'}, not {wanted}: it is made anew")
            shutil.rmtree(VENV)
    new = not VENV.exists()
    VENV.mkdir(exist_ok=True)
    STAMP.unlink(missing_ok=True)
    UNDER_WAY.touch()
    if new:
        base = getattr(sys, "_base_executable", None) or sys.executable
        say(f"creating .venv with {base} (Python {sys.version.split()[0]})")
        if subprocess.run([base, "-m", "venv", VENV], stdin=subprocess.DEVNULL).returncode != 0:
            fail("python -m venv failed (see above)")


def install_torch(version, gpu):
    """Torch first and alone, so that a machine without a GPU does not get gigabytes of CUDA libraries.

    Its dependencies come with everything else, in the next step.
    """
    wheel = ("--only-binary", ":all:", "--no-deps")
    cpu = f"torch=={version}+cpu"  # on an index that has no CPU build under this name, nothing matches
    if gpu:
        say("NVIDIA driver found: the plain torch release")
        # `===`: the release of exactly this name, even if a CPU build is on offer as well.
        return pip_install(*wheel, f"torch==={version}")
    if not sys.platform.startswith("linux"):
        return pip_install(*wheel, f"torch=={version}")  # has no CUDA in it there
    say("no NVIDIA driver: the CPU build of torch")
    if pip_install(*wheel, cpu, tries=1):
        return True
    say("not on the configured package index (the error above is harmless): trying PyTorch's own")
    if pip_install(*wheel, "--timeout", "30", "--retries", "2", "--index-url", TORCH_CPU_INDEX, cpu):
        return True
    say("WARNING: no CPU build to be had: the plain release, with its CUDA libraries (several gigabytes)")
    return pip_install(*wheel, f"torch=={version}")


def main():
    version = sys.version.split()[0]
    if sys.version_info < (3, 11):  # noqa: UP036  older ones get as far as this
        fail(f"Python >= 3.11 is needed, this is {version}: use `make PYTHON=/path/to/python3.11 ...`")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        fail("this Python cannot make virtual environments (on Debian: apt-get install python3-venv)")

    lock = open(ROOT / "pyproject.toml")  # noqa: SIM115  held, and the lock with it, until the end
    fcntl.flock(lock, fcntl.LOCK_EX)

    gpu = nvidia_driver()
    wanted = fingerprint(gpu)
    if STAMP.exists() and STAMP.read_text() == wanted and os.access(PYTHON, os.X_OK):
        return

    start = time.time()
    make_venv()
    pin = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    if pin is None:
        fail("constraints.txt does not pin torch")
    which_torch = "from importlib.metadata import version; print(version('torch'))"
    try:
        if not install_torch(pin.group(1), gpu):
            fail("torch could not be installed (see pip's messages above); is the network there?")
        torch = ask(which_torch)
        if not pip_install("-c", "constraints.txt", "-e", ".[all]"):
            fail("the dependencies could not be installed (see pip's messages above); is the network there?")
    except SystemExit:
        UNDER_WAY.unlink()  # pip ended by itself and cleaned up: the next call can go on from here
        raise
    if ask(which_torch) != torch:
        fail(f"torch {torch} was replaced by {ask(which_torch)} on the way")
    for name in PACKAGES:
        origin = ask(f"from importlib.util import find_spec; print(find_spec('{name}').origin)")
        if (ROOT / name / "__init__.py").exists() and origin != str(ROOT / name / "__init__.py"):
            fail(f"`import {name}` finds {origin} instead of this tree: another distribution uses the name")
    STAMP.write_text(wanted)
    UNDER_WAY.unlink()
    say(f"done in {time.time() - start:.0f} s: Python {version}, torch {torch}")


if __name__ == "__main__":
    main()
