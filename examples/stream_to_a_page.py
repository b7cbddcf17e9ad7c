"""A web page that a model writes while it is read: python examples/stream_to_a_page.py alice, then localhost:8000."""

import html
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import chargen

model = chargen.load(sys.argv[1])  # the threads of all requests share it
port = int(sys.argv[2]) if len(sys.argv) > 2 else 8000


class Page(BaseHTTPRequestHandler):
    """Answers every request with a new text."""

    def do_GET(self) -> None:
        """Send each character as soon as it is written."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>chargen</title><pre>")
        for character in model.stream(length=1000):
            self.wfile.write(html.escape(character).encode())


with ThreadingHTTPServer(("127.0.0.1", port), Page) as server:
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
