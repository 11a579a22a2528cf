"""serve.openai_client BUILD_FOLDER: OpenAI's own Python client against the server.

It needs the package openai, and skips (exit status 77) where python3 does not have it.
"""

import sys

try:
    import openai
except ImportError as error:
    print(f"SKIPPED: this test needs the package openai: {error}")
    sys.exit(77)

from server import Server, expect, run_tests


def client_of(server, key="none"):
    return openai.OpenAI(base_url=f"http://{server.host}:{server.port}/v1", api_key=key, max_retries=0)


def test_the_client(build):
    with Server(build, "--precision", "fp32,bf16") as server:
        client = client_of(server)
        expect([model.id for model in client.models.list()] == ["fp32", "bf16"], "two models")
        expect(client.models.retrieve("bf16").id == "bf16", "one model")
        fields = {"model": "bf16", "prompt": ["Once upon a time", "A wolf"], "max_tokens": 12, "seed": 3, "n": 2, "user": "me"}
        whole = client.completions.create(**fields, stop=["\n"], extra_body={"top_k": 50})
        expect([choice.index for choice in whole.choices] == [0, 1, 2, 3], "four choices, found", whole)
        expect({choice.finish_reason for choice in whole.choices} <= {"stop", "length"}, "OpenAI's reasons, found", whole)
        expect(whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens, whole.usage)
        texts = [""] * 4
        for part in client.completions.create(**fields, stop=["\n"], extra_body={"top_k": 50}, stream=True):
            for choice in part.choices:
                texts[choice.index] += choice.text
        expect(texts == [choice.text for choice in whole.choices], whole.choices, "found", texts)
        scored = client.completions.create(model="fp32", prompt="A wolf", max_tokens=4, logprobs=2, echo=True, temperature=0)
        lists = scored.choices[0].logprobs
        expect(len(lists.tokens) == len(lists.token_logprobs) == len(lists.top_logprobs), "lists of a size, found", lists)
        options = {"include_usage": True}
        *_, last = client.completions.create(model="fp32", prompt="A wolf", stream=True, stream_options=options)
        expect(last.usage.completion_tokens > 0, "the usage at the end, found", last)


def test_its_errors(build):
    with Server(build) as server:
        client = client_of(server)
        for kind, fields in (
            (openai.NotFoundError, {"model": "gpt-4", "prompt": "x"}),
            (openai.BadRequestError, {"model": "fp32", "prompt": "x", "max_tokens": -1}),
            (openai.BadRequestError, {"model": "fp32", "prompt": "x", "suffix": "y"}),
        ):
            try:
                client.completions.create(**fields)
            except kind as error:
                expect(error.body["message"], "a message, found", error)
            else:
                sys.exit(f"expected {kind} for {fields}")


run_tests([test_the_client, test_its_errors])
