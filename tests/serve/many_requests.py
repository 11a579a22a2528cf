"""serve.many_requests BUILD_FOLDER: 200 requests that arrive at random, of which some are cancelled, all get the texts that
gpt2run's line for them prints."""

import random
import threading
import time

from server import Server, expect, run_tests, wait_until

PROMPTS = ["Once upon a time", "The old king", "A wolf and a fox went", "In a village there was", [307, 512, 88, 4]]
SAMPLERS = [
    {},
    {"temperature": 0.7, "top_k": 40, "top_p": 0.9},
    {"sampler": "repetition-penalty:penalty=1.2,nucleus"},
    {"presence_penalty": 0.6, "frequency_penalty": 0.4},
    {"sampler": "mirostat"},
    {"temperature": 0},
]


def kinds(random_numbers):
    """Requests that differ in everything: few, so that gpt2run need not run 200 times."""
    for number in range(24):
        yield {
            "model": random_numbers.choice(["fp32", "bf16"]),
            "prompt": random_numbers.choice(PROMPTS),
            "max_tokens": random_numbers.randrange(1, 40),
            "seed": number,
            "n": random_numbers.choice([1, 1, 1, 3]),
            "stop": random_numbers.choice([None, [" and", "\n"]]),
            "logprobs": random_numbers.choice([None, None, 2]),
            "command": True,
            **random_numbers.choice(SAMPLERS),
        }


def texts_of(server, fields):
    """The texts of the choices and gpt2run's line, from a whole answer or from a stream."""
    if fields["stream"]:
        texts, line = {}, None
        for frame in server.stream(**fields):
            line = frame.get("gpt2run_command", line)
            for choice in frame["choices"]:
                texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
        return [texts[index] for index in sorted(texts)], line
    answer = server.complete(**fields)
    return [choice["text"] for choice in answer["choices"]], answer["gpt2run_command"]


def cancel(server, fields):
    """Begins a long stream and goes after its first bytes."""
    import json

    connection = server.connection()
    body = json.dumps({**fields, "stream": True, "max_tokens": 900, "ignore_eos": True, "stop": None})
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    connection.getresponse().read(20)
    connection.close()


def test_200_requests(build):
    random_numbers = random.Random(7)
    all_kinds = list(kinds(random_numbers))
    found, failures = {}, []
    with Server(build, "--precision", "fp32,bf16", "--batch", "6") as server:

        def one(number, kind, delay, streams, is_cancelled):
            time.sleep(delay)
            try:
                if is_cancelled:
                    cancel(server, all_kinds[kind])
                else:
                    found[number] = kind, *texts_of(server, {**all_kinds[kind], "stream": streams})
            except (Exception, SystemExit) as error:
                failures.append(f"request {number}: {error!r}")

        threads = [
            threading.Thread(target=one, args=(number, number % len(all_kinds), random_numbers.random() * 4,
                                               random_numbers.random() < 0.5, number % 7 == 3))
            for number in range(200)
        ]  # fmt: skip
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(not failures, "no failures, found", failures[:3])
        lines = {}
        for kind, _, line in found.values():
            expect(lines.setdefault(kind, line) == line, "one line for a request, found", line, lines[kind])
        expected = {kind: server.run_line(line).decode() for kind, line in lines.items()}
        for number, (kind, texts, line) in found.items():
            text = texts[0] + "\n" + "".join(f"--- sequence {i}\n{one}\n" for i, one in enumerate(texts) if i > 0)
            expect(text == expected[kind], "gpt2run's text for request", number, line, repr(expected[kind]), "found", repr(text))
        wait_until(lambda: server.metric("gpt2serve_running") + server.metric("gpt2serve_waiting") == 0, "nothing left")
        cancelled = server.metric("gpt2serve_finished_total", reason="cancelled")
        expect(cancelled > 0 and len(found) == 171, "171 answers and some cancelled, found", len(found), cancelled)


run_tests([test_200_requests])
