"""serve.signals BUILD_FOLDER: the start, the log, the end by signals, and an engine that has thrown."""

import fcntl
import json
import os
import re
import signal
import subprocess
import time

from server import PATIENCE, Server, expect, run_tests, wait_until

LONG = {"prompt": "The king", "max_tokens": 1000, "temperature": 0, "ignore_eos": True}


def begin_stream(server, **fields):
    connection = server.connection()
    body = json.dumps({**LONG, **fields, "stream": True})
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    return connection.getresponse()


def test_running_requests_end(build):
    with Server(build, "--drain", "60") as server:
        answer = begin_stream(server, max_tokens=300)
        answer.read(10)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/healthz")[2] == {"status": "draining"}, "a server that ends")
        status, _, refused = server.request("POST", "/v1/completions", LONG)
        expect((status, refused["error"]["code"]) == (503, "shutting_down"), "503, found", status, refused)
        text = answer.read().decode()
        expect('"gpt2run_reason":"length"' in text and text.endswith("data: [DONE]\n\n"), "a whole stream, found", text[-300:])
        expect(server.process.wait(PATIENCE) == 0, "exit code 0, found", server.process.returncode)


def test_the_rest_is_cancelled(build):
    with Server(build, "--drain", "0") as server:
        answer = begin_stream(server)
        answer.read(10)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        text = answer.read().decode()
        expect('"code":"shutting_down"' in text and text.endswith("data: [DONE]\n\n"), "an error, found", text[-300:])
        expect(server.process.wait(PATIENCE) == 0, "exit code 0, found", server.process.returncode)
        expect(time.monotonic() - begin < 20, "an end at once, found", time.monotonic() - begin)


def test_waiting_comparisons_are_answered(build):
    with Server(build, "--drain", "0", "--batch", "1", "--precision", "fp32,bf16") as server:
        stream = begin_stream(server, n=100)  # which keeps the first comparison from its slot
        compare = json.dumps({"tests": ["bf16"], "input": "The king had a daughter"})
        connections = [server.connection() for _ in range(3)]
        for count, connection in enumerate(connections, 1):
            connection.request("POST", "/v1/compare", compare, {"Content-Type": "application/json"})
            wait_until(lambda: server.metric("gpt2serve_connections") >= 2 + count, "a comparison that waits")
        time.sleep(0.3)  # for the comparisons to be read
        server.process.send_signal(signal.SIGTERM)
        for connection in connections:
            answer = connection.getresponse()
            error = json.loads(answer.read())["error"]
            expect((answer.status, error["code"]) == (503, "shutting_down"), "503, found", answer.status, error)
        stream.read()
        expect(server.process.wait(PATIENCE) == 0, "exit code 0, found", server.process.returncode)


def test_a_second_signal_ends_it_at_once(build):
    with Server(build, "--drain", "1000", "--batch", "1") as server:
        answer = begin_stream(server, n=100)
        answer.read(10)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/healthz")[2] == {"status": "draining"}, "a server that ends")
        server.process.send_signal(signal.SIGTERM)
        expect(server.process.wait(PATIENCE) == -signal.SIGTERM, "the signal, found", server.process.returncode)


def run(build, *options):
    port = [] if "--port" in options else ["--port", "0"]
    command = [f"{build}/bin/gpt2serve", "--quiet", *port, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_command_lines(build):
    helped = run(build, "--help")
    for option in ("--host", "--port", "--precision", "--batch", "--api_key_file", "--drain", "--version"):
        expect(option in helped.stdout, option, "in", helped.stdout)
    for options, code, word in (
        (["--port", "70000"], 2, "port"),
        (["--port", "http"], 2, "port"),
        (["--nothing", "1"], 2, "nothing"),
        (["--precision", ""], 2, "precision"),
        (["--precision", "fp32,fp32"], 2, "twice"),
        (["--precision", "fp32,cpu-fp32"], 2, "twice"),
        (["--precision", "fp7"], 2, "fp7"),
        (["--context", "2000"], 2, "1024"),
        (["--max_prompt", "2000"], 2, "1024"),
        (["--batch", "0"], 2, "batch"),
        (["--queue", "-1"], 2, "queue"),
        (["--timeout", "0"], 2, "timeout"),
        (["--floor=perhaps"], 2, "floor"),
        (["--cors", "example.org"], 2, "origin"),
        (["--cors", ""], 2, "origin"),
        (["--allow-host", ""], 2, "--allow-host"),
        (["--allow-host", "example.org:80"], 2, "--allow-host"),
        (["--host", ""], 2, "--host"),
        (["--host", "nowhere.invalid"], 2, "nowhere.invalid"),
        (["--host", "192.0.2.1"], 2, "192.0.2.1"),  # an address for examples, which no machine has
        (["--api-key-file", ""], 2, "--api-key-file"),
        (["--model", "/nowhere"], 1, "/nowhere"),
        (["--api-key-file", "/nowhere"], 1, "/nowhere"),
        (["--batch", "65536"], 1, "memory"),
    ):
        done = run(build, *options)
        expect(done.returncode == code and word in done.stderr, code, word, "for", options, "found", done)
        expect(done.stdout == "" and len(done.stderr.splitlines()) == 1, "one line of an error, found", done)


def test_the_port(build):
    with Server(build, "--host", "localhost") as server:
        expect(server.host == "127.0.0.1", "an address of localhost, found", server.host)
        expect(server.get("/healthz", Host=f"localhost:{server.port}")[0] == 200, "an answer to its name")
        taken = run(build, "--port", str(server.port), "--model", "/nowhere")  # found before the model is
        expect(taken.returncode == 1 and str(server.port) in taken.stderr, "a port in use, found", taken)


def test_the_log(build):
    with Server(build, quiet=False) as server:
        server.complete(prompt="A secret wolf", max_tokens=3)
        server.post("/v1/completions", {"prompt": "A secret wolf", "n": "x"}, 400)
        for words in ("8 slots x 1024 tokens", "POST /v1/completions 200, 3 + 3 tokens", "POST /v1/completions 400"):
            wait_until(lambda: words in server.messages(), words)  # another thread writes it
        messages = server.messages()
        expect("secret" not in messages and "warning" not in messages, "no text in the log, found", messages)
    with Server(build, "--log-text", "--host", "0.0.0.0", quiet=False) as server:
        server.host = "127.0.0.1"
        server.complete(prompt="A secret wolf", max_tokens=3)
        wait_until(lambda: "A secret wolf" in server.messages(), "the text in the log")
        expect("warning: --host 0.0.0.0" in server.messages(), "a warning, found", server.messages())


def test_a_log_that_nobody_reads(build):
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(read_end, "rb") as log, Server(build, quiet=False, errors=os.fdopen(write_end, "wb")) as server:
        connection = server.connection()
        count = 2000
        for _ in range(count):
            connection.request("GET", "/healthz")
            expect(connection.getresponse().read() == b'{"status": "ok"}', "an answer")
        server.complete(prompt="The king", max_tokens=2)
        connection.close()
        lines, dropped, line = 0, 0, ""
        while "/metrics" not in line:
            line = log.readline().decode()
            lines += line.startswith("gpt2serve: #")
            if found := re.search(r"(\d+) lines? of the log dropped", line):
                dropped += int(found[1])
                server.get("/metrics")  # there is room for its line again
        expect(lines + dropped == count + 2, count + 2, "lines, found", lines, "and dropped", dropped)


def test_an_engine_that_throws(build):
    with Server(build, "--plugin-dir", f"{build}/tests/serve", "--precision", "fp32,bf16") as server:
        expect(server.get("/healthz")[0] == 200, "a healthy server")
        error = server.post("/v1/completions", {"prompt": "The king", "sampler": "broken"}, 503)["error"]
        expect(error["code"] == "engine_failed" and "broken" in error["message"], "the fault, found", error)
        status, _, health = server.get("/healthz")
        expect((status, health) == (503, {"status": "failed"}), "503, found", status, health)
        error = server.post("/v1/completions", LONG, 503)["error"]
        expect(error["code"] == "engine_failed", "an engine that stays off, found", error)
        server.complete(prompt="The king", max_tokens=2, model="bf16")  # the other one goes on
        expect(server.metric("gpt2serve_engine_failed", model="fp32") == 1, "a metric of it")
        wait_until(lambda: "this sampler is broken" in server.messages(), "the reason in the log")


run_tests([test_running_requests_end, test_the_rest_is_cancelled, test_waiting_comparisons_are_answered, test_a_second_signal_ends_it_at_once, test_command_lines,
           test_the_port, test_the_log, test_a_log_that_nobody_reads, test_an_engine_that_throws])  # fmt: skip
