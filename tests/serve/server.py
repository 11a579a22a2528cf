"""What the tests of gpt2serve share: the program on a free port, HTTP by Python's own library, and bytes on a socket."""

import http.client
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 60  # seconds for what takes a moment; sanitizers and busy machines are slow


def expect(condition, *what):
    if not condition:
        sys.exit("expected " + " ".join(map(str, what)))


def wait_until(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, what, "within", seconds, "seconds")
        time.sleep(0.02)


class Server:
    """gpt2serve with these options, until the end of a with statement."""

    def __init__(self, build, *options, quiet=True, port=0, errors=None):
        self.build = pathlib.Path(build)
        self.options = options
        self.quiet = quiet
        self.wanted_port = port  # 0: a free one
        self.errors = errors  # a file for its standard error

    def __enter__(self):
        self.errors = self.errors or tempfile.TemporaryFile()
        quiet = ["--quiet"] if self.quiet else []
        command = [self.build / "bin/gpt2serve", "--port", str(self.wanted_port), *quiet, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        line = self.process.stdout.readline().strip()
        timer.cancel()
        expect(line.startswith("http://"), "an address, found", repr(line), self.messages())
        self.host, _, port = line.removeprefix("http://").rpartition(":")
        self.port = int(port)
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                sys.exit("expected gpt2serve to end after SIGTERM")
            if kind is None:
                expect(self.process.returncode == 0, "exit code 0, found", self.process.returncode, self.messages())
        self.process.stdout.close()
        self.errors.close()

    def messages(self):
        if not self.errors.seekable():
            return ""  # a pipe, which the test reads
        self.errors.seek(0)
        return self.errors.read().decode()

    def connection(self):
        return http.client.HTTPConnection(self.host.strip("[]"), self.port, timeout=PATIENCE)

    def request(self, method, path, body=None, headers=None):
        """Status, header fields and body of an answer; the body is parsed where it is JSON."""
        connection = self.connection()
        try:
            given = {"Content-Type": "application/json"} if body is not None else {}
            data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
            connection.request(method, path, data, {**given, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.getheader("Content-Type", "").startswith("application/json")
            return answer.status, answer.headers, json.loads(content) if is_json and content else content.decode()
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, status=200):
        """The answer to a request that has this status."""
        found, _, answer = self.request("POST", path, body)
        expect(found == status, status, "for", path, str(body)[:200], "found", found, answer)
        return answer

    def complete(self, **fields):
        return self.post("/v1/completions", fields)

    def refused(self, path, body, param, *words, status=400):
        """The message of a refusal that names this field and has these words."""
        error = self.post(path, body, status)["error"]
        expect(error["param"] == param, "a refusal of", param, "found", error)
        for word in words:
            expect(word in error["message"], repr(word), "in", error["message"])
        expect(set(error) == {"message", "type", "param", "code"}, "an error object, found", error)
        return error

    def stream(self, **fields):
        """The frames of a stream, until [DONE], which must come."""
        connection = self.connection()
        body = json.dumps({**fields, "stream": True})
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        expect(answer.status == 200, "a stream, found", answer.status, answer.read() if answer.status != 200 else "")
        expect(answer.getheader("Content-Type").startswith("text/event-stream"), "events, found", answer.headers)
        for line in answer:
            line = line.decode().rstrip("\n")
            if not line:
                continue
            expect(line.startswith("data: "), "a frame, found", line)
            if line == "data: [DONE]":
                connection.close()
                return
            yield json.loads(line.removeprefix("data: "))
        sys.exit("expected [DONE] at the end of a stream")

    def raw(self, data, seconds=PATIENCE):
        """What comes back for these bytes until the connection is closed."""
        with self.socket() as client:
            client.settimeout(seconds)
            try:
                client.sendall(data)
            except OSError:
                pass  # it may be closed before all is sent
            return everything(client)

    def socket(self):
        return socket.create_connection((self.host.strip("[]"), self.port), timeout=PATIENCE)

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels."""
        status, _, text = self.get("/metrics")
        expect(status == 200, "metrics, found", status)
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = [line for line in text.splitlines() if line.startswith((name + "{", name + " "))]
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(one in line for one in wanted))

    def run_line(self, line):
        """What a line of one of the programs prints."""
        command = shlex.split(line)
        command[0] = str(self.build / "bin" / command[0])
        done = subprocess.run([*command, "--quiet"], capture_output=True, check=False)
        expect(done.returncode == 0, "exit code 0 of", line, "found", done.returncode, done.stderr.decode())
        return done.stdout


def everything(client):
    """What a socket gives until it is closed."""
    parts = []
    while True:
        try:
            part = client.recv(65536)
        except ConnectionError:
            break
        except TimeoutError:
            sys.exit("expected a connection to be closed")
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def status_of(answer):
    """The status in the first line of an answer's bytes."""
    expect(answer.startswith(b"HTTP/1.1 "), "an answer, found", answer[:100])
    return int(answer[9:12])


def slow_under_sanitizers(test):
    """A decorator for tests with large texts, which are left out under the sanitizers."""
    test.is_slow_under_sanitizers = True
    return test


def run_tests(tests):
    """Calls each test with the build folder that the command line names."""
    for test in tests:
        if os.environ.get("GPT2RUN_SANITIZED") and hasattr(test, "is_slow_under_sanitizers"):
            print(f"skipped: {test.__name__}: takes many times as long under the sanitizers")
            continue
        begin = time.monotonic()
        test(sys.argv[1])
        print(f"{test.__name__}: {time.monotonic() - begin:.1f} s")
