#!/usr/bin/env python3
"""Puts load on a server with OpenAI's completions API and prints how fast it answers.

    scripts/serve_load.py http://127.0.0.1:8080 [--clients 1,8,32] [--requests N] [--tokens N] [--words N] [--pid PID]
                          [--fields JSON] [--json]

Each client sends one request after another, as a stream, with a prompt of its own. For each number of clients a line is
printed: requests and tokens per second, the median and the 99th percentile of the time to the first token and of the time
between tokens. --pid also prints the resident memory of that process before and after, which a soak of many requests
should leave where it was. --fields are further fields of every request. --json prints a JSON object in place of each line.
"""

import argparse
import http.client
import json
import pathlib
import random
import sys
import threading
import time
import urllib.parse

WORDS = "the king and his daughter went into a great forest where an old wolf lived by the river with gold".split()


def resident(pid):
    """Megabytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return float("nan")


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Client(threading.Thread):
    """Sends requests until there are none left."""

    def __init__(self, address, arguments, take, seed):
        super().__init__()
        self.address, self.arguments, self.take = address, arguments, take
        self.random = random.Random(seed)
        self.firsts, self.gaps, self.tokens, self.error = [], [], 0, None

    def run(self):
        try:
            connection = http.client.HTTPConnection(self.address, timeout=600)
            while self.take():
                self.complete(connection)
            connection.close()
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.error = error

    def post(self, connection, body):
        for is_last in (False, True):
            try:
                connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
                return connection.getresponse()
            except http.client.RemoteDisconnected:
                if is_last:
                    raise
                connection.close()  # a server may close a connection between two requests: the next one opens another

    def complete(self, connection):
        prompt = " ".join(self.random.choice(WORDS) for _ in range(self.arguments.words))
        fields = {"prompt": prompt, "max_tokens": self.arguments.tokens, "temperature": 1, "stream": True, "ignore_eos": True}
        fields.update(json.loads(self.arguments.fields))
        if self.arguments.model:
            fields["model"] = self.arguments.model
        last = begin = time.monotonic()
        answer = self.post(connection, json.dumps(fields))
        if answer.status != 200:
            raise ValueError(f"expected 200, found {answer.status}: {answer.read()[:300]}")
        is_first = True
        for line in answer:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            if not any(choice.get("text") for choice in json.loads(line[6:]).get("choices", [])):
                continue
            now = time.monotonic()
            (self.firsts if is_first else self.gaps).append(now - (begin if is_first else last))
            last, is_first = now, False
            self.tokens += 1


def measure(address, arguments, count):
    left, lock = arguments.requests, threading.Lock()

    def take():
        nonlocal left
        with lock:
            left -= 1
            return left >= 0

    clients = [Client(address, arguments, take, seed) for seed in range(count)]
    begin = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    seconds = time.monotonic() - begin
    for client in clients:
        if client.error:
            sys.exit(f"serve_load.py: {client.error}")
    firsts = [one * 1e3 for client in clients for one in client.firsts]
    gaps = [one * 1e3 for client in clients for one in client.gaps]
    tokens = sum(client.tokens for client in clients)
    found = {
        "clients": count,
        "requests_per_second": arguments.requests / seconds,
        "tokens_per_second": tokens / seconds,
        "first_p50": quantile(firsts, 0.5),
        "first_p99": quantile(firsts, 0.99),
        "next_p50": quantile(gaps, 0.5),
        "next_p99": quantile(gaps, 0.99),
    }
    if arguments.json:
        print(json.dumps(found), flush=True)
        return
    line = "{clients:7d}  {requests_per_second:10.2f}  {tokens_per_second:8.1f}  {first_p50:9.1f}  {first_p99:9.1f}  {next_p50:9.2f}"
    print((line + "  {next_p99:9.2f}").format(**found), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--clients", default="1,8,32", help="numbers of clients, separated by commas")
    parser.add_argument("--requests", type=int, default=64, help="requests for each number of clients")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens of a request")
    parser.add_argument("--words", type=int, default=32, help="words of a prompt")
    parser.add_argument("--model", default="", help="the model that requests name")
    parser.add_argument("--fields", default="{}", help="a JSON object of further fields of every request")
    parser.add_argument("--json", action="store_true", help="print JSON objects")
    parser.add_argument("--pid", type=int, help="the server's process, whose memory is printed")
    arguments = parser.parse_args()
    address = urllib.parse.urlsplit(arguments.url).netloc
    if not arguments.json:
        print("CLIENTS  REQUESTS/S  TOKENS/S  FIRST P50  FIRST P99   NEXT P50   NEXT P99   (times in ms)")
    if arguments.pid:
        print(f"resident memory before: {resident(arguments.pid):.1f} MB")
    for count in arguments.clients.split(","):
        measure(address, arguments, int(count))
    if arguments.pid:
        print(f"resident memory after: {resident(arguments.pid):.1f} MB")


if __name__ == "__main__":
    main()
