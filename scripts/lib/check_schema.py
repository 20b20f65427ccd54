"""Prepares what schemathesis requests from a running instance, and verifies the responses.

    check_schema.py prepare PORT METRICS_PORT FOLDER    creates users and data; before the first request
    check_schema.py verify PORT METRICS_PORT FOLDER     after the last request

For scripts/check-schema. Uses only the standard library. In FOLDER `prepare` leaves:

    schema.json      /api/schema/ with examples that name the prepared ids and tokens
    token-<name>     the access token of each requester
    counts.json      the number of responses so far
"""

import collections
import json
import pathlib
import re
import sys

from client import Client

# scripts/check-schema says why one requester is not enough.
REQUESTERS = ["reader", "keeper", "changer", "leaver"]
# Whom requests are about. Each is named for the relationship to the reader: a friend, one who
# stays a friend and has stories, one whom the reader sent a friend request, two who sent the
# reader one, and none.
OTHERS = ["friend", "teller", "addressee", "sender", "second_sender", "stranger"]
# The password of the user whose password the description's example changes.
CHANGED_PASSWORD = "correct horse"

# An upgrade, which schemathesis cannot make: tests/api covers its success.
WITHOUT_SUCCESS = {("GET", "/ws/notifications/")}


def response_counts(metrics):
    """Returns how often each route responded with each status, by "METHOD path status"."""
    text = metrics.request("GET", "/metrics").text
    counts = {}
    for labels, count in re.findall(r"^numeneon_requests_total\{(.*)\} (\d+)$", text, re.MULTILINE):
        label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        # A route's pattern restricts the characters of a parameter; the description does not.
        path = re.sub(r"\{(\w+):.*?\}(?=/|$)", r"{\1}", label["route"])
        counts[f"{label['method']} {path} {label['status']}"] = int(count)
    return counts


def sign_up(client, name):
    return client.sign_up(name, CHANGED_PASSWORD if name == "changer" else f"the password of {name}")


def prepare(client, metrics, folder):
    users = {name: sign_up(client, name) for name in REQUESTERS + OTHERS}
    reader, friend = users["reader"], users["friend"]
    for name in ["friend", "teller", "sender", "second_sender"]:
        send_friend_request(users[name], reader)
    received = reader.request("GET", "/api/friends/requests/").expect(200)
    requests = {request["from_user"]["username"]: request["id"] for request in received}
    for name in ["friend", "teller"]:
        reader.request("POST", f"/api/friends/accept/{requests[name]}/", {}).expect(201)
    send_friend_request(reader, users["addressee"])
    message = send_message(friend, reader, "hello")
    send_message(reader, friend, "hello back")

    reader.log_in()
    sign_ins = reader.request("GET", "/api/auth/sign-ins/").expect(200)
    other_sign_in = next(entry["id"] for entry in sign_ins if not entry["is_current"])

    schema = client.request("GET", "/api/schema/").expect(200)
    posts = [write_post(reader, f"post {number}") for number in range(2)]
    # Stories of the reader may be deleted by any request that guesses them.
    stories = [publish_story(author) for author in [reader, users["teller"], users["teller"]]]
    reader.request("POST", f"/api/stories/{stories[2]}/react/", {"reaction_type": "heart"}).expect(200)
    set_examples(schema, users, requests, message["id"], other_sign_in, posts, stories)
    (folder / "schema.json").write_text(json.dumps(schema))
    for name in REQUESTERS:
        (folder / f"token-{name}").write_text(users[name].access)
    (folder / "counts.json").write_text(json.dumps(response_counts(metrics)))


def send_friend_request(sender, addressee):
    sender.request("POST", f"/api/friends/request/{addressee.id}/", {}).expect(201)


def send_message(sender, receiver, content):
    return sender.request("POST", "/api/messages/", {"receiver_id": receiver.id, "content": content}).expect(201)


def write_post(author, content):
    return author.request("POST", "/api/posts/", {"content": content}).expect(201)["id"]


def publish_story(user):
    story = {"media_url": "https://example.com/a.png", "media_type": "image"}
    return user.request("POST", "/api/stories/", story).expect(201)["id"]


def set_examples(schema, users, requests, message, sign_in, posts, stories):
    """Makes examples of what was prepared; no two of them consume the same."""
    reader, friend = users["reader"], users["friend"]
    ids = {
        "/api/auth/users/{username}/": friend.name,
        "/api/auth/profile/{id}/": reader.profile_id,
        "/api/auth/sign-ins/{id}/": sign_in,
        "/api/friends/request/{user}/": users["stranger"].id,
        "/api/friends/accept/{request}/": requests["sender"],
        "/api/friends/decline/{request}/": requests["second_sender"],
        "/api/friends/cancel/{user}/": users["addressee"].id,
        "/api/friends/remove/{user}/": friend.id,
        "/api/messages/conversation/{user}/": friend.id,
        "/api/messages/conversation/{user}/read/": friend.id,
        "/api/messages/{id}/read/": message,
        "/api/messages/read_all/": friend.id,
        "/api/posts/{id}/": posts[0],
        "/api/posts/{id}/replies/": posts[1],
        "/api/posts/{id}/like/": posts[1],
        "/api/posts/{id}/share/": posts[1],
        "/api/stories/user/{user}/": friend.id,
        "/api/stories/{id}/": stories[0],
        "/api/stories/{id}/view/": stories[1],
        "/api/stories/{id}/react/": stories[2],
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
        ("post", "/api/auth/password/"): [
            {"old_password": CHANGED_PASSWORD, "new_password": "another correct horse"}
        ],
        ("patch", "/api/auth/profile/"): [{"bio": "hello"}],
        ("put", "/api/auth/profile/{id}/"): [{"bio": "hello"}],
        ("post", "/api/messages/"): [{"receiver_id": friend.id, "content": "hello"}],
        ("post", "/api/posts/"): [{"content": "hello"}, {"content": "yes", "parent_id": posts[1]}],
        ("put", "/api/posts/{id}/"): [{"content": "hello"}],
        ("patch", "/api/posts/{id}/"): [{"content": "hello"}],
        ("post", "/api/posts/{id}/like/"): [{"action": "like"}],
        ("post", "/api/stories/"): [{"media_url": "https://example.com/a.png", "media_type": "image"}],
        ("post", "/api/stories/{id}/react/"): [{"reaction_type": "heart"}],
        ("post", "/api/notifications/read/"): [{"up_to": 1}],
        ("post", "/api/events/"): [announcement, announcement | {"durable": False}],
    }
    for (method, path), values in bodies.items():
        for content in schema["paths"][path][method]["requestBody"]["content"].values():
            content["examples"] = {str(number): {"value": value} for number, value in enumerate(values)}


def verify(client, metrics, folder):
    before, after = json.loads((folder / "counts.json").read_text()), response_counts(metrics)
    differences = {response: count - before.get(response, 0) for response, count in after.items()}
    counts = {response: count for response, count in differences.items() if count}
    schema = client.request("GET", "/api/schema/").expect(200)
    faults = [f"{response}: a server error, {count} times" for response, count in counts.items() if is_error(response)]
    documented = 0
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            successes = [status for status in operation["responses"] if status.startswith("2")]
            documented += len(successes)
            faults += operation_faults(method.upper(), path, successes, counts)
    if faults:
        sys.exit("\n".join(["check-schema: operations without a documented success, or with errors:", *faults]))
    totals = collections.Counter()
    for response, count in counts.items():
        totals[response.rsplit(" ", 1)[1]] += count
    summary = ", ".join(f"{count} times {status}" for status, count in sorted(totals.items()))
    print(f"All {documented} documented successes occurred. In total: {summary}.")


def is_error(response):
    return response.rsplit(" ", 1)[1].startswith("5")


def operation_faults(method, path, successes, counts):
    """Returns what is wrong with one operation: each documented success must have occurred."""
    name = f"{method} {path}"
    if bool(successes) == ((method, path) in WITHOUT_SUCCESS):
        yield f"{name}: WITHOUT_SUCCESS and the description disagree on whether it has a success"
    of_this = {response.rsplit(" ", 1)[1]: count for response, count in counts.items() if response.startswith(f"{name} ")}
    for status in successes:
        if status not in of_this:
            others = ", ".join(f"{count} times {other}" for other, count in sorted(of_this.items()))
            yield f"{name}: never {status}, but {others or 'nothing'}"


def main():
    task, port, metrics_port, folder = sys.argv[1:]
    clients = (Client(f"http://127.0.0.1:{number}") for number in (port, metrics_port))
    {"prepare": prepare, "verify": verify}[task](*clients, pathlib.Path(folder))


main()
