"""The table of figures and goals, as Markdown."""

# The build whose goals are checked; one to compare with is "before".
BUILD = "service"


def number(value):
    """Returns a number as it is read: with thousands separators, or with two digits if it is small."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


class Row:
    """One line: how its cell is written, and whether the goal is met.

    `shows` and `meets` get a function that returns the figure of a name, and one that returns
    pgbench's. They are called only if those in `needs` were measured.
    """

    def __init__(self, title, goal, needs, shows, meets, reference=None):
        self.title, self.goal, self.needs = title, goal, needs
        self.shows, self.meets, self.reference = shows, meets, reference


def sending(title, name, reference, goal, meets):
    """Returns the row of persisted messages: rate, ratio to pgbench and latency of a POST."""

    def shows(figure, pgbench):
        ratio = figure(f"{name}.per_second") / pgbench(f"{reference}.per_second")
        p50, p99 = (number(figure(f"{name}.{quantile}")) for quantile in ("p50", "p99"))
        return f"{number(figure(f'{name}.per_second'))}/s ({ratio:.2f} × pgbench), p50 {p50}, p99 {p99} ms"

    return Row(title, goal, [f"{name}.per_second"], shows, meets, reference)


def ratio(figure, pgbench, name):
    return figure(f"{name}.per_second") / pgbench(f"{name}.per_second")


def plain(title, name, unit, goal, meets):
    return Row(title, goal, [name], lambda figure, _: f"{number(figure(name))} {unit}",
               lambda figure, _: meets(figure(name)))


# What the others' latency is measured beside.
BESIDE = ("inbox", "spread", "others_alone")

ROWS = [
    sending("persisted messages, 1 sender", "messages_1", "messages_1", "≥ 0.6 × pgbench",
            lambda figure, pgbench: ratio(figure, pgbench, "messages_1") >= 0.6),
    sending("the same, 16 senders", "messages_16", "messages_16", "≥ 1.5 × pgbench",
            lambda figure, pgbench: ratio(figure, pgbench, "messages_16") >= 1.5),
    sending("the same, 64 senders", "messages_64", "messages_64", "≥ 2 × pgbench, p99 ≤ 30 ms",
            lambda figure, pgbench: ratio(figure, pgbench, "messages_64") >= 2 and figure("messages_64.p99") <= 30),
    *(sending(f"one instance, {senders} sender{'s' if senders > 1 else ''}", f"messages_{senders}_one_instance",
              f"messages_{senders}", "", None) for senders in (1, 16, 64)),
    Row("into one inbox, 64 senders", "≥ 5,000/s, no 503", ["inbox.per_second"],
        lambda figure, _: f"{number(figure('inbox.per_second'))}/s, {figure('inbox.failed'):.0f} failed",
        lambda figure, _: figure("inbox.per_second") >= 5_000 and not figure("inbox.unavailable")),
    Row("others' POST p99 beside it; beside 64 senders to all; alone", "at most twice that beside senders to all",
        [f"{name}.others_p99" for name in BESIDE],
        lambda figure, _: "; ".join(number(figure(f"{name}.others_p99")) for name in BESIDE) + " ms",
        lambda figure, _: figure("inbox.others_p99") <= 2 * figure("spread.others_p99")
        and not figure("inbox.others_failed")),
    plain("memory of an idle socket (PSS, second 5,000 of 10,000)", "sockets.bytes", "bytes", "≤ 3,000",
          lambda value: value <= 3_000),
    plain("processor time of an idle socket", "sockets.idle_us_per_second", "µs/s", "≤ 1.1",
          lambda value: value <= 1.1),
    Row("connects, authenticated", "≥ 8,000/s, ≤ 110 µs", ["sockets.connects_per_second", "sockets.connect_us"],
        lambda figure, _: f"{number(figure('sockets.connects_per_second'))}/s, "
        f"{number(figure('sockets.connect_us'))} µs of server CPU each",
        lambda figure, _: figure("sockets.connects_per_second") >= 8_000 and figure("sockets.connect_us") <= 110),
    Row("`POST /api/events/` with `durable: false`", "≥ 20,000/s", ["events.per_second"],
        lambda figure, _: f"{number(figure('events.per_second'))}/s, p50 {number(figure('events.p50'))}, "
        f"p99 {number(figure('events.p99'))} ms",
        lambda figure, _: figure("events.per_second") >= 20_000),
    Row("delivery of what others publish to Redis", "≥ 100,000/s", ["redis.per_second"],
        lambda figure, _: f"{number(figure('redis.per_second'))}/s, p99 {number(figure('redis.p99'))} ms",
        lambda figure, _: figure("redis.per_second") >= 100_000),
    Row("1,000 persisted messages a second, to a socket on the other instance", "p50 ≤ 1.5, p99 ≤ 5 ms",
        ["at_1000.delivery_p50", "at_1000.delivery_p99"],
        lambda figure, _: f"p50 {number(figure('at_1000.delivery_p50'))}, "
        f"p99 {number(figure('at_1000.delivery_p99'))} ms",
        lambda figure, _: figure("at_1000.delivery_p50") <= 1.5 and figure("at_1000.delivery_p99") <= 5),
]


def measured(row, figures, build):
    """Returns the two functions of a row's figures, or None if one of them was not measured."""
    own, pgbench = figures.get(build, {}), figures.get("pgbench", {})
    if any(name not in own for name in row.needs):
        return None
    if row.reference and f"{row.reference}.per_second" not in pgbench:
        return None
    return own.__getitem__, pgbench.__getitem__


def lists(figures):
    """Returns a row for each list that was measured; the tool knows the goals."""
    for name, goal in figures.get(BUILD, {}).items():
        if name.startswith("lists.") and name.endswith(".goal"):
            yield of_list(name.removeprefix("lists.").removesuffix(".goal"), goal)


def of_list(route, goal):
    p50, p99 = f"lists.{route}.p50", f"lists.{route}.p99"
    return Row(route, f"p99 ≤ {goal:g} ms", [p50, p99],
               lambda figure, _: f"p50 {number(figure(p50))}, p99 {number(figure(p99))} ms",
               lambda figure, _: figure(p99) <= goal)


def goals(figures):
    """Returns which goals are met, by the title of the row; rows without one or not measured are left out."""
    met = {}
    for row in [*ROWS, *lists(figures)]:
        found = measured(row, figures, BUILD)
        if found and row.meets:
            met[row.title] = bool(row.meets(*found))
    return met


def cells(row, figures, builds):
    for build in builds:
        found = measured(row, figures, build)
        yield row.shows(*found) if found else "not measured"
    reference = figures.get("pgbench", {}).get(f"{row.reference}.per_second") if row.reference else None
    yield f"{number(reference)}/s" if reference else ""
    yield row.goal
    met = goals(figures).get(row.title)
    yield "" if met is None else "yes" if met else "no"


def line(texts):
    return f"| {' | '.join(texts)} |"


def markdown(machine, figures, run, options):
    """Returns the whole report: where it was measured, the table and what failed."""
    builds = list(run.clusters)
    names = ["this service"] if len(builds) == 1 else ["before", "this service"]
    lines = [
        f"Commit {machine['commit']}, {machine['date']}. {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory']}, Linux {machine['kernel']}, PostgreSQL {machine['PostgreSQL']}, "
        f"Redis {machine['Redis']}; load average {min(run.load_averages, default=0):.1f} to "
        f"{max(run.load_averages, default=0):.1f}. {options.seconds} s for each measurement, median of "
        f"{options.rounds}.",
        "",
        line(["", *names, "pgbench", "goal", "met"]),
        line(["---"] * (len(names) + 4)),
    ]
    shown = [row for row in [*ROWS, *lists(figures)] if any(measured(row, figures, build) for build in builds)]
    lines += [line([row.title, *cells(row, figures, builds)]) for row in shown]
    for title, texts in (("Not measured", run.not_measured), ("Failed", run.failures)):
        if texts:
            lines += ["", f"{title}:", "", *(f"- {text}" for text in texts)]
    return "\n".join(lines)
