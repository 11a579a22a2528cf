#!/usr/bin/env python3
"""Makes the README's picture of the server's page, from the demo model.

    scripts/page_picture.py [--build build/release] [--out docs/page.png]

It needs the program gpt2serve in the build folder, chromium with its driver, and selenium from PyPI. The picture has at most
200 KB, so that the repository stays small.
"""

import argparse
import pathlib
import struct
import sys
import urllib.parse
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/serve"))

from browser import Browser, skip_without_browser  # noqa: E402
from server import Server  # noqa: E402

MOST = 200_000  # bytes
WIDTH = 1080
PRECISIONS = ("fp32", "bf16", "fp16")
TEXT = (
    "Once upon a time there was a king who had three daughters. The youngest was so fair that the sun himself, who has seen so much, "
    "wondered whenever it shone in her face. Close by the castle lay a great dark forest, and under an old lime-tree in the forest was "
    "a well, and when the day was very warm, the princess went out into the forest and sat down by the side of the cool fountain."
)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build/release")
    parser.add_argument("--out", default=ROOT / "docs/page.png", type=pathlib.Path)
    return parser.parse_args()


def picture(build):
    """The bytes of the picture: the view Text, from the top of the page to the end of its colours."""
    pairs = [("text", TEXT), ("ref", PRECISIONS[0]), *(("test", name) for name in PRECISIONS[1:]), ("shown", "bf16"), ("metric", "kl_ref_test")]
    with Server(build, "--precision", ",".join(PRECISIONS), "--floor") as server, Browser(server, WIDTH, 1000) as browser:
        browser.open("#text?" + urllib.parse.urlencode(pairs))
        browser.wait()
        if browser.failure():
            sys.exit("the page says: " + browser.failure())
        browser.find(".other-top").click()  # a token before which BF16 expects another one than FP32
        end = browser.driver.execute_script(
            "scrollTo(0, 0); const end = document.querySelector('.tokens').getBoundingClientRect().bottom;"
            "return Math.ceil(Math.max(end, document.querySelector('.detail').getBoundingClientRect().bottom)) + 16"
        )
        browser.resize(WIDTH, end)
        return browser.driver.get_screenshot_as_png()


def chunks(png):
    """The kinds and contents of the chunks of a PNG file."""
    at = 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        yield kind, png[at + 8 : at + 8 + size]
        at += 12 + size


def paeth(left, up, corner):
    """The predictor of the PNG filter 4."""
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]


def rows(png):
    """Width, height, channels, and the rows of the picture's bytes, without the filters of PNG."""
    head = next(content for kind, content in chunks(png) if kind == b"IHDR")
    width, height, depth, colours = struct.unpack(">IIBB", head[:10])
    channels = {2: 3, 6: 4}[colours]
    if depth != 8 or head[12] != 0:
        sys.exit("expected a PNG of 8 bits without interlacing")
    data = zlib.decompress(b"".join(content for kind, content in chunks(png) if kind == b"IDAT"))
    size, above, found = width * channels, bytearray(width * channels), []
    for y in range(height):
        kind, row = data[y * (size + 1)], bytearray(data[y * (size + 1) + 1 : (y + 1) * (size + 1)])
        for x in range(size):
            left, corner = (row[x - channels], above[x - channels]) if x >= channels else (0, 0)
            row[x] = (row[x] + (0, left, above[x], (left + above[x]) // 2, paeth(left, above[x], corner) if kind == 4 else 0)[kind]) & 255
        found.append(row)
        above = row
    return width, height, channels, found


def packed(png):
    """The same picture with colours rounded to 32 levels of a channel, which nobody sees, and without filters: smaller."""
    width, height, channels, found = rows(png)
    levels = bytes(round(round(value / 255 * 31) / 31 * 255) for value in range(256))
    data = b"".join(
        b"\0" + bytes(byte for x in range(0, len(row), channels) for byte in row[x : x + 3]).translate(levels) for row in found
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    framed = (struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in parts)
    return png[:8] + b"".join(framed)


def main():
    options = arguments()
    skip_without_browser()
    content = packed(picture(options.build))
    if len(content) > MOST:
        sys.exit(f"expected a picture of at most {MOST} bytes, found {len(content)}")
    options.out.write_bytes(content)
    print(f"{options.out}: {len(content)} bytes")


main()
