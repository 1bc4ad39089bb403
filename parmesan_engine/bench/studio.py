"""The studio and a browser as programs of their own: started on a free port, watched, stopped by their own ids.

Nothing of the user interface is imported: the app is started as a person starts it and driven through Chromium. Playwright is one
of the test requirements; without it, or without Chromium or Linux' /proc, there is a clear error.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parmesan_engine.errors import StoreError, UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
START_SECONDS = 180  # the first start makes the demo projects
STOP_SECONDS = 15


@dataclass(frozen=True)
class Studio:
    """A running app. address: its URL; pid: its process; home: its folder of projects."""

    address: str
    pid: int
    home: Path

    def mb(self) -> float:
        """Return the resident memory in MB (1e6 bytes)."""
        return resident_mb(self.pid)

    def peak_mb(self) -> float:
        """Return the largest resident memory so far in MB."""
        return resident_mb(self.pid, "VmHWM")


@contextmanager
def studio(home: Path) -> Iterator[Studio]:
    """Run the app on the projects of `home`. Raises UnknownNameError where there is no app, StoreError when it does not start."""
    if not (ROOT / "app.py").exists():
        raise UnknownNameError("app.py beside the engine", str(ROOT), "run this from the repository")
    port, output = free_port(), home.parent / f"{home.name}.log"
    address = f"http://127.0.0.1:{port}"
    with output.open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)], cwd=ROOT, stdout=out,
                                   stderr=subprocess.STDOUT, env={**os.environ, "PARMESAN_HOME": str(home)})
        try:
            _wait(process, address, output)
            yield Studio(address, process.pid, home)
        finally:
            stop(process)


@contextmanager
def chromium() -> Iterator[Any]:
    """Run Playwright's handle of a headless Chromium. Raises UnknownNameError where Playwright or Chromium is missing."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError as error:
        raise UnknownNameError("Playwright", "none installed", "pip install -r .ci/requirements-test.txt") from error
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        except Error as error:
            raise UnknownNameError("Chromium", str(error)[:200], "install it, or set CHROMIUM to its path") from error
        try:
            yield browser
        finally:
            browser.close()


def chromium_path() -> str | None:
    """Return the path of Chromium: $CHROMIUM, else what is installed; None lets Playwright look for its own."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def resident_mb(pid: int, field: str = "VmRSS") -> float:
    """Return a line of /proc/PID/status, such as the resident memory, in MB (1e6 bytes). Raises UnknownNameError."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise UnknownNameError(f"/proc/{pid}/status, as Linux has it", str(error), "measure memory on Linux") from error
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024 / 1e6


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process: subprocess.Popen) -> None:
    """Ask a process of ours to end, and end it when it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


def _wait(process: subprocess.Popen, address: str, output: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise StoreError("an app that starts", output.read_text(encoding="utf-8", errors="replace")[-2000:] or "no answer", "see its output")
