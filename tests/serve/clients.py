"""serve.clients BUILD_FOLDER: clients that are slow, idle, gone, many or in a hurry hold up nobody."""

import itertools
import json
import os
import pathlib
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time

from server import Server, everything, expect, run_tests, slow_under_sanitizers, status_of, wait_until


def message(path, body, version="1.1", *headers):
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/{version}", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


def completion(**fields):
    return message("/v1/completions", {"prompt": "The king", "temperature": 0, "ignore_eos": True, **fields})


LONG = {"max_tokens": 1000, "stream": True}


def is_idle(server):
    return server.metric("gpt2serve_running") == 0 and server.metric("gpt2serve_waiting") == 0


def test_slow_requests_are_closed(build):
    with Server(build, "--timeout", "1", "--keep-alive", "2") as server:
        whole = completion(max_tokens=1)
        clients = [server.socket() for _ in range(3)]
        clients[0].sendall(whole[:20])  # within the header
        clients[1].sendall(whole[:-5])  # within the body; the third sends nothing
        begin = time.monotonic()
        for client, least, most in zip(clients, (0.9, 0.9, 1.9), (20, 20, 20)):
            expect(everything(client) == b"", "a closed connection")
            expect(least < time.monotonic() - begin < most, "about a second, found", time.monotonic() - begin)
            client.close()


def test_a_client_that_does_not_read(build):
    with Server(build, "--timeout", "3") as server:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((server.host, server.port))
        client.sendall(completion(**LONG, n=8, logprobs=20))
        wait_until(lambda: server.metric("gpt2serve_running") == 8, "eight that run")
        server.complete(prompt="A wolf", max_tokens=3)  # others are served meanwhile
        wait_until(lambda: is_idle(server), "all slots free")
        expect(server.metric("gpt2serve_finished_total", reason="cancelled") == 8, "eight cancelled")
        client.close()


@slow_under_sanitizers
def test_answers_that_nobody_reads(build):
    with Server(build, "--timeout", "300", "--max-body", "4194304") as server:
        (token,) = server.post("/v1/tokenize", {"input": " daughter"})["token_ids"]
        ids = message("/v1/detokenize", {"token_ids": [token] * 650_000})
        clients = [server.socket() for _ in range(16)]  # 16 times 6 MB wait, more than all answers together may
        for client in clients:
            client.sendall(ids)
            wait_until(lambda: select.select([client], [], [], 0)[0], "the beginning of an answer")
        wait_until(lambda: server.metric("gpt2serve_connections") <= 13, "closed connections")
        expect(len(everything(clients[0])) < 5_000_000, "the first one closed")
        expect(server.metric("gpt2serve_connections") >= 8, "the last ones open")
        expect(server.raw(ids.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)).count(b" daughter") == 650_000, "a whole answer")
        for client in clients:
            client.close()


@slow_under_sanitizers
def test_long_texts_hold_up_nobody(build):
    with Server(build, "--max-body", "4194304") as server:
        clients = [server.socket() for _ in range(3)]  # more than there are threads that speak HTTP
        for client in clients:
            client.sendall(completion(prompt="the" * 1_000_000))
        time.sleep(0.1)  # for some of them to be read
        for _ in range(10):
            expect(server.get("/healthz")[0] == 200, "an answer")
        expect(not select.select(clients, [], [], 0)[0], "no answer to the long ones before")
        clients[2].close()
        for client in clients[:2]:
            expect(b"context_length_exceeded" in client.recv(1000), "a text that is too long")
            client.close()
        wait_until(lambda: server.metric("gpt2serve_requests_total", code="499") == 1, "one that went")


def test_a_client_that_goes_frees_its_slot(build):
    with Server(build, "--batch", "1") as server:
        for _ in range(3):
            client = server.socket()
            client.sendall(completion(**LONG))
            expect(client.recv(10) == b"HTTP/1.1 2", "an answer")
            waits = server.socket()  # in the queue behind it
            waits.sendall(completion(**LONG))
            client.close()
            waits.close()
        begin = time.monotonic()
        server.complete(prompt="A wolf", max_tokens=1)
        expect(server.metric("gpt2serve_finished_total", reason="length") <= 1, "nothing but the last one to its end")
        wait_until(lambda: is_idle(server), "a free slot")
        expect(server.metric("gpt2serve_requests_total", code="499") == 6, "six that went", time.monotonic() - begin)


def test_the_queue(build):
    with Server(build, "--batch", "1", "--queue", "2") as server:
        clients = [server.socket() for _ in range(3)]
        for client in clients:
            client.sendall(completion(**LONG))
        wait_until(lambda: server.metric("gpt2serve_waiting") == 2, "two that wait")
        status, headers, answer = server.request("POST", "/v1/completions", {"prompt": "A wolf"})
        expect(status == 429 and int(headers["Retry-After"]) >= 1, "429 with Retry-After, found", status, headers)
        expect(answer["error"]["code"] == "queue_full", "a full queue, found", answer)
        for client in clients:
            client.close()
        wait_until(lambda: is_idle(server), "an empty queue")
        server.complete(prompt="A wolf", max_tokens=1)


def test_comparisons_whose_clients_go(build):
    with Server(build, "--batch", "1", "--precision", "fp32,bf16") as server:
        busy = server.socket()
        busy.sendall(completion(**LONG, n=8))  # which keeps the first comparison from its slot
        expect(busy.recv(10) == b"HTTP/1.1 2", "a stream")
        first = server.socket()
        body = {"tests": ["bf16"], "input": "The king had a daughter"}
        first.sendall(message("/v1/compare", body))
        wait_until(lambda: server.metric("gpt2serve_waiting", model="fp32") == 8, "a comparison behind seven completions")
        for turn in range(2):  # the places of those that went are free again
            waits = [server.socket() for _ in range(8)]
            for path, client in zip(["/v1/compare", "/v1/layers"] * 4, waits):
                client.sendall(message(path, body))
            time.sleep(0.3)  # for all to be read
            status, _, answer = server.request("POST", "/v1/compare", body)
            expect((status, answer["error"]["code"]) == (429, "queue_full"), "a full queue, found", status, answer)
            for client in waits:
                client.close()
            gone = 8 * (turn + 1)
            wait_until(lambda: server.metric("gpt2serve_requests_total", code="499") == gone, f"{gone} that went")
        first.close()
        busy.close()
        wait_until(lambda: is_idle(server), "an empty queue")
        server.post("/v1/compare", body)


def test_many_chains(build):
    samplers = ["top-k", "min-p", "typical", "repetition-penalty"]
    chains = [",".join(one) for count in range(1, 5) for one in itertools.permutations(samplers, count)]
    with Server(build, "--batch", "1") as server:
        clients = [server.socket() for _ in chains]
        for client, chain in zip(clients, chains):
            client.sendall(completion(**{**LONG, "sampler": chain, "temperature": 1}))
        wait_until(lambda: server.metric("gpt2serve_waiting") >= 60, "many that wait")
        wait_until(lambda: server.metric("gpt2serve_requests_total", code="429") > 0, "a chain too many")
        for client in clients:
            client.close()
        wait_until(lambda: is_idle(server), "an empty queue")
        server.complete(prompt="A wolf", max_tokens=1, sampler="no-repeat-ngram,nucleus")


def test_many_idle_connections(build):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(1000, hard - 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 100), hard))
    with Server(build) as server:
        idle = [server.socket() for _ in range(count)]
        wait_until(lambda: server.metric("gpt2serve_connections") >= count, f"{count} connections")
        server.complete(prompt="A wolf", max_tokens=2)
        for client in idle:
            client.close()
        wait_until(lambda: server.metric("gpt2serve_connections") < 10, "closed connections")
    with Server(build, "--connections", "5") as server:
        idle = [server.socket() for _ in range(12)]  # the oldest idle ones make room
        server.complete(prompt="A wolf", max_tokens=2)
        for client in idle:
            client.close()


def test_few_files(build):
    if b"__ubsan_handle" in pathlib.Path(build, "bin/gpt2serve").read_bytes():
        return  # the sanitizer needs files of its own to look at an object, and reports a fault where there are none
    with Server(build) as server:
        used = len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 10, used + 10))
        idle = [server.socket() for _ in range(30)]  # the oldest ones make room
        server.complete(prompt="A wolf", max_tokens=2)
        for client in idle:
            client.close()


def test_connections_are_kept(build):
    with Server(build) as server:
        connection = server.connection()
        for _ in range(3):
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            expect(answer.read() == b'{"status": "ok"}' and not answer.will_close, "a connection that is kept")
        connection.close()
        # Two at once are answered one after the other; the second one is also sent while the first one streams.
        first, last = completion(max_tokens=5, stream=True), message("/v1/tokenize", {"input": "x"}, "1.1", "Connection: close")
        answer = server.raw(first + last)
        expect(answer.count(b"HTTP/1.1 200") == 2 and answer.index(b"[DONE]") < answer.index(b"token_ids"), "two answers", answer)


def test_the_load_script(build):
    script = pathlib.Path(__file__).resolve().parents[2] / "scripts/serve_load.py"
    with Server(build, "--precision", "bf16") as server:
        command = [sys.executable, "-B", script, f"http://{server.host}:{server.port}", "--clients", "1,4", "--requests", "6"]
        command += ["--tokens", "8", "--words", "5", "--model", "bf16", "--pid", str(server.process.pid)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        expect(done.returncode == 0 and len(done.stdout.splitlines()) == 5, "a table of two lines, found", done)
        expect(server.metric("gpt2serve_requests_total", route="/v1/completions", code="200") == 12, "12 requests")


def test_the_script_beside_llama_cpp(build):
    with tempfile.TemporaryDirectory() as name:
        folder, root = pathlib.Path(name), pathlib.Path(__file__).resolve().parents[2]
        stand_in = folder / "llama-server"  # --model M --parallel N ... --port P
        stand_in.write_text(f'#!/bin/sh\nexec "{build}/bin/gpt2serve" --quiet --model "$2" --batch "$4" --port "${{12}}"\n')
        stand_in.chmod(0o700)
        command = [sys.executable, "-B", root / "scripts/bench_servers.py", f"{build}/bin", stand_in, folder / "served"]
        command += [root / "models/demo", "1", "fp32", "1 3"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "TOKENS": "2"})
        expect(done.returncode == 0, "a measurement, found", done)
        for words in ("gpt2serve           3 ", "llama-server        1 ", "3 clients: gpt2serve has "):
            expect(words in done.stdout, words, "in", done.stdout)


def test_old_and_careful_clients(build):
    with Server(build) as server:
        body = {"prompt": "The king", "max_tokens": 3, "temperature": 0}
        old = server.raw(message("/v1/completions", body, "1.0"))
        expect(status_of(old) == 200 and b"Connection: close" in old, "an answer, found", old)
        old = server.raw(message("/v1/completions", {**body, "stream": True}, "1.0"))
        expect(b"chunked" not in old and old.endswith(b"data: [DONE]\n\n"), "a stream without chunks, found", old)
        with server.socket() as client:
            whole = message("/v1/completions", body, "1.1", "Expect: 100-continue", "Connection: close")
            head, _, rest = whole.partition(b"\r\n\r\n")
            client.sendall(head + b"\r\n\r\n")
            expect(client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n", "leave to go on")
            client.sendall(rest)
            expect(status_of(everything(client)) == 200, "an answer")


run_tests([test_slow_requests_are_closed, test_a_client_that_does_not_read, test_answers_that_nobody_reads, test_long_texts_hold_up_nobody, test_a_client_that_goes_frees_its_slot, test_the_queue, test_comparisons_whose_clients_go, test_many_chains,
           test_many_idle_connections, test_few_files, test_connections_are_kept, test_the_load_script, test_the_script_beside_llama_cpp, test_old_and_careful_clients])  # fmt: skip
