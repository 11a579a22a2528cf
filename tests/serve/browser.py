"""A browser without a window for the tests of the page: chromium, driven by selenium. skip_without_browser() ends a test
where one of them is missing."""

import json
import os
import shutil
import sys
import time

from server import PATIENCE, expect

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None

SLOW = 3 * PATIENCE  # seconds for what takes a moment: the browser and the server share a machine that may be busy
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


def skip_without_browser():
    missing = [name for name, found in (("selenium (from PyPI)", webdriver), ("chromium", PROGRAM), ("chromedriver", DRIVER)) if not found]
    if missing:
        print("SKIPPED: the page is not tried in a browser, since these are missing: " + ", ".join(missing))
        sys.exit(77)


class Browser:
    """A browser that shows the page of `server`, until the end of a with statement. Nothing is kept of it."""

    def __init__(self, server, width=1400, height=1000, dark=False):
        self.address = f"http://127.0.0.1:{server.port}/"
        self.width, self.height, self.dark = width, height, dark

    def __enter__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = PROGRAM
        arguments = ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
        # What the browser itself would ask of its maker is no request of the page.
        arguments += ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # chromium's does not start for root
        for argument in arguments:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(SLOW)
        self.resize(self.width, self.height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if self.dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def resize(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def open(self, fragment=""):
        """Opens the page anew with this part behind #."""
        self.driver.get("about:blank")
        self.driver.get(self.address + fragment)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        """The texts of all elements, with their spaces, in one moment."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
        return self.driver.execute_script(script, selector)

    def set(self, selector, value):
        """Sets a control as a person would see it set."""
        script = (
            "const one = document.querySelector(arguments[0]); one.value = arguments[1];"
            "one.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        self.driver.execute_script(script, selector, str(value))

    def press(self, *keys):
        """Presses keys where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def run(self):
        self.find("#run").click()
        self.wait()

    def wait(self):
        """Until nothing runs and something is shown."""
        self.wait_for(lambda: self.texts("#progress") == [""] and (self.texts("section:not([hidden]) > *") or self.failure()), "an end")

    def wait_for(self, condition, what):
        end = time.monotonic() + SLOW
        while not condition():
            expect(time.monotonic() < end, what, "found", self.texts("#failure"), self.texts("#progress"))
            time.sleep(0.05)

    def failure(self):
        """What the page says went wrong, or an empty text."""
        return self.find("#failure").text

    def check(self, failures=False):
        """No error in the console, and no request to elsewhere. failures: answers that are errors were provoked."""
        for entry in self.driver.get_log("browser"):
            is_provoked = failures and entry["source"] == "network"
            expect(is_provoked or entry["level"] not in ("SEVERE", "WARNING"), "an empty console, found", entry)
        asked = 0
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] != "Network.requestWillBeSent":
                continue
            url = message["params"]["request"]["url"]
            asked += url.startswith(self.address)
            expect(url.startswith((self.address, "data:", "about:", "chrome:")), "no request to elsewhere, found", url)
        expect(asked > 0, "requests to the server, found none")
