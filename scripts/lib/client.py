"""A client of one instance over HTTP and WebSocket, for the scripts that check and measure.

Requests and reads block, for at most the client's timeout. Nothing is retried, no redirect
is followed, and there is no TLS: instances under test listen on loopback. Only the standard
library is used.
"""

import base64
import hashlib
import http.client
import json
import os
import socket
import struct
import time
import urllib.parse

# Far above what any response or event takes, so that only an instance that hangs meets it.
TIMEOUT_SECONDS = 20

# Opcodes of RFC 6455, section 5.2.
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
# What the server appends to the client's key, RFC 6455, section 1.3.
ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class UnexpectedResponse(Exception):
    """A response has another status than the caller needs."""


class Disconnected(Exception):
    """The server closed the socket before the awaited frame came."""


class Response:
    """The status and the body of a response."""

    def __init__(self, request, status, body):
        self.request, self.status, self.body = request, status, body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def expect(self, status):
        """Returns the JSON of the body; raises `UnexpectedResponse` if the status is another."""
        if self.status != status:
            # A body without an error may hold tokens, which belong in no log.
            detail = f": {self.text}" if self.status >= 400 else ""
            raise UnexpectedResponse(f"{self.request}: {self.status} instead of {status}{detail}")
        return self.json()


class Client:
    """Sends requests to one instance, and opens sockets there.

    Each request has a connection of its own unless `keep_alive` is set. A client with
    `keep_alive` must not be shared between threads.
    """

    def __init__(self, url, timeout=TIMEOUT_SECONDS, keep_alive=False):
        self.url, self.timeout = url, timeout
        address = urllib.parse.urlsplit(url)
        self.host, self.port = address.hostname, address.port
        self._kept = self._connection() if keep_alive else None

    def _connection(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    def request(self, method, path, body=None, token=None, headers=None):
        """Sends a request, with `body` as JSON if it is not None, and returns its `Response`."""
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        connection = self._kept or self._connection()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            # Without its query, which may hold a token.
            return Response(f"{method} {path.partition('?')[0]}", response.status, response.read())
        finally:
            if connection is not self._kept:
                connection.close()

    def sign_up(self, name, password):
        """Creates an account, logs in, and returns the `User`."""
        return User(self, name, password)

    def open_socket(self, **query):
        """Opens a notification socket with these query parameters and returns it greeted."""
        opened = Socket(self, f"/ws/notifications/?{urllib.parse.urlencode(query)}")
        opened.read_until(b"connection_established")
        return opened

    def close(self):
        if self._kept:
            self._kept.close()


class User:
    """An account made for a check, with the tokens of one login."""

    def __init__(self, client, name, password):
        self.client, self.name, self.password = client, name, password
        self.email = f"{name}@example.org"
        account = {"username": name, "email": self.email, "password": password}
        user = client.request("POST", "/api/auth/signup/", account).expect(201)["user"]
        self.id, self.profile_id = user["id"], user["profile"]["id"]
        tokens = self.log_in()
        self.access, self.refresh = tokens["access"], tokens["refresh"]

    def log_in(self):
        """Returns a new pair of tokens; those of before stay valid."""
        credentials = {"email": self.email, "password": self.password}
        return self.client.request("POST", "/api/auth/login/", credentials).expect(200)

    def request(self, method, path, body=None, **options):
        """Sends a request with this user's access token."""
        return self.client.request(method, path, body, token=self.access, **options)


class Socket:
    """A WebSocket that reads what the server sends and responds to its pings."""

    def __init__(self, client, path):
        self.connection = socket.create_connection((client.host, client.port), timeout=client.timeout)
        self.input = self.connection.makefile("rb")
        key = base64.b64encode(os.urandom(16))
        self.connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {client.host}:{client.port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key.decode()}\r\n\r\n".encode()
        )
        self._read_handshake(path, base64.b64encode(hashlib.sha1(key + ACCEPT_GUID).digest()))

    def _read_handshake(self, path, accept):
        status_line = self.input.readline()
        if b" 101 " not in status_line:
            # Without its query, which holds a token or a ticket.
            raise UnexpectedResponse(f"GET {path.partition('?')[0]}: {status_line.decode().strip()}")
        headers = {}
        while line := self.input.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        if headers.get(b"sec-websocket-accept") != accept:
            raise UnexpectedResponse("the handshake's Sec-WebSocket-Accept does not match its key")

    def _read_exactly(self, count):
        read = self.input.read(count)
        if len(read) < count:
            raise Disconnected("the connection ended within or between frames")
        return read

    def _send(self, opcode, payload):
        """Sends one frame with a payload of up to 125 bytes, masked as a client's frames are."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.connection.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def read_frame(self):
        """Returns the opcode and the payload of the next frame that is not a ping."""
        while True:
            first, length = self._read_exactly(2)
            if length == 126:
                (length,) = struct.unpack(">H", self._read_exactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._read_exactly(8))
            opcode, payload = first & 15, self._read_exactly(length)
            if opcode != PING:
                return opcode, payload
            self._send(PONG, payload)

    def read_until(self, text):
        """Reads frames until one contains `text`; returns the payloads read, joined."""
        read = b""
        while text not in read:
            opcode, payload = self.read_frame()
            if opcode == CLOSE:
                raise Disconnected(f"closed with {close_code(payload)} before {text.decode()} came")
            # No text spans two frames.
            read += payload + b"\n"
        return read

    def read_close(self):
        """Reads up to the close frame; returns its code, and when it came by `time.perf_counter`."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == CLOSE:
                return close_code(payload), time.perf_counter()

    def close(self):
        """Closes the connection without a close frame."""
        self.input.close()
        self.connection.close()


def close_code(payload):
    """Returns the code in a close frame's payload, or None if it is empty."""
    return struct.unpack(">H", payload[:2])[0] if payload else None
