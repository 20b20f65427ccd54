"""Acts as a collector of traces, gives two instances some work, and checks the spans they send.

    check_traces.py PORT FOLDER TOKEN

For scripts/check-traces. PORT is where the instances send their traces, FOLDER holds the
state of the cluster, and TOKEN is in the collector's path. Needs OpenTelemetry's definitions
of the messages (opentelemetry-proto).
"""

import json
import secrets
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from checks import TIMEOUT_SECONDS, check, wait_for
from client import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

PORT, FOLDER, TOKEN = int(sys.argv[1]), sys.argv[2], sys.argv[3]

# The longest stop of an instance whose collector hangs: its own half second, two for the
# last spans, and the rest for a busy machine.
STOP_TIMEOUT_SECONDS = 10

PASSWORD = "correct horse"
MESSAGE = "a private message"


class Collector(BaseHTTPRequestHandler):
    """Accepts every batch, and keeps it both as received and decoded."""

    bodies, spans = [], []
    lock = threading.Lock()
    # While this is cleared, requests hang.
    responsive = threading.Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.responsive.is_set():
            self.responsive.wait(TIMEOUT_SECONDS)
            return
        kind = self.headers["content-type"]
        expected = (f"/{TOKEN}/v1/traces", "application/x-protobuf")
        check("a batch is protobuf for the endpoint's path", (self.path, kind) == expected)
        batch = ExportTraceServiceRequest.FromString(body)
        with self.lock:
            self.bodies.append(body)
            for resource_spans in batch.resource_spans:
                resource = attributes(resource_spans.resource)
                for scope_spans in resource_spans.scope_spans:
                    self.spans += [(resource, span) for span in scope_spans.spans]
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *_):
        pass


def start_collector():
    """Starts the collector, and returns the function that stops it."""
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


def received():
    """Returns all spans received so far, each with the resource that sent it."""
    with Collector.lock:
        return list(Collector.spans)


def spans(trace):
    """Returns the spans received of one trace, each with the resource that sent it."""
    return [(resource, span) for resource, span in received() if span.trace_id.hex() == trace]


def request_ids():
    """Returns the `request.id` of every span received that has one."""
    return {attributes(span).get("request.id") for _, span in received()} - {None}


def readable(found):
    """Returns spans as text, a line each."""
    lines = (
        f"  {resource['service.instance.id'][:8]} {Span.SpanKind.Name(span.kind)} {span.name} "
        f"{span.span_id.hex()} of {span.parent_span_id.hex()} {attributes(span)}"
        for resource, span in found
    )
    return "\n".join(lines)


def wait_for_spans(claim, holds):
    wait_for(claim, holds, lambda: readable(received()))


def instances():
    with open(f"{FOLDER}/cluster.json", encoding="utf-8") as file:
        return {it["number"]: it for it in json.load(file)["instances"]}


def client(number):
    return Client(instances()[number]["url"])


def call(number, method, path, body=None, token=None, **headers):
    """Sends a request to an instance and returns the response's status."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client(number).request(method, path, body, token, headers).status


def parent(flags="01"):
    """Returns a new trace id, a span id, and the `traceparent` that names both."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, f"00-{trace}-{span}-{flags}"


def single(found, kind, name):
    """Returns the only span of this kind and name."""
    matching = [it for it in found if (it[1].kind, it[1].name) == (kind, name)]
    check(f"there is one {name}", len(matching) == 1, readable(found))
    return matching[0]


def check_message(sender, receiver, receivers_socket):
    """Follows one message from one instance to a socket of the other."""
    trace, proxy, header = parent()
    body = {"receiver_id": receiver.id, "content": MESSAGE}
    status = call(
        1, "POST", "/api/messages/", body, sender.access, traceparent=header, x_request_id="check-traces-8f1e"
    )
    check("the message is sent", status == 201, status)
    frame = receivers_socket.read_until(MESSAGE.encode())
    check("the client's frame holds nothing of the trace", b"meta" not in frame and trace.encode() not in frame)
    wait_for_spans("the delivery is exported", lambda: any(span.name == "deliver" for _, span in spans(trace)))
    wait_for_spans(
        "the request is exported", lambda: any(span.kind == Span.SPAN_KIND_SERVER for _, span in spans(trace))
    )
    found = spans(trace)

    receiving, request = single(found, Span.SPAN_KIND_SERVER, "POST /api/messages/")
    check("the request's parent is the proxy's span", request.parent_span_id.hex() == proxy, readable(found))
    expected = {
        "http.request.method": "POST",
        "http.route": "/api/messages/",
        "http.response.status_code": 201,
        "request.id": "check-traces-8f1e",
    }
    check("the request has these attributes and no others", attributes(request) == expected, attributes(request))
    reads = [it for it in found if it[1].name == "database read"]
    check("the viewer is read within the request", reads, readable(found))
    _, transaction = single(found, Span.SPAN_KIND_CLIENT, "database transaction")
    _, publish = single(found, Span.SPAN_KIND_PRODUCER, "publish")
    for _, span in [*reads, (receiving, transaction), (receiving, publish)]:
        check(f"{span.name} is a child of the request", span.parent_span_id == request.span_id, readable(found))
    # The event for the receiver, and the notice for the other devices of the sender.
    check("the published payloads are counted", attributes(publish) == {"payloads": 2}, attributes(publish))

    delivering, deliver = single(found, Span.SPAN_KIND_CONSUMER, "deliver")
    check("the delivery is a child of the publication", deliver.parent_span_id == publish.span_id, readable(found))
    check(
        "the delivery names the request", attributes(deliver) == {"request.id": "check-traces-8f1e"}, readable(found)
    )
    check("the delivering instance is the other one", receiving != delivering, readable(found))
    for resource in (receiving, delivering):
        check(
            "the resource names the service and its version",
            resource["service.name"] == "numeneon" and resource["service.version"],
        )
    check("there is no other span", len(found) == 4 + len(reads), readable(found))
    check("each span has its time", all(0 < it.start_time_unix_nano <= it.end_time_unix_nano for _, it in found))
    print(f"one message:\n{readable(found)}")


def check_parents(token):
    """Checks which traces are recorded, by what a request's `traceparent` says."""
    unrecorded, _, unsampled = parent("00")
    status = call(1, "GET", "/api/auth/me/", token=token, traceparent=unsampled)
    check("a request of a trace that is not recorded succeeds", status == 200, status)
    unknown, _, header = parent()
    status = call(
        1, "GET", "/api/auth/me/", token=token, traceparent=header.upper(), x_request_id="check-traces-malformed"
    )
    check("a request with a malformed header succeeds", status == 200, status)

    def malformed():
        return [span for _, span in received() if attributes(span).get("request.id") == "check-traces-malformed"]

    wait_for_spans("a request with a malformed header is exported", malformed)
    (span,) = malformed()
    check("it begins a trace of its own", not span.parent_span_id and span.trace_id.hex() != unknown)
    check("a trace that is not recorded has no span", not spans(unrecorded), readable(spans(unrecorded)))


def check_patterns(token):
    """Checks that paths and queries are exported as patterns only."""
    for method, path, status, name in [
        ("POST", "/api/friends/request/999999/", 404, "POST /api/friends/request/{user:[0-9]+}/"),
        ("GET", f"/api/auth/me/?token={token}", 401, "GET /api/auth/me/"),
        ("GET", "/private/path-of-nothing/", 404, None),
    ]:
        shown = path.partition("?")[0]
        trace, _, header = parent()
        found = call(1, method, path, None, token if status == 404 else None, traceparent=header)
        check(f"the status of {shown} is {status}", found == status, found)
        wait_for_spans(
            f"{shown} is exported", lambda: any(it.kind == Span.SPAN_KIND_SERVER for _, it in spans(trace))
        )
        (request,) = [it for _, it in spans(trace) if it.kind == Span.SPAN_KIND_SERVER]
        if name:
            check("its name is its pattern", request.name == name, request.name)
        check("its status is exported", attributes(request)["http.response.status_code"] == status)
        check("a 4xx is not an error of the span", request.status.code == Status.STATUS_CODE_UNSET)


def log_contains(number, text):
    with open(instances()[number]["log"], encoding="utf-8") as file:
        return text in file.read()


def check_outage(stop, token):
    """Checks that requests succeed while the collector is down, and that the log names it once."""
    stop()
    for _ in range(3):
        started = time.monotonic()
        status = call(1, "GET", "/api/auth/me/", token=token)
        check("a request does not wait for the collector", status == 200 and time.monotonic() - started < 1)
    wait_for("the log says that spans are dropped", lambda: log_contains(1, "the collector takes no spans"))
    stop = start_collector()
    trace, _, header = parent()
    call(1, "GET", "/api/auth/me/", token=token, traceparent=header)
    wait_for_spans("spans arrive again", lambda: spans(trace))
    wait_for("the log says that it is over", lambda: log_contains(1, "the collector takes spans again"))
    check("no error is in the log", not log_contains(1, '"ERROR"'))
    return stop


def check_ratio(token):
    """Checks that with a ratio of 0 no trace begins here, while one begun elsewhere is recorded."""
    cluster("restart-instance", "2", "--set", "OTLP_SAMPLE_RATIO=0")
    trace, _, header = parent()
    call(2, "GET", "/api/auth/me/", token=token, x_request_id="check-traces-none")
    call(2, "GET", "/api/auth/me/", token=token, traceparent=header, x_request_id="check-traces-theirs")
    wait_for_spans("a trace begun elsewhere is recorded", lambda: len(spans(trace)) >= 2)
    exported = request_ids()
    check("no other is recorded", "check-traces-theirs" in exported and "check-traces-none" not in exported)


def check_stop(token):
    """Checks that the last spans are sent before the end, and that a hanging collector does not delay it."""
    trace, _, header = parent()
    call(1, "GET", "/api/auth/me/", token=token, traceparent=header)
    cluster("stop-instance", "1")
    check("the last spans of an instance arrive", len(spans(trace)) >= 2, readable(spans(trace)))
    Collector.responsive.clear()
    _, _, header = parent()
    call(2, "GET", "/api/auth/me/", token=token, traceparent=header)
    started = time.monotonic()
    cluster("stop-instance", "2")
    took = time.monotonic() - started
    Collector.responsive.set()
    check(f"an instance stops although the collector hangs, after {took:.1f} s", took < STOP_TIMEOUT_SECONDS)
    print(f"with a collector that hangs an instance stops in {took:.1f} s")


def cluster(*arguments):
    subprocess.run(["scripts/cluster", *arguments, "--dir", FOLDER], check=True)


def check_secrets(secret):
    """Checks that nothing secret and nothing that names a person is in any span."""
    with Collector.lock:
        everything = b"\n".join(Collector.bodies)
    # A search that finds nothing may be broken: each also has to find something that is there.
    check("the search of the spans finds what is there", b"POST /api/messages/" in everything)
    for name, text in secret.items():
        check(f"no span holds {name}", text.encode() not in everything)
    for instance in instances():
        check("the collector's token is in no log", not log_contains(instance, TOKEN))
    check("the search of the logs finds what is there", log_contains(1, "exporting traces"))
    print(f"{len(Collector.spans)} spans in {len(Collector.bodies)} batches, none with a secret")


def main():
    Collector.responsive.set()
    stop = start_collector()
    ada, bob = (client(1).sign_up(name, PASSWORD) for name in ("ada-lovelace", "bob-noyce"))
    ticket = client(2).request("POST", "/api/auth/ws-ticket/", token=bob.access).expect(201)["ticket"]
    receivers_socket = client(2).open_socket(ticket=ticket)
    check_message(ada, bob, receivers_socket)
    check_parents(ada.access)
    check_patterns(ada.access)
    stop = check_outage(stop, ada.access)
    receivers_socket.close()
    check_ratio(ada.access)
    check_stop(ada.access)
    stop()
    tokens = {
        "an access token": ada.access,
        "another's access token": bob.access,
        "a refresh token": ada.refresh,
        "a ticket": ticket,
    }
    check_secrets(
        # The last part of a token is its signature, and appears in no other text.
        {name: text.rsplit(".", 1)[-1] for name, text in tokens.items()}
        | {"a password": PASSWORD, "a message": MESSAGE, "a name": "lovelace", "another name": "noyce"}
        | {"a path": "path-of-nothing", "an id in a path": "999999"}
    )


main()
