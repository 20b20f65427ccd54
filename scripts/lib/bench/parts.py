"""The measurements. Each part of them fills in figures; scripts/lib/bench/table.py names them all.

A figure's name is `<measurement>.<figure>`, with `pgbench` or the name of a build beside it.
"""

import contextlib
import json
import os
import time

from cluster import FIRST_ID, Cluster, ids

# Senders at once; pgbench has as many clients.
CONCURRENCY = (1, 16, 64)
# Messages go to this many people at random.
RECEIVERS = 2_000
# Before latencies and rates count: connections open, plans are made.
WARM_UP_SECONDS = 2
# What the senders do whose latency shows how a hot inbox affects others.
OTHERS_PER_SECOND = 100
IDLE_SOCKETS = 10_000
# How long the processor time of idle sockets is measured.
IDLE_SECONDS = 20
# How long filling a large database may take.
FILLING_SECONDS = 7_200

# As long as the data of the event of a message with 100 bytes of text.
EVENT_DATA = json.dumps({"message": "x" * 205})

# What a message does in the database, in one transaction.
PGBENCH_SCRIPT = f"""
\\set receiver random({FIRST_ID}, {FIRST_ID + RECEIVERS - 1})
\\set sender {FIRST_ID + RECEIVERS} + :client_id
BEGIN;
SELECT id, username FROM users WHERE id = :receiver;
INSERT INTO messages (sender_id, receiver_id, content, created_at)
VALUES (:sender, :receiver, '{"x" * 100}', localtimestamp) RETURNING id AS message_id \\gset
UPDATE inboxes SET last_seq = last_seq + 1 WHERE user_id = :receiver RETURNING last_seq \\gset
INSERT INTO inbox_events (user_id, seq, type, data, created_at)
VALUES (:receiver, :last_seq, 'new_message', '{EVENT_DATA}', localtimestamp);
COMMIT;
"""


def to_people(first=0, count=RECEIVERS):
    return ("--ids", ids(first, count), "--sockets-per-person", 1)


def sending(report):
    sent = report["messages"]
    if not sent["post"]["count"]:
        raise RuntimeError("no request was made after the warm-up")
    return {
        "per_second": sent["acknowledged_per_second"],
        "p50": sent["post"]["p50_ms"], "p99": sent["post"]["p99_ms"],
        "delivery_p50": sent["delivery"]["p50_ms"], "delivery_p99": sent["delivery"]["p99_ms"],
        "failed": sum(sent["failed"].values()), "unavailable": sent["failed"].get("503", 0),
    }


def pgbench(run, cluster, clients):
    """Runs pgbench's script; returns transactions a second and the mean latency."""
    script = run.options.folder / "pgbench.sql"
    script.write_text(PGBENCH_SCRIPT)
    script.chmod(0o644)
    threads = min(clients, os.cpu_count())
    cluster.sql("", database="pgbench")
    printed = cluster.postgres(
        "pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--jobs={threads}",
        f"--time={run.options.seconds}", f"--file={script}", database="pgbench",
    )
    figures = {}
    for line in printed.splitlines():
        if line.startswith("tps = "):
            figures["per_second"] = float(line.split()[2])
        elif line.startswith("latency average = "):
            figures["mean"] = float(line.split()[3])
    if not figures.get("per_second"):
        raise RuntimeError("pgbench completed no transaction")
    return figures


def messages(run):
    """Persisted messages with 1, 16 and 64 senders, beside pgbench; and 1,000 a second."""
    run.newest().create_database("pgbench")
    timing = ("--seconds", run.options.seconds + WARM_UP_SECONDS, "--warm-up", WARM_UP_SECONDS)

    def measure(measurement, instances, arguments):
        def one(cluster):
            with cluster.instances(instances) as running:
                process = run.load(cluster, running[0], running[-1], *to_people(), *timing, *arguments)
                return sending(run.report(process, measurement))
        return one

    for senders in CONCURRENCY:
        name = f"messages_{senders}"
        arguments = ("--concurrency", senders)
        run.in_turn(name, measure(name, 2, arguments), lambda cluster: pgbench(run, cluster, senders))
        run.in_turn(f"{name}_one_instance", measure(name, 1, arguments))
    arguments = ("--rate", 1000, "--concurrency", 64)
    run.in_turn("at_1000", measure("at_1000", 2, arguments))


def inbox(run):
    """64 senders to one inbox, and how it affects others: beside as many senders to all, and alone."""
    seconds, others = run.options.seconds, 1_000

    def measure(name, beside):
        def one(cluster):
            with cluster.instances() as (first, second):
                loud = None
                if beside is not None:
                    longer = seconds + 4 * WARM_UP_SECONDS
                    loud = run.load(
                        cluster, first, second, *to_people(count=others), "--concurrency", 64,
                        "--seconds", longer, "--warm-up", WARM_UP_SECONDS, *beside,
                    )
                    # The others begin when it has opened its sockets and sends.
                    time.sleep(WARM_UP_SECONDS)
                quiet = run.load(
                    cluster, first, second, *to_people(others, 200), "--concurrency", 8,
                    "--rate", OTHERS_PER_SECOND, "--seconds", seconds + WARM_UP_SECONDS, "--warm-up", WARM_UP_SECONDS,
                )
                figures = {f"others_{key}": value for key, value in sending(run.report(quiet, name)).items()}
                if loud:
                    figures |= sending(run.report(loud, name))
                return figures
        return one

    run.in_turn("others_alone", measure("others_alone", None))
    run.in_turn("spread", measure("spread", ()))
    run.in_turn("inbox", measure("inbox", ("--receivers", 1)))


def sockets(run):
    """Idle sockets: memory by the second half of them, connects a second and their processor time."""

    def one(cluster):
        with cluster.instances(1) as (instance,):
            process = run.load(
                cluster, instance, instance, "--ids", ids(0, IDLE_SOCKETS), "--seconds", 0,
                "--idle", IDLE_SOCKETS, "--hold", IDLE_SECONDS, "--pid", instance["pid"],
            )
            report = run.report(process, "sockets")
        idle = report["idle"]
        return {
            "bytes": idle["bytes_per_further_socket"],
            "connects_per_second": idle["connects_per_second"],
            "connect_us": idle["processor_us_per_connect"],
            "idle_us_per_second": report["held"]["processor_us_per_socket_second"],
        }

    run.in_turn("sockets", one)


def events(run):
    """Events of integrations that are not stored."""

    def one(cluster):
        with cluster.instances() as (first, _):
            process = run.tool(
                cluster, "numeneon-announce", "--url", first["url"], "--ids", ids(0, RECEIVERS),
                "--durable", "false", "--concurrency", 64, "--seconds", run.options.seconds,
            )
            report = run.report(process, "events")
        return {"per_second": report["announcements_per_second"], "p50": report["p50_ms"], "p99": report["p99_ms"]}

    run.in_turn("events", one)


def redis(run):
    """Delivery of what others publish to Redis, to 50 people with two sockets each."""
    if not run.has_option("numeneon-load", "--publish-redis"):
        run.not_measured.append("redis: this numeneon-load cannot publish to Redis")
        return

    def one(cluster):
        with cluster.instances(1) as (instance,):
            process = run.load(
                cluster, instance, instance, "--ids", ids(0, 50), "--sockets-per-person", 2,
                "--publish-redis", cluster.state["redis_url"],
                "--seconds", run.options.seconds + WARM_UP_SECONDS, "--warm-up", WARM_UP_SECONDS,
            )
            report = run.report(process, "redis")["messages"]
        return {"per_second": report["delivered_per_second"], "p99": report["delivery"]["p99_ms"]}

    run.in_turn("redis", one)


def lists(run):
    """Lists and searches in a large database, each build with its own."""
    if not run.has_option("numeneon-lists", "--messages"):
        run.not_measured.append("lists: there is no numeneon-lists")
        return
    size = ("--people", run.options.people, "--messages", run.options.messages)

    def one(cluster):
        with cluster.instances(1) as (instance,):
            process = run.tool(cluster, "numeneon-lists", "--url", instance["url"], *size)
            rows = run.report(process, "lists", timeout=FILLING_SECONDS)["rows"]
        figures = {}
        for row in rows:
            for quantile in ("p50", "p99"):
                figures[f"{row['route']}.{quantile}"] = row[f"{quantile}_ms"]
            figures[f"{row['route']}.goal"] = row["goal_p99_ms"]
        return figures

    with contextlib.ExitStack() as stack:
        empty = {}
        for name, cluster in run.clusters.items():
            empty[name] = Cluster(run.options, f"{name}_lists", cluster.binary, seed="")
            stack.callback(empty[name].stop)
        run.in_turn("lists", one, clusters=empty)


PARTS = {
    "messages": messages, "inbox": inbox, "sockets": sockets, "events": events, "redis": redis, "lists": lists,
}
