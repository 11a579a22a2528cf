#!/usr/bin/env python3
"""Pictures and a report of a study's results.

    scripts/plots.py STUDY [--out FOLDER]

STUDY is a folder; in it and below it are looked for
    timings.csv, positions.csv, timings_{host|device}_{PRECISION}_{T}.json    of gpt2bench sweep
    compare.json       of gpt2compare --json
    perplexity.json    of gpt2perplexity --json
    bench.json         of gpt2bench --json
    formats.json       of gpt2compare --formats --json
    islands.json       of gpt2compare --islands --json
    adder.json         of scripts/adder.py --json
    patching.json      of gpt2compare --patch_sweep --json
What is missing is left out, with a line saying so for the first four. FOLDER (STUDY unless given) gets report.html, which needs no other
file, and the pictures in plots/. Everything is made before the first file is written. It needs matplotlib (Debian's
package python3-matplotlib). Exit codes: 0 done, 2 the command line cannot be meant, 1 everything else.
"""

import argparse
import importlib.util
import os
import pathlib
import sys
import tempfile

DEBIAN_PYTHON = "/usr/bin/python3"
TRIED = "GPT2RUN_PLOTS_PYTHON"  # in the environment: no third try


def fail(message, code=1):
    print(f"plots.py: error: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(code)


def need_matplotlib():
    """The first python3 on PATH need not be the one that Debian's packages belong to: that one is tried next."""
    if importlib.util.find_spec("matplotlib"):
        return
    if os.access(DEBIAN_PYTHON, os.X_OK) and TRIED not in os.environ:
        os.environ[TRIED] = DEBIAN_PYTHON
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, "-B", os.path.abspath(__file__), *sys.argv[1:]])
    fail("matplotlib is missing: install the package python3-matplotlib")


def write_whole(path, content):
    """Under a temporary name first: what is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o666 & ~UMASK)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


UMASK = umask()


class Line(argparse.ArgumentParser):
    def error(self, message):
        fail(message, 2)


def draw(study):
    """Loads matplotlib, which takes longer than to see that there is nothing to draw."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        import plots_figures
    except ImportError as error:
        fail(f"matplotlib cannot be loaded: {error}")
    import plots_formats
    import plots_patching
    import plots_report

    pictures, left_out = plots_figures.draw_all(study, {"formats": (plots_formats.formats_by_bytes,), "islands": (plots_formats.damage_by_part,), "patching": (plots_patching.patch_effect,)})
    return pictures, plots_report.html_of(study, pictures, left_out), left_out


def main():
    parser = Line(prog="plots.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    need_matplotlib()
    import plots_inputs

    out = arguments.out or arguments.study
    try:
        study = plots_inputs.read_study(arguments.study)
        pictures, report, left_out = draw(study)
        for name, picture in pictures.items():
            write_whole(out / "plots" / f"{name}.png", picture.png)
        write_whole(out / "report.html", report.encode(errors="replace"))
    except plots_inputs.Bad as error:
        fail(error)
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}")
    for line in left_out:
        print(f"plots.py: left out: {line}", file=sys.stderr)
    print(f"plots.py: wrote {out / 'report.html'} and {len(pictures)} pictures in {out / 'plots'}", file=sys.stderr)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
