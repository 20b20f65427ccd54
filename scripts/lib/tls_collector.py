"""A collector of traces that accepts every request over TLS and records its path.

    tls_collector.py PORT CERTIFICATE KEY RECEIVED_PATHS

For scripts/tls-check.
"""

import ssl
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT, CERTIFICATE, KEY, RECEIVED_PATHS = int(sys.argv[1]), *sys.argv[2:]


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        with open(RECEIVED_PATHS, "a", encoding="utf-8") as file:
            print(self.path, file=file)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


server = HTTPServer(("127.0.0.1", PORT), Collector)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
