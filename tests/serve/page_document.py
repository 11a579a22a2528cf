"""serve.page_document BUILD_FOLDER: the page as a document, without a browser: one file that names nothing elsewhere, its
headers, and what its views ask of the server."""

import base64
import hashlib
import json
import pathlib
import re
import tempfile

from server import Server, expect, run_tests


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def part(page, name):
    """What stands between the only two tags of this name."""
    found = re.findall(f"<{name}>(.*?)</{name}>", page, re.DOTALL)
    expect(len(found) == 1 and page.count("<" + name) == 1, "one", name, "found", len(found))
    return found[0]


def test_headers(build):
    with Server(build) as server:
        status, headers, page = server.get("/")
        expect(status == 200 and headers["Content-Type"] == "text/html; charset=utf-8", "the page, found", status, headers)
        policy = {words[0]: words[1:] for words in (one.split() for one in headers["Content-Security-Policy"].split(";"))}
        expect(policy["default-src"] == ["'none'"] and policy["connect-src"] == ["'self'"], "a strict policy, found", policy)
        expect(policy["script-src"] == [digest(part(page, "script"))], "the script's digest, found", policy)
        expect(policy["style-src"] == [digest(part(page, "style"))], "the style's digest, found", policy)
        for name in ("base-uri", "form-action", "frame-ancestors"):
            expect(policy[name] == ["'none'"], name, "found", policy)
        expect(headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer", "found", headers)
        status, short, body = server.request("HEAD", "/")
        expect(status == 200 and body == "", "no body, found", status, body)
        for name in ("Content-Type", "Content-Length", "Content-Security-Policy"):
            expect(short[name] == headers[name], name, headers[name], "found", short[name])
        for path, methods in (("/", "GET, HEAD"), ("/v1/completions", "POST")):
            status, headers, _ = server.request("DELETE", path)
            expect(status == 405 and headers["Allow"] == methods, methods, "found", status, headers["Allow"])
        expect(server.request("HEAD", "/v1/completions")[0] == 405, "no HEAD of a route that is no GET")


def test_document(build):
    with Server(build) as server:
        page = server.get("/")[2]
    expect(page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>"), "one document, found", page[:100])
    expect("@STYLE@" not in page and "@SCRIPT@" not in page, "all parts joined")
    expect(re.findall(r"https?:|[\"'(]//|\burl\(|@import", page) == [], "no other host, found", re.findall(r".*https?:.*", page))
    markup = re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
    expect(not re.search(r"\s(on\w+|style|src)\s*=", markup), "no handlers and styles in the markup")
    expect(re.findall(r'href="([^"#][^"]*)"', markup) == ["data:,"], "links within the page, found", re.findall(r'href="[^"]*"', markup))
    script = part(page, "script")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "localStorage"):
        expect(word not in script, "no", word)
    labels = set(re.findall(r'<label for="([^"]+)"', markup))
    controls = set(re.findall(r'<(?:input|select|textarea) id="([^"]+)"', markup))
    expect(controls and controls == labels, "a label for each control, found", controls ^ labels)


def test_the_page_needs_no_key(build):
    with tempfile.TemporaryDirectory() as folder:
        keys = pathlib.Path(folder) / "keys"
        keys.write_text("secret\n")
        with Server(build, "--api-key-file", str(keys)) as server:
            expect(server.get("/")[0] == 200 and server.get("/v1/models")[0] == 401, "the page alone without a key")


def test_commands(build):
    """The lines that give what the views show, beside their numbers."""
    text = "It's a king who had three daughters"
    with Server(build, "--precision", "fp32,bf16") as server:
        options = {"temperature": 0.7, "top_k": 12, "top_p": 0.9, "min_p": 0.01}
        answer = server.post("/v1/distribution", {"models": ["fp32", "bf16"], "input": text, "top": 7, "command": True, **options})
        for model in answer["models"]:
            printed = json.loads(server.run_line(model["gpt2run_command"]))
            ours = [(one["id"], one["logprob"]) for one in model["tokens"]]
            theirs = [(one["id"], one["logprob"]) for one in printed["top"][0]]
            expect(len(ours) == 7 and [id for id, _ in ours] == [id for id, _ in theirs], theirs, "found", ours)
            expect(all(abs(a - b) < 1e-5 for (_, a), (_, b) in zip(ours, theirs)), theirs, "found", ours)
            for word in ("temp=0.7", "top_k=12", "top_p=0.9", "min_p=0.01"):
                expect(word in model["gpt2run_command"], word, "in", model["gpt2run_command"])
        answer = server.post("/v1/layers", {"reference": "fp32", "tests": ["bf16"], "input": text, "rows": 3, "command": True})
        printed = json.loads(server.run_line(answer["gpt2run_command"]))
        ours = [one["rms_error"] for one in answer["tests"][0]["errors"]]
        theirs = [one["rms_error"] for one in printed["tests"][0]["layers"]]
        expect(len(ours) == len(theirs) and all(abs(a - b) <= 1e-9 for a, b in zip(ours, theirs)), theirs, "found", ours)
        for path in ("/v1/distribution", "/v1/layers"):
            plain = server.post(path, {"input": text, **({"tests": ["bf16"]} if "layers" in path else {})})
            expect("gpt2run_command" not in json.dumps(plain), "no line unless it is asked for, found", plain)
            server.refused(path, {"input": text, "tests": ["bf16"], "command": 1} if "layers" in path else {"input": text, "command": 1}, "command")


run_tests([test_headers, test_document, test_the_page_needs_no_key, test_commands])
