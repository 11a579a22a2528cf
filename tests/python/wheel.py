"""python.wheel: a wheel packed from the build, in a fresh environment with numpy alone, in another folder."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import support
from support import BUILD, ROOT, continued, main, skip

import numpy

SCRIPT = """
import gpt2run, json, sys
model = gpt2run.load()
found = model.generate("The old king", max_new_tokens=20, seed=7, details=True)
print(json.dumps([gpt2run.__version__, gpt2run.__file__, model.path, found.tokens.tolist(), len(gpt2run.plugins())]))
"""


class Wheel(support.Test):
    def test_in_a_fresh_environment(self):
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            pack = [sys.executable, "-B", ROOT / "python/pack_wheel.py", BUILD, place]
            wheel = subprocess.run(pack, check=True, capture_output=True, text=True).stdout.strip()
            made = subprocess.run([sys.executable, "-m", "venv", place / "venv"], capture_output=True, check=False)
            if made.returncode != 0:
                skip(f"no virtual environment can be made: {made.stdout.decode(errors='replace').strip()}")
            own = place / "venv/bin/python"
            install = [own, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", "--disable-pip-version-check", wheel]
            subprocess.run(install, check=True)
            (site,) = place.glob("venv/lib/python*/site-packages")
            libraries = pathlib.Path(numpy.__file__).parents[1]
            for name in ("numpy", "numpy.libs"):
                if (libraries / name).exists():
                    (site / name).symlink_to(libraries / name)
            environment = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8"}
            done = subprocess.run([own, "-I", "-c", SCRIPT], cwd=folder, env=environment, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            version, file, model, tokens, plugins = json.loads(done.stdout)
            (expected,) = continued("--prompt", "The old king", "-n", 20, "--seed", 7)
            self.assertEqual(tokens, expected["tokens"])
            self.assertEqual(version, subprocess.run([BUILD / "bin/gpt2run", "--version"], capture_output=True, text=True, check=True).stdout.split()[1])
            self.assertTrue(file.startswith(folder) and model.startswith(folder), (file, model))
            self.assertGreater(plugins, 20)
            checked = subprocess.run([own, "-m", "pip", "show", "--files", "gpt2run"], capture_output=True, text=True, check=True).stdout
            for name in ("gpt2run/py.typed", "gpt2run/__init__.pyi", "gpt2run/lib/gpt2run/gpt2run-sampler-nucleus.so", "gpt2run/share/gpt2run/models/demo/config.json"):
                self.assertIn(name, checked)


if __name__ == "__main__":
    main()
