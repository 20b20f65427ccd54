"""Gives an instance some work, and evaluates every query of deploy/monitoring.

    check_monitoring.py PORT METRICS_PORT PROMETHEUS_PORT

For scripts/check-monitoring. Uses only the standard library.
"""

import json
import re
import sys
import urllib.parse

from checks import fail, wait_for
from client import Client

SERVICE, METRICS, PROMETHEUS = (Client(f"http://127.0.0.1:{port}") for port in sys.argv[1:4])


def send_message(sender, receiver):
    """Sends a message and awaits it on the receiver's socket; returns the response's status.

    This increments each counter on an event's way once.
    """
    # With cursor 0 the socket also replays, which has a counter of its own.
    socket = SERVICE.open_socket(token=receiver.access, cursor=0)
    body = {"receiver_id": receiver.id, "content": "hello"}
    status = sender.request("POST", "/api/messages/", body).status
    if status == 201:
        socket.read_until(b"new_message")
    socket.close()
    return status


def query_prometheus(path, **parameters):
    """Returns Prometheus' response; a query that it rejects ends this program."""
    response = PROMETHEUS.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
    if response.status != 200:
        fail(f"{parameters}: {response.text}")
    return response.json()["data"]


def exposed_metrics():
    """Returns the names of all samples that the instance exposes."""
    lines = METRICS.request("GET", "/metrics").text.splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


def dashboard_queries():
    """Returns the dashboard's queries, each with the title of the panel or variable it is for."""
    with open("deploy/monitoring/grafana-dashboard.json", encoding="utf-8") as file:
        board = json.load(file)
    check_layout(board["panels"])
    queries = [(annotation["name"], annotation["expr"]) for annotation in board["annotations"]["list"]]
    for panel in board["panels"]:
        if panel["type"] != "row" and not panel.get("targets"):
            fail(f"{panel['title']} has no query")
        queries += [(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            label_values = re.fullmatch(r"label_values\((.*), (job|instance)\)", variable["query"]["query"])
            queries.append((variable["name"], label_values[1]))
    used = {name for _, query in queries for name in re.findall(r"\$\{?(\w+)", query)}
    known = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval"}
    if used - known:
        fail(f"the dashboard has no variable {used - known}")
    return [(title, with_variables(query)) for title, query in queries]


def with_variables(query):
    return query.replace("$__rate_interval", "1m").replace("$job", "numeneon").replace("$instance", ".*")


def check_layout(panels):
    """Checks that panels have distinct ids, lie within the 24 columns, and do not overlap."""
    taken, ids = {}, set()
    for panel in panels:
        place = panel["gridPos"]
        if panel["id"] in ids or place["x"] + place["w"] > 24:
            fail(f"{panel['title']}: its id is used twice, or it exceeds the columns")
        ids.add(panel["id"])
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if taken.setdefault((x, y), panel["title"]) != panel["title"]:
                    fail(f"{panel['title']} overlaps {taken[x, y]}")


def heading_anchors(path):
    """Returns the anchors of a page's headings, as GitHub makes them."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.lstrip("#").strip() for line in file if line.startswith("#")]
    except FileNotFoundError:
        return set()
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def alert_queries():
    """Returns the alerts' queries as Prometheus has loaded them, each with its alert's name."""
    rules = [rule for group in query_prometheus("rules")["groups"] for rule in group["rules"]]
    with open("deploy/monitoring/alerts.test.yml", encoding="utf-8") as file:
        tested = re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n\s+- exp_labels", file.read())
    for rule in rules:
        name, annotations = rule["name"], rule["annotations"]
        if name not in tested:
            fail(f"{name} fires in no test of alerts.test.yml")
        if rule["labels"].get("severity") not in ("warning", "critical") or not annotations.get("summary"):
            fail(f"{name} lacks a severity or a summary")
        page, _, anchor = annotations.get("runbook", "").partition("#")
        if not page.startswith("docs/") or anchor not in heading_anchors(page):
            fail(f"{name}: there is no {page}#{anchor}")
    return [(rule["name"], rule["query"]) for rule in rules]


def is_scraped_twice(query):
    """Returns whether Prometheus has two samples or more, as a rate needs."""
    results = query_prometheus("query", query=f"count_over_time({query}[1m])")["result"]
    return any(float(result["value"][1]) >= 2 for result in results)


def main():
    ada, bob = (SERVICE.sign_up(name, "correct horse") for name in ("ada", "bob"))
    statuses = [send_message(ada, bob) for _ in range(3)]
    if statuses != [201, 201, 429]:
        fail(f"the responses to three messages are {statuses}")
    wait_for("the requests are scraped twice", lambda: is_scraped_twice('numeneon_requests_total{status="429"}'))
    wait_for("the sockets are scraped twice", lambda: is_scraped_twice("numeneon_sockets_closed_total"))
    exposed = exposed_metrics()
    of_dashboard, of_alerts = dashboard_queries(), alert_queries()
    for title, query in of_dashboard + of_alerts:
        result = query_prometheus("query", query=query)["result"]
        for name in re.findall(r"\bnumeneon_\w+", query):
            if name not in exposed:
                fail(f"{title}: an instance exposes no {name}")
        if not result and (title, query) in of_dashboard and title != "Starts":
            fail(f"{title}: no data: {query}")
        if result and (title, query) in of_alerts:
            fail(f"{title} fires on a healthy instance: {result}")
    print(f"{len(of_dashboard)} queries of the dashboard and {len(of_alerts)} alerts evaluated")


main()
