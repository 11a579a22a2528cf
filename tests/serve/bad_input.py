"""serve.bad_input BUILD_FOLDER: whatever comes in, a clear error object or a closed connection comes back, and others are
served as before."""

import json
import pathlib
import tempfile

from server import Server, expect, run_tests, status_of

JSON_HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def with_body(body):
    return JSON_HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def expect_well(server):
    choice = server.complete(prompt="The king", max_tokens=2, temperature=0)["choices"][0]
    expect(choice["text"], "a text, found", choice)


MALFORMED = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n", 400),  # TLS
    (b"GET\r\n\r\n", 400),
    (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: other\r\nConnection: close\r\n\r\n", 400),
    (b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400),
    (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n" + b"".join(b"Field-%d: x\r\n" % i for i in range(3000)) + b"\r\n", 431),
    (JSON_HEAD + b"Content-Length: ten\r\n\r\n", 400),
    (JSON_HEAD + b"Content-Length: -1\r\n\r\n", 400),
    (JSON_HEAD + b"Content-Length: 99999999999999999999999999\r\n\r\n", 400),
    (JSON_HEAD + b"Content-Length: 1000000000000\r\n\r\n", 413),
    (JSON_HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}", 400),
    (JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    (JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"a" * 65536 + b"\r\n", 413),
    (JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;a=" + b"a" * 1000000, 431),
    (JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"Field: x\r\n" * 100000, 431),
    (JSON_HEAD + b"Transfer-Encoding: chunked, gzip\r\nContent-Length: 2\r\n\r\n{}", 400),
    (JSON_HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    (JSON_HEAD + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", 400),
    (JSON_HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
]

# Bodies in chunks: with an extension, and with a trailer whose fields mean nothing.
CHUNKED = JSON_HEAD.replace(b"completions", b"tokenize") + b"Connection: close\r\nTransfer-Encoding: Chunked\r\n\r\n"
CHUNKS = b'9;a="b"\r\n{"input":\r\n5\r\n "x"}\r\n0\r\n'


def test_malformed_http(build):
    with Server(build, "--max-body", "4096", "--timeout", "2") as server:
        for data, status in MALFORMED:
            answer = server.raw(data)
            expect(status_of(answer) == status, status, "for", data[:80], "found", answer[:300])
            error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
            expect(error["message"] and error["type"] == "invalid_request_error", "an error object, found", error)
        expect(server.raw(b"GET / HT") == b"", "a closed connection without an answer")
        expect_well(server)
        refused = [status for _, status in MALFORMED]
        for status in set(refused):
            counted = server.metric("gpt2serve_requests_total", route="other", code=str(status))
            expect(counted == refused.count(status), refused.count(status), "with", status, "counted, found", counted)


def test_chunks(build):
    with Server(build, "--timeout", "2") as server:
        for trailer in (b"", b"Field: x\r\n", b"Host: evil.example\r\n", b"Content-Type: text/plain\r\n"):
            answer = server.raw(CHUNKED + CHUNKS + trailer + b"\r\n")
            expect(status_of(answer) == 200 and b"token_ids" in answer, "token ids for", trailer, "found", answer)
        without = CHUNKED.replace(b"Host: localhost\r\n", b"")
        answer = server.raw(without + CHUNKS + b"Host: localhost\r\n\r\n")
        expect(status_of(answer) == 403, "403 for a Host behind the body, found", answer)


BODIES = [
    b"",
    b"{",
    b"[1, 2]",
    b"null",
    b'{"prompt": "a"} x',
    b'{"prompt": "a", "prompt": "b"}',
    b'{"prompt": "\xff\xfe"}',
    b'{"prompt": "\\ud800"}',
    b'{"prompt": "a\x00b"}',
    b'{"max_tokens": 1e999}',
    b'{"max_tokens": NaN}',
    b'{"seed": ' + b"9" * 5000 + b"}",
    b'{"temperature": -' + b"9" * 5000 + b"}",
    b"[" * 200000,
    b'{"prompt": ' * 50000,
    b'{"prompt": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"logit_bias": {' + b", ".join(b'"%d": 1' % i for i in range(30000)) + b"}}",
    b'{"stop": [' + b", ".join(b'"%d"' % i for i in range(100000)) + b"]}",
]


def test_bad_json(build):
    with Server(build) as server:
        for body in BODIES:
            answer = server.raw(with_body(body))
            expect(status_of(answer) == 400, "400 for", body[:80], "found", answer[:300])
            error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
            expect(len(error["message"]) < 600, "a short message, found", error)
        long_word = server.post("/v1/completions", {"prompt": "a" * 1000000}, 400)["error"]
        expect(long_word["code"] == "context_length_exceeded", "a prompt that is too long, found", long_word)
        expect_well(server)


# A field with a wrong value, and what the message says beside the field.
FIELDS = [
    ("model", "fp64", "fp32"),
    ("model", 3, "a text"),
    ("prompt", 5, "a text"),
    ("prompt", {"a": 1}, "a text"),
    ("prompt", [], "token"),
    ("prompt", [4096], "[0, 4096)"),
    ("prompt", [-1], "[0, 4096)"),
    ("prompt", [1.5], "token ids"),
    ("prompt", [1, "a"], "token ids"),
    ("prompt", ["a", 1], "texts alone"),
    ("prompt", [["a"]], "token ids"),
    ("prompt", [[1], []], "one token"),
    ("prompt", [1] * 1025, "1024"),
    ("max_tokens", "ten", "a whole number"),
    ("max_tokens", -1, "[0, "),
    ("max_tokens", 1.5, "a whole number"),
    ("max_tokens", 2**70, "a whole number"),
    ("max_tokens", True, "a whole number"),
    ("temperature", 2.5, "[0, 2]"),
    ("temperature", "1", "a number"),
    ("top_p", 0, "(0, 1]"),
    ("top_p", 1.5, "(0, 1]"),
    ("top_k", -1, "[0, "),
    ("min_p", 2, "[0, 1]"),
    ("n", 0, "[1, 128]"),
    ("n", 129, "[1, 128]"),
    ("seed", -1, "2^64"),
    ("seed", 2**64, "2^64"),
    ("seed", 1.5, "2^64"),
    ("stop", "", "1 to"),
    ("stop", ["a"] * 17, "16"),
    ("stop", [1], "texts"),
    ("logprobs", 21, "[0, 20]"),
    ("logprobs", True, "a whole number"),
    ("echo", "yes", "true or false"),
    ("stream", 1, "true or false"),
    ("stream_options", {"include_usage": True}, "stream"),
    ("logit_bias", [1], "an object"),
    ("logit_bias", {"x": 1}, "token ids"),
    ("logit_bias", {"4096": 1}, "[0, 4096)"),
    ("logit_bias", {"1": 101}, "[-100, 100]"),
    ("logit_bias", {"1": "a"}, "[-100, 100]"),
    ("presence_penalty", 3, "[-2, 2]"),
    ("frequency_penalty", -3, "[-2, 2]"),
    ("sampler", "greedy", "argmax"),
    ("sampler", "", "a plugin's name"),
    ("sampler", "nucleus,argmax", "last"),
    ("sampler", "nucleus:top_q=1", "top_q"),
    ("sampler", "nucleus:top_p=7", "(0, 1]"),
    ("sampler", "top-k:top_k=1," * 20 + "nucleus", "16"),
    ("sampler", "nucleus:x", "key=value"),
    ("sampler", "logit-bias:bias=abc", "abc"),
    ("sampler", "logit-bias:bias=99999=1", "99999"),
    ("best_of", 3, "n"),
    ("suffix", "end", "insert"),
    ("max_token", 5, "max_tokens"),
    ("tools", [], "support"),
    ("user", 5, "a text"),
]


def test_wrong_fields(build):
    with Server(build) as server:
        for name, value, word in FIELDS:
            body = {"prompt": "The king", "max_tokens": 2, name: value}
            status = 404 if name == "model" and value == "fp64" else 400
            server.refused("/v1/completions", body, name, word, status=status)
        server.refused("/v1/completions", {"sampler": "argmax", "temperature": 0.5}, "temperature", "argmax")
        server.refused("/v1/completions", {"prompt": ["a"] * 30, "n": 10}, "n", "256", "300")
        # null stands for a field that is not given.
        nothing = {name: None for name, _, _ in FIELDS if name not in ("max_token", "tools", "prompt")}
        server.complete(prompt="The king", **nothing)
        server.complete(prompt="The king", stop=[])
        expect_well(server)


def test_routes(build):
    with Server(build) as server:
        for method, path, body, status, code in (
            ("GET", "/nothing", None, 404, "route_not_found"),
            ("GET", "/v1/models/fp64", None, 404, "model_not_found"),
            ("GET", "/v1/completions", None, 405, "method_not_allowed"),
            ("POST", "/v1/models", {}, 405, "method_not_allowed"),
            ("DELETE", "/healthz", None, 405, "method_not_allowed"),
        ):
            found, headers, answer = server.request(method, path, body)
            expect((found, answer["error"]["code"]) == (status, code), status, code, "found", found, answer)
            expect(status != 405 or headers["Allow"], "the header Allow, found", headers)
        for path, status in (("/v1/models/fp%332", 200), ("/%76%31/models", 200), ("/v1/models/fp%25332", 404), ("/%", 404)):
            found, _, answer = server.get(path)
            expect(found == status, status, "for", path, "found", found, answer)
        found, _, answer = server.request("POST", "/v1/completions", "{}", {"Content-Type": "text/plain"})
        expect(found == 415, "415, found", found, answer)
        status, _, answer = server.get("/healthz")
        expect((status, answer) == (200, {"status": "ok"}), "ok, found", status, answer)
        head = server.raw(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        expect(status_of(head) == 200 and head.endswith(b"\r\n\r\n"), "no body for HEAD, found", head)


def test_hosts_and_origins(build):
    origin = "https://example.org"
    with Server(build, "--cors", origin, "--allow-host", "Models.Example") as server:
        address = f"{server.host}:{server.port}"
        for host, status in (
            (address, 200),
            ("localhost", 200),
            ("LOCALHOST:1", 200),
            ("[::1]:8080", 200),
            ("10.1.2.3", 200),
            ("models.example:80", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("localhost.evil.example", 403),
            ("", 403),
        ):
            found, _, answer = server.get("/healthz", Host=host)
            expect(found == status, status, "for the host", host, "found", found, answer)
        for given, status, allowed in (
            (f"http://{address}", 200, None),
            (origin, 200, origin),
            ("https://evil.example", 403, None),
            (f"https://{address}", 403, None),
            ("null", 403, None),
        ):
            found, headers, answer = server.get("/v1/models", Origin=given)
            expect(found == status, status, "for the origin", given, "found", found, answer)
            expect(headers["Access-Control-Allow-Origin"] == allowed, allowed, "for", given, "found", headers)
        asks = {"Access-Control-Request-Method": "POST"}
        found, headers, _ = server.request("OPTIONS", "/v1/completions", headers={"Origin": origin, **asks})
        expect(found == 204 and "POST" in headers["Access-Control-Allow-Methods"], "an answer, found", found, headers)
        lengths = headers["Content-Length"], headers["Content-Type"]
        expect(lengths == (None, None), "no length and type of nothing, found", headers)
        found, _, _ = server.request("OPTIONS", "/v1/completions", headers={"Origin": "https://evil.example", **asks})
        expect(found == 403, "403 for a page of another site, found", found)


def test_keys(build):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "keys"
        path.write_text("\n  first-key \nsecond\n")
        with Server(build, "--api-key-file", str(path)) as server:
            for header, status in (
                ({}, 401),
                ({"Authorization": "Bearer first-key"}, 200),
                ({"Authorization": "bearer second"}, 200),
                ({"Authorization": "Bearer first-ke"}, 401),
                ({"Authorization": "Bearer first-keyx"}, 401),
                ({"Authorization": "Bearer "}, 401),
                ({"Authorization": "Basic first-key"}, 401),
            ):
                found, _, answer = server.get("/v1/models", **header)
                expect(found == status, status, "for", header, "found", found, answer)
            expect(server.get("/healthz")[0] == 200 and server.get("/metrics")[0] == 401, "keys where they are needed")


run_tests([test_malformed_http, test_chunks, test_bad_json, test_wrong_fields, test_routes, test_hosts_and_origins, test_keys])
