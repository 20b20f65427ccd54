"""Is a collector of traces, gives two instances something to do, and checks what they tell.

    check_traces.py PORT FOLDER

For scripts/check-traces: PORT is where the instances send their traces, FOLDER the state
of the cluster. Needs the official definitions of the messages (opentelemetry-proto).
"""

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

PORT, FOLDER, TOKEN = int(sys.argv[1]), sys.argv[2], sys.argv[3]

# How long anything may be waited for: a batch leaves after a second.
LIMIT = 20

# The longest stop of an instance whose collector hangs: its own half second, two for the
# last spans, and what a busy machine needs.
STOP_LIMIT = 10

PASSWORD = "correct horse"
MESSAGE = "a private message"


def fail(text):
    sys.exit(f"check-traces: {text}")


def check(what, is_so, found=None):
    if not is_so:
        fail(f"not so: {what}" + ("" if found is None else f"\n{found}"))


class Collector(BaseHTTPRequestHandler):
    """Takes every batch, and keeps it as it came and decoded."""

    bodies, spans = [], []
    lock = threading.Lock()
    # Cleared, it answers nobody until it is set.
    answers = threading.Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.answers.is_set():
            self.answers.wait(LIMIT)
            return
        kind = self.headers["content-type"]
        expected = (f"/{TOKEN}/v1/traces", "application/x-protobuf")
        check("a batch is protobuf for the endpoint's path", (self.path, kind) == expected)
        batch = ExportTraceServiceRequest.FromString(body)
        with self.lock:
            self.bodies.append(body)
            for of_resource in batch.resource_spans:
                resource = attributes(of_resource.resource)
                for of_scope in of_resource.scope_spans:
                    self.spans += [(resource, span) for span in of_scope.spans]
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *_):
        pass


def collect():
    """Listens; what is returned ends it."""
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Collector)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop():
        server.shutdown()
        server.server_close()

    return stop


def attributes(holder):
    """Returns the attributes of a span or a resource."""
    return {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in holder.attributes}


def spans(trace):
    """Returns the spans of a trace that have arrived, with their instances."""
    with Collector.lock:
        found = [(resource, span) for resource, span in Collector.spans if span.trace_id.hex() == trace]
    return found


def told(found):
    """Returns spans for a person to read."""
    lines = (
        f"  {resource['service.instance.id'][:8]} {Span.SpanKind.Name(span.kind)} {span.name} "
        f"{span.span_id.hex()} of {span.parent_span_id.hex()} {attributes(span)}"
        for resource, span in found
    )
    return "\n".join(lines)


def wait_for(what, is_so):
    deadline = time.monotonic() + LIMIT
    while not is_so():
        if time.monotonic() > deadline:
            with Collector.lock:
                fail(f"in {LIMIT} s it did not come to this: {what}\n{told(Collector.spans)}")
        time.sleep(0.05)


def instances():
    with open(f"{FOLDER}/cluster.json", encoding="utf-8") as file:
        return {it["number"]: it for it in json.load(file)["instances"]}


def call(instance, method, path, body=None, token=None, **headers):
    """Asks an instance and returns the status and the answer."""
    request = urllib.request.Request(instances()[instance]["url"] + path, method=method)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


def parent(flags="01"):
    """Returns a trace, a span of it, and the header that names both."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, f"00-{trace}-{span}-{flags}"


def sign_up(name):
    """Signs somebody up and returns their id and tokens."""
    credentials = {"email": f"{name}@example.com", "password": PASSWORD}
    status, signed_up = call(1, "POST", "/api/auth/signup/", {"username": name, **credentials})
    check(f"{name} is signed up", status == 201, status)
    status, tokens = call(1, "POST", "/api/auth/login/", credentials)
    check(f"{name} is signed in", status == 200, status)
    return signed_up["user"]["id"], tokens


def open_socket(instance, ticket):
    """Opens a socket and waits for its greeting."""
    port = int(instances()[instance]["url"].rsplit(":", 1)[1])
    connection = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET /ws/notifications/?ticket={ticket} HTTP/1.1\r\nHost: localhost\r\n"
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
    return seen


def one(found, kind, name):
    """Returns the one span of this kind and name."""
    those = [it for it in found if (it[1].kind, it[1].name) == (kind, name)]
    check(f"there is one {name}", len(those) == 1, told(found))
    return those[0]


def check_message(sender, receiver, receivers_socket):
    """One message, from one instance to a socket of the other."""
    trace, proxy, header = parent()
    body = {"receiver_id": receiver, "content": MESSAGE}
    status, _ = call(
        1, "POST", "/api/messages/", body, sender, traceparent=header, x_request_id="check-traces-8f1e"
    )
    check("the message is sent", status == 201, status)
    frame = read_until(receivers_socket, MESSAGE.encode())
    check("the client's frame holds nothing of the trace", b"meta" not in frame and trace.encode() not in frame)
    wait_for("the delivery is told", lambda: any(span.name == "deliver" for _, span in spans(trace)))
    wait_for("the request is told", lambda: any(span.kind == Span.SPAN_KIND_SERVER for _, span in spans(trace)))
    found = spans(trace)

    here, request = one(found, Span.SPAN_KIND_SERVER, "POST /api/messages/")
    check("the request's parent is the proxy's span", request.parent_span_id.hex() == proxy, told(found))
    expected = {
        "http.request.method": "POST",
        "http.route": "/api/messages/",
        "http.response.status_code": 201,
        "request.id": "check-traces-8f1e",
    }
    check("the request has these attributes and no others", attributes(request) == expected, attributes(request))
    reads = [it for it in found if it[1].name == "database read"]
    check("the viewer is read within the request", reads, told(found))
    _, transaction = one(found, Span.SPAN_KIND_CLIENT, "database transaction")
    _, publish = one(found, Span.SPAN_KIND_PRODUCER, "publish")
    for _, span in [*reads, (here, transaction), (here, publish)]:
        check(f"{span.name} is a child of the request", span.parent_span_id == request.span_id, told(found))
    check("what is published is counted", attributes(publish) == {"payloads": 1}, attributes(publish))

    there, deliver = one(found, Span.SPAN_KIND_CONSUMER, "deliver")
    check("the delivery is a child of the publication", deliver.parent_span_id == publish.span_id, told(found))
    check("the delivery names the request", attributes(deliver) == {"request.id": "check-traces-8f1e"}, told(found))
    check("it is another instance that delivers", here != there, told(found))
    for resource in (here, there):
        check("an instance says what it is", resource["service.name"] == "numeneon" and resource["service.version"])
    check("nothing else is told", len(found) == 4 + len(reads), told(found))
    check("each step has its time", all(0 < it.start_time_unix_nano <= it.end_time_unix_nano for _, it in found))
    print(f"one message:\n{told(found)}")


def check_parents(token):
    """Which traces are recorded, by what a request says of its parent."""
    unrecorded, _, unsampled = parent("00")
    status, _ = call(1, "GET", "/api/auth/me/", token=token, traceparent=unsampled)
    check("a request of a trace that is not recorded is answered", status == 200, status)
    unknown, _, header = parent()
    status, _ = call(
        1, "GET", "/api/auth/me/", token=token, traceparent=header.upper(), x_request_id="check-traces-malformed"
    )
    check("a request with a malformed header is answered", status == 200, status)

    def malformed():
        with Collector.lock:
            return [it for _, it in Collector.spans if attributes(it).get("request.id") == "check-traces-malformed"]

    wait_for("a request with a malformed header is told", malformed)
    (span,) = malformed()
    check("it begins a trace of its own", not span.parent_span_id and span.trace_id.hex() != unknown)
    check("nothing is told of a trace that is not recorded", not spans(unrecorded), told(spans(unrecorded)))


def check_patterns(token):
    """Paths and queries are told as patterns only."""
    for method, path, status, name in [
        ("POST", "/api/friends/request/999999/", 404, "POST /api/friends/request/{user:[0-9]+}/"),
        ("GET", f"/api/auth/me/?token={token}", 401, "GET /api/auth/me/"),
        ("GET", "/private/path-of-nothing/", 404, None),
    ]:
        trace, _, header = parent()
        answered, _ = call(1, method, path, None, token if status == 404 else None, traceparent=header)
        check(f"{path} is answered with {status}", answered == status, answered)
        wait_for(f"{path} is told", lambda: any(it.kind == Span.SPAN_KIND_SERVER for _, it in spans(trace)))
        (request,) = [it for _, it in spans(trace) if it.kind == Span.SPAN_KIND_SERVER]
        if name:
            check("its name is its pattern", request.name == name, request.name)
        check("its status is told", attributes(request)["http.response.status_code"] == status)
        check("a refusal is no fault", request.status.code == Status.STATUS_CODE_UNSET)


def log_has(instance, text):
    with open(instances()[instance]["log"], encoding="utf-8") as file:
        return text in file.read()


def check_outage(stop, token):
    """While the collector is away the service goes on, and says so once."""
    stop()
    for _ in range(3):
        started = time.monotonic()
        status, _ = call(1, "GET", "/api/auth/me/", token=token)
        check("a request is answered at once without the collector", status == 200 and time.monotonic() - started < 1)
    wait_for("the log says that spans are dropped", lambda: log_has(1, "the collector takes no spans"))
    stop = collect()
    trace, _, header = parent()
    call(1, "GET", "/api/auth/me/", token=token, traceparent=header)
    wait_for("spans arrive again", lambda: spans(trace))
    wait_for("the log says that it is over", lambda: log_has(1, "the collector takes spans again"))
    check("no error is in the log", not log_has(1, '"ERROR"'))
    return stop


def check_ratio(token):
    """With a ratio of 0 none begins here, and one that somebody has begun is recorded."""
    cluster("restart-instance", "2", "--set", "OTLP_SAMPLE_RATIO=0")
    trace, _, header = parent()
    call(2, "GET", "/api/auth/me/", token=token, x_request_id="check-traces-none")
    call(2, "GET", "/api/auth/me/", token=token, traceparent=header, x_request_id="check-traces-theirs")
    wait_for("a trace that is recorded elsewhere is recorded", lambda: len(spans(trace)) >= 2)
    with Collector.lock:
        told_of = {attributes(it).get("request.id") for _, it in Collector.spans}
    check("no other is", "check-traces-theirs" in told_of and "check-traces-none" not in told_of)


def check_stop(token):
    """The last spans leave before the end, and a collector that hangs does not hold it up."""
    trace, _, header = parent()
    call(1, "GET", "/api/auth/me/", token=token, traceparent=header)
    cluster("stop-instance", "1")
    check("the last spans of an instance arrive", len(spans(trace)) >= 2, told(spans(trace)))
    Collector.answers.clear()
    _, _, header = parent()
    call(2, "GET", "/api/auth/me/", token=token, traceparent=header)
    started = time.monotonic()
    cluster("stop-instance", "2")
    took = time.monotonic() - started
    Collector.answers.set()
    check(f"an instance ends though the collector hangs, after {took:.1f} s", took < STOP_LIMIT)
    print(f"with a collector that hangs an instance ends in {took:.1f} s")


def cluster(*arguments):
    subprocess.run(["scripts/cluster", *arguments, "--dir", FOLDER], check=True)


def check_secrets(secret):
    """Nothing of what is secret, or names a person, is in any span."""
    with Collector.lock:
        everything = b"\n".join(Collector.bodies)
    check("this search finds what is there", b"POST /api/messages/" in everything)
    for name, text in secret.items():
        check(f"no span holds {name}", text.encode() not in everything)
    for instance in instances():
        check("the collector's token is in no log", not log_has(instance, TOKEN))
    check("that search finds what is there", log_has(1, "exporting traces"))
    print(f"{len(Collector.spans)} spans in {len(Collector.bodies)} batches, none with a secret")


def main():
    Collector.answers.set()
    stop = collect()
    (_, ada), (bob, bobs) = sign_up("ada-lovelace"), sign_up("bob-noyce")
    status, ticket = call(2, "POST", "/api/auth/ws-ticket/", token=bobs["access"])
    check("a ticket is made", status == 201, status)
    receivers_socket = open_socket(2, ticket["ticket"])
    check_message(ada["access"], bob, receivers_socket)
    check_parents(ada["access"])
    check_patterns(ada["access"])
    stop = check_outage(stop, ada["access"])
    receivers_socket.close()
    check_ratio(ada["access"])
    check_stop(ada["access"])
    stop()
    # Of a token, its last part tells whether it is there.
    parts = {
        "an access token": ada["access"],
        "another's access token": bobs["access"],
        "a refresh token": ada["refresh"],
        "a ticket": ticket["ticket"],
    }
    check_secrets(
        {name: text.rsplit(".", 1)[-1] for name, text in parts.items()}
        | {"a password": PASSWORD, "a message": MESSAGE, "a name": "lovelace", "another name": "noyce"}
        | {"a path": "path-of-nothing", "an id in a path": "999999"}
    )


main()
