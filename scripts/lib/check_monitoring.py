"""Gives an instance something to do, and evaluates every query of deploy/monitoring.

    check_monitoring.py PORT METRICS_PORT PROMETHEUS_PORT

For scripts/check-monitoring. The standard library only.
"""

import base64
import json
import os
import re
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SERVICE, METRICS, PROMETHEUS = (f"http://127.0.0.1:{port}" for port in sys.argv[1:4])

# How long a scrape may be waited for: one is made each second.
LIMIT = 20


def fail(text):
    sys.exit(f"check-monitoring: {text}")


def post(path, body, token=None):
    """Posts JSON and returns the status and the answer."""
    request = urllib.request.Request(SERVICE + path, json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


def sign_up(name):
    """Signs somebody up and returns their id and token."""
    credentials = {"email": f"{name}@example.com", "password": "correct horse"}
    status, signed_up = post("/api/auth/signup/", {"username": name, **credentials})
    if status != 201:
        fail(f"signup answers {status}")
    status, tokens = post("/api/auth/login/", credentials)
    if status != 200:
        fail(f"login answers {status}")
    return signed_up["user"]["id"], tokens["access"]


def open_socket(token, cursor):
    """Opens a socket and waits for its greeting."""
    port = int(sys.argv[1])
    connection = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET /ws/notifications/?token={token}&cursor={cursor} HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    read_until(connection, b"connection_established")
    return connection


def read_until(connection, text):
    seen = b""
    while text not in seen:
        part = connection.recv(65536)
        if not part:
            fail(f"the socket ended before it sent {text.decode()}")
        seen += part


def act(ada, bob):
    """Has each counter of an event's way count once more."""
    _, token = ada
    receiver, receivers_token = bob
    connection = open_socket(receivers_token, 0)
    status, _ = post("/api/messages/", {"receiver_id": receiver, "content": "hello"}, token)
    if status == 201:
        read_until(connection, b"new_message")
    connection.close()
    return status


def ask(path, **parameters):
    """Asks Prometheus; a query that it does not understand ends this program."""
    url = f"{PROMETHEUS}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=LIMIT) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        fail(f"{parameters}: {error.read().decode()}")


def told():
    """Returns the names of all samples that the instance tells."""
    with urllib.request.urlopen(METRICS + "/metrics", timeout=LIMIT) as answer:
        lines = answer.read().decode().splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


def dashboard():
    """Returns the dashboard's queries, each with the name of what shows it."""
    with open("deploy/monitoring/grafana-dashboard.json", encoding="utf-8") as file:
        board = json.load(file)
    check_layout(board["panels"])
    queries = [(it["name"], it["expr"]) for it in board["annotations"]["list"]]
    for panel in board["panels"]:
        if panel["type"] != "row" and not panel.get("targets"):
            fail(f"{panel['title']} shows nothing")
        queries += [(panel["title"], it["expr"]) for it in panel.get("targets", [])]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            inside = re.fullmatch(r"label_values\((.*), (job|instance)\)", variable["query"]["query"])
            queries.append((variable["name"], inside[1]))
    used = {it for _, query in queries for it in re.findall(r"\$\{?(\w+)", query)}
    known = {it["name"] for it in board["templating"]["list"]} | {"__rate_interval"}
    if used - known:
        fail(f"the dashboard has no variable {used - known}")
    return [(title, filled_in(query)) for title, query in queries]


def filled_in(query):
    return query.replace("$__rate_interval", "1m").replace("$job", "numeneon").replace("$instance", ".*")


def check_layout(panels):
    """Panels have ids of their own, stand in the 24 columns, and on no other's place."""
    taken, ids = {}, set()
    for panel in panels:
        place = panel["gridPos"]
        if panel["id"] in ids or place["x"] + place["w"] > 24:
            fail(f"{panel['title']}: its id is another's, or it stands outside")
        ids.add(panel["id"])
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if taken.setdefault((x, y), panel["title"]) != panel["title"]:
                    fail(f"{panel['title']} stands on {taken[x, y]}")


def headings(path):
    """Returns the anchors of a page's headings, as GitHub makes them."""
    with open(path, encoding="utf-8") as file:
        lines = [line.lstrip("#").strip() for line in file if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def alerts():
    """Returns the alerts' queries as Prometheus has loaded them."""
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    with open("deploy/monitoring/alerts.test.yml", encoding="utf-8") as file:
        tested = re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n\s+- exp_labels", file.read())
    for rule in rules:
        name, about = rule["name"], rule["annotations"]
        if name not in tested:
            fail(f"{name} fires in no test of alerts.test.yml")
        if rule["labels"].get("severity") not in ("warning", "critical") or not about.get("summary"):
            fail(f"{name} lacks a severity or a summary")
        page, _, anchor = about.get("runbook", "").partition("#")
        if page != "docs/operations.md" or anchor not in headings(page):
            fail(f"{name}: there is no {page}#{anchor}")
    return [(rule["name"], rule["query"]) for rule in rules]


def wait_for(what, is_so):
    deadline = time.monotonic() + LIMIT
    while not is_so():
        if time.monotonic() > deadline:
            fail(f"in {LIMIT} s it did not come to this: {what}")
        time.sleep(0.1)


def scraped(query):
    """Returns whether there are two samples and more: a rate needs as many."""
    results = ask("query", query=f"count_over_time({query}[1m])")["result"]
    return any(float(result["value"][1]) >= 2 for result in results)


def main():
    ada, bob = sign_up("ada"), sign_up("bob")
    statuses = [act(ada, bob) for _ in range(3)]
    if statuses != [201, 201, 429]:
        fail(f"messages are answered with {statuses}")
    wait_for("what was done is scraped twice", lambda: scraped('numeneon_requests_total{status="429"}'))
    wait_for("sockets are scraped twice", lambda: scraped("numeneon_sockets_closed_total"))
    names = told()
    of_dashboard, of_alerts = dashboard(), alerts()
    for title, query in of_dashboard + of_alerts:
        result = ask("query", query=query)["result"]
        for name in re.findall(r"\bnumeneon_\w+", query):
            if name not in names:
                fail(f"{title}: an instance tells no {name}")
        if not result and (title, query) in of_dashboard and title != "Starts":
            fail(f"{title}: nothing to show: {query}")
        if result and (title, query) in of_alerts:
            fail(f"{title} fires on an instance that is well: {result}")
    print(f"{len(of_dashboard)} queries of the dashboard, {len(of_alerts)} alerts")


main()
