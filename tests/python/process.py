"""python.process: threads, signals, fork, output and the end of the interpreter."""

import signal
import subprocess
import sys
import tempfile
import threading
import time

import support
from support import DEMO, main, python

import gpt2run
import numpy as np

LONG = "synthetic:L=6,C=256,H=4,V=4096,T=1024"  # a whole context takes seconds


class Process(support.Test):
    maxDiff = None

    def test_nothing_is_printed(self):
        script = """
import sys, gpt2run
with gpt2run.load(sys.argv[1]) as model:
    model.generate("The old king", max_new_tokens=3000)  # warns: the context is full
    try:
        gpt2run.load("nowhere")
    except gpt2run.Error:
        pass
kept = gpt2run.load(sys.argv[1])  # not closed
stream = kept.stream("The old king")
next(stream)
"""
        self.check_silent(python(script, DEMO))

    def test_messages_go_to_logging(self):
        with self.assertLogs("gpt2run", "INFO") as logs:
            gpt2run.load().close()
        self.assertTrue(any("the demo model" in line for line in logs.output), logs.output)
        with gpt2run.load(DEMO) as model, self.assertLogs("gpt2run", "WARNING") as logs:
            model.generate([5], max_new_tokens=2000, ignore_eos=True)
        self.assertTrue(any("context of 1024 tokens is full" in line for line in logs.output), logs.output)

    def test_messages_beyond_the_most_are_counted(self):
        script = """
import logging, gpt2run
lines = []
class Keeper(logging.Handler):
    def emit(self, record):
        lines.append((record.levelname, record.getMessage()))
logging.getLogger("gpt2run").addHandler(Keeper())
gpt2run.plugins()
assert len(lines) == 1001, len(lines)
assert "no folder /nowhere/999" in lines[999][1], lines[999]
assert lines[1000] == ("WARNING", "24 more messages were dropped: 1000 are kept until a call returns"), lines[1000]
"""
        folders = ":".join(f"/nowhere/{i}" for i in range(1024))
        self.check_silent(python(script, variables={"GPT2RUN_PLUGIN_PATH": folders}))

    def test_no_signal_handlers(self):
        script = """
import signal, sys
def caught():
    with open("/proc/self/status") as file:
        return [line for line in file if line.startswith(("SigCgt", "SigIgn", "SigBlk"))]
import numpy, logging, atexit, pathlib
handlers, before = [signal.getsignal(one) for one in signal.valid_signals()], caught()
import gpt2run
with gpt2run.load(sys.argv[1]) as model:
    model.generate("The old king", max_new_tokens=3)
assert handlers == [signal.getsignal(one) for one in signal.valid_signals()]
assert before == caught(), (before, caught())
"""
        self.check_silent(python(script, DEMO))

    def test_an_interrupt_ends_a_run(self):
        script = """
import sys, time, gpt2run
model = gpt2run.load(sys.argv[1])
expected = model.generate([5], max_new_tokens=5, details=True).tokens.tolist()
for what in (lambda: model.generate([5] * 9, max_new_tokens=900, samples=1000), lambda: list(model.stream([5], max_new_tokens=1000000, context_shift=-1)),
             lambda: [model.logits([5] * 1000) for _ in range(1000)], lambda: model.perplexity([5] * 500000, stride=1)):
    print("started", flush=True)
    try:
        what()
        print("not interrupted", flush=True)
    except KeyboardInterrupt as error:  # whose frames are still there
        assert model.generate([5], max_new_tokens=5, details=True).tokens.tolist() == expected
        print("interrupted", flush=True)
"""
        environment = {"PYTHONPATH": str(support.PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen([sys.executable, "-c", script, LONG], env={**support.os.environ, **environment}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as child:  # fmt: skip
            for _ in range(4):
                self.assertEqual(child.stdout.readline(), "started\n")
                time.sleep(0.3)
                child.send_signal(signal.SIGINT)
                self.assertEqual(child.stdout.readline() or child.stderr.read(), "interrupted\n")
            self.assertEqual((child.wait(60), child.stderr.read()), (0, ""))

    def test_other_threads_run_meanwhile(self):
        with gpt2run.load(LONG) as model:
            thread = threading.Thread(target=model.logits, args=([5] * 1000,))
            thread.start()
            count = 0
            while thread.is_alive():
                time.sleep(0.001)
                count += 1
        self.assertGreater(count, 10)

    def test_other_threads_run_while_one_waits_for_the_plugins(self):
        script = """
import pathlib, sys, threading, time, gpt2run
folder = pathlib.Path(sys.argv[1])
(folder / "other").mkdir()
for i in range(3000):
    (folder / f"gpt2run-sampler-broken{i}.so").write_bytes(b"no library")
gpt2run.add_plugin_folder(folder)
counts = []
while max(counts, default=0) < 6 and len(counts) < 10:
    looking = threading.Thread(target=gpt2run.plugins)
    looking.start()
    time.sleep(0.01)  # it has the plugins now, unless the machine is busy, and needs a while for so many
    waiting = threading.Thread(target=gpt2run.add_plugin_folder, args=(folder / "other",))
    waiting.start()
    counts.append(0)
    while waiting.is_alive():
        time.sleep(0.001)
        counts[-1] += 1
    looking.join()
assert max(counts) > 5, counts
"""
        with tempfile.TemporaryDirectory() as folder:
            self.check_silent(python(script, folder))

    def test_models_in_threads(self):
        expected, found = {}, {}

        def work(precision, seed):
            with gpt2run.load(DEMO, precision=precision, threads=1) as model:
                found[precision, seed] = [model.generate("The old king", seed=seed + i, max_new_tokens=12) for i in range(4)]

        for precision in ("fp32", "bf16", "fp16"):
            with gpt2run.load(DEMO, precision=precision) as model:
                for seed in (0, 50):
                    expected[precision, seed] = [model.generate("The old king", seed=seed + i, max_new_tokens=12) for i in range(4)]
        self.in_threads([lambda key=key: work(*key) for key in expected])
        self.assertEqual(found, expected)

    def test_threads_with_one_model(self):
        with gpt2run.load(DEMO) as model:
            expected = [model.generate("The old king", seed=i, max_new_tokens=6) for i in range(12)]
            logits = model.logits("The old king")
            found = [None] * 12

            def work(i):
                found[i] = model.generate("The old king", seed=i, max_new_tokens=6, sampler=None if i % 2 else ["nucleus"])
                np.testing.assert_array_equal(model.logits("The old king"), logits)

            self.in_threads([lambda i=i: work(i) for i in range(12)])
        self.assertEqual(found, expected)

    def test_threads_with_one_stream(self):
        with gpt2run.load(DEMO) as model:
            stream, pieces, refused = model.stream("The old king", max_new_tokens=60), [], []

            def read():
                while True:
                    try:
                        pieces.append(next(stream))
                    except StopIteration:
                        return
                    except gpt2run.Error as error:
                        refused.append(str(error))
                        return

            self.in_threads([read] * 4)
            self.assertTrue(all("another thread" in text for text in refused), refused)
            self.assertEqual(len(model.generate("The old king", max_new_tokens=5, details=True).tokens), 5)

    def test_a_stream_is_not_read_within_its_own_step(self):
        with gpt2run.load(DEMO, precision="reference") as model:
            outcomes, ids = [], [5] * 200  # a long first step
            expected = list(model.stream(ids, max_new_tokens=2))
            stream = model.stream(ids, max_new_tokens=2)

            def handler(*_):
                try:
                    outcomes.append(next(stream))
                except gpt2run.Error as error:
                    outcomes.append(str(error))

            before = signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            try:
                self.assertEqual(list(stream), expected)
            finally:
                signal.signal(signal.SIGALRM, before)
        self.assertEqual(outcomes, ["another thread is reading this stream"])

    def in_threads(self, functions):
        failed = []

        def work(function):
            try:
                function()
            except BaseException as error:  # told by the main thread
                failed.append(error)

        threads = [threading.Thread(target=work, args=(function,)) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            self.assertFalse(thread.is_alive())
        self.assertEqual(failed, [])

    def test_fork(self):
        script = """
import os, sys, gpt2run
model = gpt2run.load(sys.argv[1], threads=2)
text = model.generate("The old king", max_new_tokens=5)
stream = model.stream("The old king")
next(stream)
child = os.fork()
if child == 0:
    for function in (model.generate, model.logits, lambda text: next(stream)):
        try:
            function("The old king")
            os._exit(3)
        except gpt2run.Error as error:
            if "after fork()" not in str(error) and "stream" not in str(error):
                os._exit(4)
    stream.close()
    del stream
    try:
        model.generate("The old king")
        os._exit(5)
    except gpt2run.Error as error:
        assert "open it again after fork()" in str(error)
    model.close()
    with gpt2run.load(sys.argv[1], threads=2) as model:
        assert model.generate("The old king", max_new_tokens=5) == text
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
stream.close()
assert model.generate("The old king", max_new_tokens=5) == text
"""
        self.check_silent(python(script, DEMO))

    def test_end_of_the_interpreter(self):
        begin = "import sys, threading, time, gpt2run\nmodel = gpt2run.load(sys.argv[1])\n"
        endings = {
            "in mid-stream": "other = gpt2run.load()\nstream = other.stream()\nnext(stream)\n",
            "in a circle": "import gc\ngc.disable()\nloop = [model.stream([5])]\nloop.append(loop)\n",
            "in a daemon thread": "threading.Thread(target=model.generate, args=([5],), kwargs=dict(max_new_tokens=1000), daemon=True).start()\ntime.sleep(0.2)\n",
            "in a daemon's sampler": "threading.Thread(target=model.generate, args=([5],), kwargs=dict(max_new_tokens=1000, sampler=lambda *a: 5), daemon=True).start()\ntime.sleep(0.2)\n",
            "in a daemon's load": "threading.Thread(target=gpt2run.load, args=(sys.argv[1],), daemon=True).start()\n",
            "at exit": "import atexit\natexit.register(lambda: model.close())\n",
        }
        for name, script in endings.items():
            with self.subTest(name):
                done = python(begin + "threading.excepthook = lambda error: None\n" + script, LONG)
                self.check_silent(done)


if __name__ == "__main__":
    main()
