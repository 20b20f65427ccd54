"""Measures builds of the service beside pgbench, and prints the table of their figures.

For scripts/bench, which describes the options, and provides --root, --folder, --binary,
--tools and --postgres.
"""

import argparse
import json
import pathlib
import signal
import sys

import machine
import table
from cluster import Cluster
from parts import PARTS
from run import Run

# Clusters are stopped by these too, as by any exception.
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: sys.exit(130))


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", usage="scripts/bench [options] [part…]; see scripts/bench")
    # Without `choices`: Python rejects an empty list with them.
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--compare", type=pathlib.Path)
    parser.add_argument("--seconds", type=positive, default=10)
    parser.add_argument("--rounds", type=positive, default=2)
    parser.add_argument("--people", type=positive, default=1_000_000)
    parser.add_argument("--messages", type=positive, default=10_000_000)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    for name in ("root", "folder", "binary", "tools", "postgres"):
        parser.add_argument(f"--{name}", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]}; parts are {', '.join(PARTS)}")
    return options


def measure(options):
    """Returns the run with all its figures."""
    run = Run(options)
    builds = [(table.BUILD, options.binary)]
    if options.compare:
        builds.insert(0, ("before", options.compare))
    try:
        for name, binary in builds:
            run.clusters[name] = Cluster(options, name, binary)
        for part in options.parts or PARTS:
            PARTS[part](run)
    finally:
        for cluster in run.clusters.values():
            cluster.stop()
    return run


def main():
    options = parse()
    if options.check:
        return
    run = measure(options)
    described = machine.describe(options)
    figures = run.figures.medians()
    print(table.markdown(described, figures, run, options))
    if options.json:
        report = {
            "machine": described, "seconds": options.seconds, "rounds": options.rounds,
            "figures": figures, "all_figures": run.figures.values, "goals": table.goals(figures),
            "failures": run.failures,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if run.failures:
        sys.exit(1)


main()
