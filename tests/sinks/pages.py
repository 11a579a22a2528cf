"""sinks.pages BUILD_FOLDER: the pages of the sinks lens and attention in a real browser, with the demo model and texts that
try to be HTML. It skips (exit status 77) without selenium and chromium."""

import json
import pathlib
import subprocess
import sys
import tempfile
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "serve"))
from browser import Browser, skip_without_browser  # noqa: E402, from the tests of the server's page
from server import expect  # noqa: E402

skip_without_browser()

from browser import Keys  # noqa: E402, selenium is there

PROMPT = "</script><img src=x onerror=document.title='broken'> Once upon a time there was a king"


class FileBrowser(Browser):
    """A browser that shows a file."""

    def __init__(self, path, **look):
        super().__init__(types.SimpleNamespace(port=0), **look)
        self.address = path.as_uri()


def write_pages(build, folder):
    command = [build / "bin/gpt2run", "-q", "--precision", "cpu-fp32", "-n", "1", "--prompt", PROMPT, "--prompt", "A king"]
    command += ["--sink", "lens:format=html:out=lens.html,attention:dir=.:npy=off"]
    subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=True)


def focused(browser):
    return browser.driver.execute_script("return document.activeElement.textContent")


def check_texts(browser, selector, texts):
    """The texts are shown as they are, and are nothing else."""
    browser.wait_for(lambda: browser.texts(selector) == texts, f"the texts {texts}")
    expect("broken" not in browser.driver.title and not browser.all("img"), "texts that are no HTML")


def check_attention(folder, dark):
    sequences = json.loads((folder / "attention.json").read_text(encoding="utf-8"))["sequences"]
    texts = {one["sequence"]: one["texts"] for one in sequences}
    with FileBrowser(folder / "attention.html", dark=dark) as browser:
        browser.open()
        check_texts(browser, "#tokens span", texts[0])
        expect(len(browser.all("#heads button")) == 18, "a map for each of 6 x 3 heads")
        title = browser.find("#detail h2").text
        expect(title.startswith(f"Token {len(texts[0]) - 1}, "), "the last token, found", title)
        browser.driver.execute_script("document.querySelector('#tokens span:last-child').focus()")
        browser.press(Keys.ARROW_LEFT)
        expect(focused(browser) == texts[0][-2], "the token before, found", focused(browser))
        expect(browser.find("#detail h2").text.startswith(f"Token {len(texts[0]) - 2}, "), "what it looks at")
        browser.press(Keys.HOME)
        expect(browser.texts("#detail td:nth-child(3)") == ["100.0 %"], "the first token to look at itself alone")
        browser.driver.execute_script("document.querySelector('#heads button').focus()")
        browser.press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ENTER)
        expect("in layer 1, head 1, looks at" in browser.find("#detail h2").text, "the chosen head, found", title)
        expect(len(browser.all("#heads [aria-pressed=true]")) == 1, "one chosen head")
        browser.set("#sequence", 1)
        check_texts(browser, "#tokens span", texts[1])
        browser.check()


def check_lens(folder, dark):
    with FileBrowser(folder / "lens.html", dark=dark, width=700) as browser:
        browser.open()
        browser.wait_for(lambda: len(browser.all("#map tbody tr")) == 7, "the embedding and 6 layers")
        expect(browser.texts("#map th[scope=row]")[::6] == ["h.5", "embed"], "the last layer at the top")
        check_texts(browser, "#map thead th", browser.texts("#map thead th"))
        last = browser.texts("#map tbody tr:first-child td")[-1]
        expect(json.dumps(last, ensure_ascii=False) in browser.find("#detail p").text, "the final token, found", browser.find("#detail").text)
        browser.driver.execute_script("document.querySelector('#map td[tabindex=\"0\"]').focus()")
        browser.press(Keys.ARROW_DOWN)
        expect(browser.find("#detail h2").text.startswith("h.4: "), "the layer below, found", browser.find("#detail h2").text)
        browser.set("#colour", "rank")
        expect(len(browser.all("#map td.same")) > 0, "frames")
        browser.check()


build_folder = pathlib.Path(sys.argv[1]).resolve()
with tempfile.TemporaryDirectory() as work:
    write_pages(build_folder, pathlib.Path(work))
    check_attention(pathlib.Path(work), dark=False)
    check_lens(pathlib.Path(work), dark=True)
