"""A run: the clusters that take turns, the tools that measure them, and all figures."""

import json
import os
import statistics
import subprocess

import machine
import table
from cluster import say


class Figures:
    """All figures of all rounds: lists by the name of a build, and by the name of a figure."""

    def __init__(self):
        self.values = {}

    def add(self, build, measurement, **values):
        for name, value in values.items():
            self.values.setdefault(build, {}).setdefault(f"{measurement}.{name}", []).append(value)

    def medians(self):
        return {
            build: {name: statistics.median(values) for name, values in figures.items()}
            for build, figures in self.values.items()
        }


class Run:
    """What the parts share."""

    def __init__(self, options):
        self.options, self.clusters, self.figures = options, {}, Figures()
        self.failures, self.not_measured, self.load_averages = [], [], []

    def in_turn(self, measurement, measure, reference=None, clusters=None):
        """Calls `reference(cluster)` and then `measure(cluster)` for each build, as often as there are rounds."""
        turns = [(name, cluster, measure) for name, cluster in (clusters or self.clusters).items()]
        if reference:
            turns.insert(0, ("pgbench", self.newest(), reference))
        for number in range(self.options.rounds):
            for name, cluster, measure in turns:
                self.load_averages.append(machine.load_average())
                say(f"{measurement}: {name}, round {number + 1} of {self.options.rounds}")
                try:
                    values = measure(cluster)
                except (OSError, RuntimeError, subprocess.SubprocessError, ValueError) as error:
                    self.failures.append(f"{measurement}, {name}: {error}")
                    continue
                if values:
                    self.figures.add(name, measurement, **values)

    def newest(self):
        """Returns the cluster of the build that is not the one to compare with."""
        return self.clusters[table.BUILD]

    def tool(self, cluster, name, *arguments):
        """Starts a tool; `self.report` waits for it."""
        command = [str(self.options.tools / name), "--json", *map(str, arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=cluster.environment(), text=True, stdout=pipe, stderr=pipe)

    def report(self, process, measurement, timeout=None):
        """Waits for a tool and returns its report. A failure is recorded, a report still returned."""
        name = os.path.basename(process.args[0])
        try:
            # The tools bound themselves; only one that hangs meets this.
            printed, errors = process.communicate(timeout=timeout or 3 * self.options.seconds + 180)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise RuntimeError(f"{name} does not end") from error
        if not printed:
            raise RuntimeError(f"{name}: {errors.strip()}")
        report = json.loads(printed)
        if process.returncode != 0:
            sent = report.get("messages") or {}
            found = {key: sent[key] for key in ("failed", "lost", "repeated", "reordered", "misdelivered")
                     if sent.get(key)}
            self.failures.append(f"{measurement}: {name} ended with exit code {process.returncode}, {found}")
        return report

    def has_option(self, tool, option):
        """Whether a tool exists and has an option: those of another build may lack it."""
        return option in machine.output(str(self.options.tools / tool), "--help")

    def load(self, cluster, senders, sockets, *arguments):
        urls = ("--senders", senders["url"], "--sockets", sockets["url"])
        return self.tool(cluster, "numeneon-load", *urls, *arguments)
