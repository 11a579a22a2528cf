"""faults.stuck BUILD_FOLDER: a run whose sampler never returns ends by one signal after some seconds, and by two at once.
Its temporary files are removed."""

import pathlib
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 60  # seconds for what takes a moment or five seconds


def expect(condition, *what):
    if not condition:
        sys.exit("expected " + " ".join(map(str, what)))


def start(build, folder):
    """The run, when its temporary files are there."""
    command = [build / "bin/gpt2run", "-q", "--model", "synthetic:L=1,C=32,H=2,V=64,T=16", "--tokens", "1", "-n", "2"]
    command += ["--sampler", "stuck", "--plugin-dir", build / "tests/faults", "--sink", "tokens:out=tokens", "--manifest", "run.json"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + PATIENCE
    while len(list(folder.iterdir())) < 2:
        expect(time.monotonic() < end and process.poll() is None, "two temporary files, found", list(folder.iterdir()))
        time.sleep(0.01)
    time.sleep(0.1)  # for the sampler to be called
    return process


def check_end(process, folder, number, words):
    _, errors = process.communicate(timeout=PATIENCE)
    expect(process.returncode == -number, "an end by", number, "found", process.returncode, errors)
    expect(errors.startswith("gpt2run: error: interrupted") and errors.count("\n") == 1, "one line, found", errors)
    expect(words in errors, words, "in the line, found", errors)
    expect(not list(folder.iterdir()), "no file, found", list(folder.iterdir()))


def main(build):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        folder, other = pathlib.Path(one), pathlib.Path(two)
        waiting = start(build, folder)
        waiting.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        ended = start(build, other)
        ended.send_signal(signal.SIGINT)
        time.sleep(0.2)
        expect(ended.poll() is None, "a run that has some seconds left after one signal")
        ended.send_signal(signal.SIGTERM)
        check_end(ended, other, signal.SIGTERM, "")
        expect(waiting.poll() is None or time.monotonic() - begin > 4, "some seconds before the end")
        check_end(waiting, folder, signal.SIGTERM, "tests/faults/gpt2run-sampler-stuck.so")


main(pathlib.Path(sys.argv[1]).resolve())
