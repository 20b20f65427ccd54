"""Prepares what schemathesis asks a running instance, and looks at what it was answered.

    check_schema.py prepare PORT METRICS_PORT FOLDER    people and their data; before any question
    check_schema.py judge PORT METRICS_PORT FOLDER      after the last question

For scripts/check-schema. The standard library only. In FOLDER `prepare` leaves:

    schema.json      /api/schema/, with what was prepared as examples: ids and tokens that are there
    token-<name>     the token of each who asks
    counts.json      what had been answered until then
"""

import itertools
import json
import pathlib
import re
import sys
import urllib.request

# Who asks, and why not everything is asked by one: see scripts/check-schema.
ASKERS = ["reader", "keeper", "changer", "leaver"]
# Who is asked about; each stands to the reader as the name says.
OTHERS = ["friend", "wooed", "wooer", "suitor", "stranger"]
# The password of whom the description's example is about to change.
CHANGED = "correct horse"

# An upgrade, which schemathesis cannot ask for: tests/api has its successes.
NO_SUCCESS = {("GET", "/ws/notifications/")}


class Instance:
    """A running instance, asked in JSON."""

    def __init__(self, port, metrics_port):
        self.url = f"http://127.0.0.1:{port}"
        self.metrics = f"http://127.0.0.1:{metrics_port}/metrics"

    def ask(self, method, path, token=None, **fields):
        """Asks and returns the answer; any but a success ends this program."""
        body = json.dumps(fields).encode() if method == "POST" else None
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"}, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def counts(self):
        """Returns how often each route was answered with each status, as "METHOD path status"."""
        with urllib.request.urlopen(self.metrics, timeout=20) as answer:
            text = answer.read().decode()
        counts = {}
        for labels, count in re.findall(r"^numeneon_requests_total\{(.*)\} (\d+)$", text, re.MULTILINE):
            label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            # A route's pattern says which letters a parameter has; the description does not.
            path = re.sub(r":[^{}]*\}", "}", label["route"])
            counts[f"{label['method']} {path} {label['status']}"] = int(count)
        return counts


class Person:
    """Somebody with an account and tokens."""

    def __init__(self, instance, name):
        self.instance, self.name = instance, name
        self.email = f"{name}@example.org"
        self.password = CHANGED if name == "changer" else f"the password of {name}"
        me = instance.ask(
            "POST", "/api/auth/signup/", username=name, email=self.email, password=self.password
        )["user"]
        self.id, self.profile = me["id"], me["profile"]["id"]
        self.access = self.log_in()["access"]

    def log_in(self):
        return self.instance.ask("POST", "/api/auth/login/", email=self.email, password=self.password)

    def ask(self, method, path, **fields):
        return self.instance.ask(method, path, self.access, **fields)


def prepare(instance, folder):
    people = {name: Person(instance, name) for name in ASKERS + OTHERS}
    reader = people["reader"]
    for name in ["friend", "wooer", "suitor"]:
        people[name].ask("POST", f"/api/friends/request/{reader.id}/")
    requests = {it["from_user"]["username"]: it["id"] for it in reader.ask("GET", "/api/friends/requests/")}
    reader.ask("POST", f"/api/friends/accept/{requests['friend']}/")
    reader.ask("POST", f"/api/friends/request/{people['wooed'].id}/")
    message = people["friend"].ask("POST", "/api/messages/", receiver_id=reader.id, content="hello")
    reader.ask("POST", "/api/messages/", receiver_id=people["friend"].id, content="hello back")

    schema = instance.ask("GET", "/api/schema/")
    set_examples(schema, people, requests, message["id"])
    (folder / "schema.json").write_text(json.dumps(schema))
    for name in ASKERS:
        (folder / f"token-{name}").write_text(people[name].access)
    (folder / "counts.json").write_text(json.dumps(instance.counts()))


def set_examples(schema, people, requests, message):
    """Makes examples of what was prepared; each names what no other one uses up."""
    reader, friend = people["reader"], people["friend"]
    ids = {
        "/api/auth/users/{username}/": friend.name,
        "/api/auth/profile/{id}/": reader.profile,
        "/api/friends/request/{user}/": people["stranger"].id,
        "/api/friends/accept/{request}/": requests["wooer"],
        "/api/friends/decline/{request}/": requests["suitor"],
        "/api/friends/cancel/{user}/": people["wooed"].id,
        "/api/friends/remove/{user}/": friend.id,
        "/api/messages/conversation/{user}/": friend.id,
        "/api/messages/conversation/{user}/read/": friend.id,
        "/api/messages/{id}/read/": message,
        "/api/messages/read_all/": friend.id,
    }
    for path, value in ids.items():
        for operation in schema["paths"][path].values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" or parameter.get("required"):
                    parameter["example"] = value

    announcement = {"user_ids": [reader.id], "type": "new_post", "data": {"id": 5}}
    bodies = {
        ("post", "/api/auth/login/"): [{"email": friend.email, "password": friend.password}],
        ("post", "/api/auth/token/refresh/"): [{"refresh": friend.log_in()["refresh"]}],
        ("post", "/api/auth/logout/"): [{"refresh": friend.log_in()["refresh"]}],
        ("post", "/api/auth/password/"): [{"old_password": CHANGED, "new_password": "another correct horse"}],
        ("patch", "/api/auth/profile/"): [{"bio": "hello"}],
        ("put", "/api/auth/profile/{id}/"): [{"bio": "hello"}],
        ("post", "/api/messages/"): [{"receiver_id": friend.id, "content": "hello"}],
        ("post", "/api/notifications/read/"): [{"up_to": 1}],
        ("post", "/api/events/"): [announcement, announcement | {"durable": False}],
    }
    for (method, path), values in bodies.items():
        for content in schema["paths"][path][method]["requestBody"]["content"].values():
            content["examples"] = {str(number): {"value": value} for number, value in enumerate(values)}


def judge(instance, folder):
    before, after = json.loads((folder / "counts.json").read_text()), instance.counts()
    since = {answer: count - before.get(answer, 0) for answer, count in after.items()}
    faults, wanted = [], 0
    for answer, count in since.items():
        if count and answer.rsplit(" ", 1)[1].startswith("5"):
            faults.append(f"{answer}: a fault of the server, {count} times")
    for path, item in instance.ask("GET", "/api/schema/")["paths"].items():
        for method, operation in item.items():
            name = (method.upper(), path)
            successes = [status for status in operation["responses"] if status.startswith("2")]
            if bool(successes) == (name in NO_SUCCESS):
                faults.append(f"{' '.join(name)}: has it a success to be asked for, or not?")
            for status in successes:
                wanted += 1
                if not since.get(f"{' '.join(name)} {status}"):
                    told = [answer for answer in since if answer.startswith(" ".join(name) + " ") and since[answer]]
                    others = ", ".join(f"{since[answer]} times {answer.rsplit(' ', 1)[1]}" for answer in sorted(told))
                    faults.append(f"{' '.join(name)}: never {status}, but {others or 'nothing'}")
    if faults:
        sys.exit("\n".join(["check-schema: not every operation was reached, or some failed:", *faults]))
    statuses = sorted((answer.rsplit(" ", 1)[1], count) for answer, count in since.items() if count)
    sums = {
        status: sum(count for _, count in group)
        for status, group in itertools.groupby(statuses, key=lambda it: it[0])
    }
    told = ", ".join(f"{count} times {status}" for status, count in sums.items())
    print(f"All {wanted} documented successes were answered. In all: {told}.")


def main():
    task, port, metrics_port, folder = sys.argv[1:]
    {"prepare": prepare, "judge": judge}[task](Instance(port, metrics_port), pathlib.Path(folder))


main()
