"""serve.page_test BUILD_FOLDER: the page in a real browser, each view with the demo model. It skips (exit status 77) without
selenium and chromium."""

import json
import pathlib
import re
import tempfile
import urllib.parse

from browser import Browser, skip_without_browser
from server import Server, expect, run_tests, wait_until

skip_without_browser()

from browser import Keys  # noqa: E402, selenium is there

TEXT = "Once upon a time there was a king who had three daughters."
ALL = ("fp32", "bf16", "cpu-int4")
PRECISIONS = ("--precision", ",".join(ALL))


def link(view, **fields):
    """The address of a view: reference fp32, against all others."""
    pairs = [("ref", ALL[0]), *(("test", name) for name in ALL[1:]), *fields.items()]
    return f"#{view}?" + urllib.parse.urlencode(pairs)


def completion(server, model, **fields):
    answer = server.complete(model=model, logprobs=0, command=True, **fields)
    return answer["choices"][0], answer["gpt2run_command"]


def test_continue(build):
    with Server(build, *PRECISIONS) as server, Browser(server) as browser:
        browser.open()
        browser.wait_for(lambda: browser.texts("#ref option") == list(ALL), "the precisions")
        expect("6 layers" in browser.find("#served").text, "the model, found", browser.find("#served").text)
        browser.find("#text").clear()
        browser.find("#text").send_keys("The old king")
        browser.set("#temperature", 0)
        browser.set("#max_tokens", 40)
        browser.find("#text").click()
        browser.press(Keys.CONTROL + Keys.ENTER)
        browser.wait()
        choices = []
        for i, model in enumerate(ALL):
            fields = {"prompt": "The old king", "max_tokens": 40, "temperature": 0, "top_k": 10, "top_p": 0.8, "min_p": 0}
            choice, line = completion(server, model, seed=int(browser.find("#seed").get_attribute("value")), **fields)
            choices.append(choice)
            shown = browser.texts(".running-text")[i]
            expect(shown == choice["text"], repr(choice["text"]), "found", repr(shown))
            expect(browser.texts(".command pre")[i] == line, line, "found", browser.texts(".command pre"))
            printed = server.run_line(line).decode()
            expect(printed == shown + "\n", "the text of the line, found", printed)
            expect(re.search(r"^[\d.]+ tokens/s, first after \d", browser.texts(".speed")[i]), "a speed, found", browser.texts(".speed"))
        ids = [choice["logprobs"]["token_ids"] for choice in choices]
        for i in (1, 2):
            at = next((at for at in range(40) if ids[0][at] != ids[i][at]), None)
            marked = browser.texts(f".continuation:nth-child({i + 1}) .different")
            if at is None:
                expect(marked == [], "no mark, found", marked)
                continue
            expect(marked == [choices[i]["logprobs"]["tokens"][at]], "the first other token, found", marked, at)
            check_difference(server, browser, ids, at, i)
        browser.check()
        check_link(browser)


def check_difference(server, browser, ids, at, i):
    """The table below: both probabilities and the margin, as the server says them of the same text."""
    captions = browser.texts(".differences caption")
    expect(any(f"{ALL[i]} differs" in text and f"token {at + 1}" in text for text in captions), at + 1, "found", captions)
    prompt = server.post("/v1/tokenize", {"input": "The old king"})["token_ids"]
    pair = [ids[0][at], ids[i][at]]
    view = server.post("/v1/distribution", {"models": [ALL[0], ALL[i]], "input": prompt + ids[0][:at], "ids": pair, "top": 1})
    tables = [frame.text for frame in browser.all(".differences .scroll")]
    table = next(text for text in tables if f"{ALL[i]} differs" in text)
    for model in view["models"]:
        for id in pair:
            (one,) = [token for token in model["tokens"] if token["id"] == id]
            shown = f"{one['probability'] * 100:.1f}%"
            expect(shown in table, shown, "in", table)
        logits = [next(token["logit"] for token in model["tokens"] if token["id"] == id) for id in pair]
        (row,) = [line for line in table.splitlines() if line.startswith(model["model"] + " ") and "differs" not in line]
        margin = float(row.split()[-1])
        expect(abs(margin - (logits[0] - logits[1])) <= 0.01 * abs(margin), logits[0] - logits[1], "found", row)


def check_link(browser):
    """The address of the view shows the same again."""
    texts = browser.texts(".running-text")
    seed = browser.find("#seed").get_attribute("value")
    address = browser.find("#link").get_attribute("href")
    expect(browser.driver.current_url == address, address, "found", browser.driver.current_url)
    browser.open("#" + address.partition("#")[2])
    browser.wait()
    expect(browser.texts(".running-text") == texts, texts, "found", browser.texts(".running-text"))
    expect(browser.find("#seed").get_attribute("value") == seed != "", "the seed", seed, "again")


def test_text(build):
    with Server(build, *PRECISIONS, "--floor") as server, Browser(server) as browser:
        browser.open(link("text", text=TEXT, shown="cpu-int4", metric="js"))
        browser.wait()
        body = {"reference": "fp32", "tests": ["bf16", "cpu-int4"], "input": TEXT, "command": True}
        answer = server.post("/v1/compare", body)
        expect(browser.texts(".token") == answer["tokens"] and len(answer["tokens"]) > 10, "the tokens, found", browser.texts(".token"))
        shares = browser.driver.execute_script(
            "return [...document.querySelectorAll('.token')].map((one) => Number(one.style.getPropertyValue('--share')))"
        )
        values = answer["tests"][1]["js"]
        for i in range(2, len(values)):
            expect((shares[i] >= shares[i - 1]) == (values[i] >= values[i - 1]), "colours in the order of the values", i)
        expect(len(browser.all(".chart .bar")) == len(values), "a bar for each token")
        expect(len(browser.all(".legend-mark")) == len(browser.all(".chart-floor")) == 1, "the noise floor")
        expect(browser.texts(".command pre") == [answer["gpt2run_command"]], "the line, found", browser.texts(".command pre"))
        check_detail(browser, answer)
        browser.set("#metric", "tvd")
        expect("total variation" in browser.find(".legend").text, "another legend, found", browser.find(".legend").text)
        expect("metric=tvd" in browser.driver.current_url, "the address follows, found", browser.driver.current_url)
        browser.check()
    with Server(build, *PRECISIONS) as server, Browser(server) as browser:
        browser.open(link("text", text="A <b>wolf</b> & <script>alert(1)</script>\n\u00e9 \u2603"))
        browser.wait()
        expect("--floor" in browser.find("#results-text").text and not browser.all(".legend-mark"), "no floor")
        expect(not browser.all("#results-text b") and "<b>" in "".join(browser.texts(".token")), "a text, no markup")
        browser.check()


def check_detail(browser, answer):
    """Pointing, focus, arrow keys and the strip chart lead to a token's detail."""
    tokens = browser.all(".token")
    tokens[3].click()
    browser.press(Keys.ARROW_RIGHT)
    detail = browser.find(".detail").text
    expect(f"Token 5 of {len(tokens)}" in detail, "token 5, found", detail)
    for side in (answer["reference"], *answer["tests"]):
        expect(side["model"] in detail, side["model"], "in", detail)
        for one in side["top"][4]:
            expect(json.dumps(one["token"], ensure_ascii=False) in detail, one["token"], "in", detail)
    browser.all(".chart .bar")[7].click()
    expect(f"Token 8 of {len(tokens)}" in browser.find(".detail").text, "token 8, found", browser.find(".detail").text)
    focused = browser.driver.execute_script("return [...document.querySelectorAll('.token')].indexOf(document.activeElement)")
    expect(focused == 7, "the focus on token 8, found", focused)


def test_sampler(build):
    with Server(build, *PRECISIONS) as server, Browser(server) as browser:
        browser.open(link("sampler", text=TEXT, temperature=0.9, top_k=0, top_p=1, min_p=0, top=20))
        browser.wait()
        expect("4096 tokens kept" in browser.texts(".speed")[0], "all tokens, found", browser.texts(".speed"))
        browser.find("#top_k").click()
        browser.set("#top_k", 4)
        browser.press(Keys.ARROW_RIGHT)
        browser.wait_for(lambda: all(text.startswith("5 tokens kept") for text in browser.texts(".speed")[-3:]), "five tokens")
        browser.set("#top_p", 0.5)
        browser.set("#min_p", 0.05)
        browser.wait_for(lambda: "min_p=0.05" in browser.driver.current_url, "the address to follow")
        browser.wait()
        body = {"models": list(ALL), "input": TEXT, "temperature": 0.9, "top_k": 5, "top_p": 0.5, "min_p": 0.05, "command": True}
        answer = server.post("/v1/distribution", body)
        numbers = browser.texts("#results-sampler .bar-number")
        tokens = [token for model in answer["models"] for token in model["tokens"]]
        expect(len(numbers) == len(tokens) == 60, 60, "bars, found", len(numbers))
        for shown, token in zip(numbers, tokens):
            wanted = "cut by " + token["cut_by"].replace("_", "-") if token["cut_by"] else f"{token['chance'] * 100:.1f}%"
            expect(shown == wanted, wanted, "found", shown)
        expect({token["cut_by"] for token in tokens} >= {None, "top_k"}, "kept and cut tokens, found", tokens)
        lines = [model["gpt2run_command"] for model in answer["models"]]
        expect(browser.texts(".command pre") == lines, lines, "found", browser.texts(".command pre"))
        browser.check()


def test_layers(build):
    with Server(build, *PRECISIONS) as server, Browser(server) as browser:
        browser.open(link("layers", text=TEXT, rows=6))
        browser.wait()
        body = {"reference": "fp32", "tests": ["bf16", "cpu-int4"], "input": TEXT, "rows": 6, "command": True}
        answer = server.post("/v1/layers", body)
        errors = [error for test in answer["tests"] for error in test["errors"]]
        cells = browser.texts(".cell")
        expect(len(cells) == len(errors) > 60, len(errors), "cells, found", len(cells))
        for shown, error in zip(cells, errors):
            expect(abs(float(shown) - error["rms_error"]) <= 0.06 * error["rms_error"], error, "found", shown)
        browser.all(".cell")[3].click()
        browser.driver.execute_script("document.querySelectorAll('.cell')[3].focus()")
        browser.press(Keys.ARROW_DOWN)
        detail = browser.find(".detail").text
        expect(errors[8]["op"] in detail and "layer 1" in detail and "headroom" not in detail, errors[8], "found", detail)
        expect("times below overflow" in detail, "the range of values, found", detail)
        expect(browser.texts(".command pre") == [answer["gpt2run_command"]], "the line, found", browser.texts(".command pre"))
        browser.check()


def test_errors(build):
    with Server(build, *PRECISIONS) as server, Browser(server) as browser:
        for fragment, words in (
            (link("continue", text="x", chain="nothing"), ("does not take", "nothing")),
            (link("text", text="x"), ("at least 2",)),
            (link("text", text="a " * 600), ("too long", "512")),
            ("#text?text=hello+there&ref=fp32", ("Choose a precision",)),
            ("#text?text=hello+there&ref=fp32&test=fp7", ("fp7", "fp32, bf16")),
        ):
            browser.open(fragment)
            browser.wait()
            for word in words:
                expect(word in browser.failure(), word, "found", browser.failure())
        browser.check(failures=True)
    with Server(build) as server, Browser(server) as browser:
        browser.open("#text?text=hello+there&ref=fp32")
        browser.wait()
        expect("--precision fp32,bf16" in browser.failure(), "what to do, found", browser.failure())
        browser.check()


def test_a_key(build):
    with tempfile.TemporaryDirectory() as folder:
        keys = pathlib.Path(folder) / "keys"
        keys.write_text("secret\n")
        with Server(build, "--api-key-file", str(keys)) as server, Browser(server) as browser:
            browser.open()
            browser.wait_for(browser.failure, "a refusal")
            expect("wants a key" in browser.failure() and browser.find("#key").is_displayed(), "a field, found", browser.failure())
            browser.find("#key").send_keys("secret")
            browser.set("#max_tokens", 4)
            browser.run()
            expect(browser.failure() == "" and browser.texts(".running-text")[0] != "", "a text, found", browser.failure())
            browser.check(failures=True)


def test_two_tabs_and_a_reload(build):
    with Server(build, *PRECISIONS) as server, Browser(server) as browser:
        fragment = link("continue", text="The old king", temperature=1, seed=5, max_tokens=60)
        browser.open(fragment)
        first = browser.driver.current_window_handle
        browser.driver.switch_to.new_window("tab")
        browser.open(fragment)
        browser.wait()
        texts = browser.texts(".running-text")
        browser.driver.switch_to.window(first)
        browser.wait()
        expect(len(texts) == 3 and browser.texts(".running-text") == texts, texts, "found", browser.texts(".running-text"))

        # In mid-stream: what ran before the reload is cancelled, and the same text comes anew.
        browser.open(link("continue", text="The old king", seed=5, max_tokens=1000))
        browser.wait_for(lambda: len("".join(browser.texts(".running-text"))) > 20, "some text")
        browser.driver.refresh()
        browser.wait_for(lambda: len("".join(browser.texts(".running-text"))) > 20, "some text")
        wait_until(lambda: server.metric("gpt2serve_running") <= 3, "the streams before to be cancelled")
        browser.find("#stop").click()
        browser.wait()
        wait_until(lambda: server.metric("gpt2serve_running") == 0, "the streams to be cancelled")
        expect(browser.failure() == "", "no error after Stop, found", browser.failure())
        browser.check()


def test_a_server_that_comes_back(build):
    with Server(build, *PRECISIONS, "--drain", "0") as server, Browser(server) as browser:
        browser.open(link("continue", text="The old king", seed=5, max_tokens=1000))
        browser.wait_for(lambda: len("".join(browser.texts(".running-text"))) > 20, "some text")
        server.process.kill()
        browser.wait_for(browser.failure, "the end to be told")
        expect("start it again" in browser.failure() or "start anew" in browser.failure(), "what to do, found", browser.failure())
        server.process.wait()
        browser.run()
        expect("does not answer" in browser.failure(), "no answer, found", browser.failure())
        with Server(build, "--precision", "fp32,bf16", port=server.port):
            browser.set("#max_tokens", 5)
            browser.run()
            expect(browser.failure() == "" and len(browser.texts(".running-text")) == 2, "two texts, found", browser.failure())
        browser.check(failures=True)


def test_widths(build):
    fields = {"text": TEXT, "max_tokens": 8, "seed": 1, "rows": 4}
    with Server(build, *PRECISIONS, "--floor") as server:
        for width, dark in ((360, True), (400, False), (1400, True), (2400, False)):
            with Browser(server, width, 900, dark) as browser:
                for view in ("continue", "text", "sampler", "layers"):
                    browser.open(link(view, **fields))
                    browser.wait()
                    wide = browser.driver.execute_script("return document.documentElement.scrollWidth")
                    expect(wide <= width, view, "no wider than", width, "found", wide)
                    ground = browser.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
                    expect((ground == "rgb(255, 255, 255)") != dark, "light or dark, found", ground, dark)
                browser.check()


run_tests([test_continue, test_text, test_sampler, test_layers, test_errors, test_a_key, test_two_tabs_and_a_reload,
           test_a_server_that_comes_back, test_widths])  # fmt: skip
