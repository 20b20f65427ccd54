"""The machine and the versions of what was measured."""

import os
import pathlib
import re
import subprocess


def output(*command):
    """Returns what a command prints, without surrounding whitespace; empty if it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def version(text):
    """Returns the first number with a dot in a text, as in `psql (PostgreSQL) 15.4 (Debian …)`."""
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found.group() if found else "?"


def describe(options):
    """Returns cores, memory, kernel, versions and commit, as text by name."""
    git = ("git", "-C", str(options.root))
    commit = output(*git, "rev-parse", "--short=12", "HEAD") or "unknown"
    if output(*git, "status", "--porcelain", "--untracked-files=no"):
        commit += " with changes"
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    redis = output("redis-server", "--version") or output("valkey-server", "--version")
    return {
        "commit": commit,
        "date": output("date", "-u", "+%Y-%m-%d"),
        "cores": str(os.cpu_count()),
        "processor": processor.group(1) if processor else os.uname().machine,
        "memory": f"{int(memory.group(1)) / 1024 / 1024:.0f} GiB",
        "kernel": os.uname().release,
        "PostgreSQL": version(output(str(options.postgres / "postgres"), "--version")),
        "Redis": version(redis),
    }


def load_average():
    """Returns the load average of the last minute: what else the machine was doing."""
    return os.getloadavg()[0]
