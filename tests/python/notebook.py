"""python.notebook: the cells of docs/study.ipynb run one after another, and print and draw where something stands below them.
Numbers and texts may be those of another processor. It skips without nbclient, ipykernel or matplotlib.

    tests/python/notebook.py BUILD_FOLDER --renew    writes what they say now into the notebook
"""

import importlib.util
import json
import os
import re
import sys
import tempfile

import support
from support import PACKAGE, ROOT, skip

for needed in ("nbclient", "ipykernel", "matplotlib"):
    if not importlib.util.find_spec(needed):
        skip(f"the notebook is not run: there is no {needed} in {sys.executable}")

import nbclient  # noqa: E402, it is there
import nbformat  # noqa: E402, a part of nbclient's needs

NOTEBOOK = ROOT / "docs/study.ipynb"
MOST_BYTES = 300_000
FOREIGN = re.compile(r"https?:|(?<![\w.~])/(?:" + "home|root|tmp|mnt|content)/")


def executed():
    """The notebook after its cells have run, in a kernel that has the package of the build."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"PYTHONPATH": str(PACKAGE), "IPYTHONDIR": folder, "MPLCONFIGDIR": folder, "JUPYTER_RUNTIME_DIR": folder}
        place = {"metadata": {"path": str(NOTEBOOK.parent)}}
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place, record_timing=False).execute()
    return notebook


def said(cell):
    """What a cell printed."""
    return "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")


def pictures(cell):
    return [output["data"]["image/png"] for output in cell["outputs"] if "image/png" in output.get("data", {})]


def renew():
    notebook = executed()
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell, fresh in zip(stored["cells"], notebook["cells"]):
        if cell["cell_type"] == "code":
            cell["outputs"] = json.loads(json.dumps(fresh["outputs"]))
            cell["execution_count"] = fresh["execution_count"]
    NOTEBOOK.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


class Notebook(support.Test):
    def test_cells_say_and_draw(self):
        stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
        notebook = executed()
        shown, printed = 0, ""
        for cell, fresh in zip(stored["cells"], notebook["cells"], strict=True):
            if cell["cell_type"] != "code":
                continue
            with self.subTest("".join(cell["source"])):
                self.assertEqual(bool(said(cell)), bool(said(fresh)))
                self.assertEqual(len(pictures(cell)), len(pictures(fresh)))
                self.assertFalse([output for output in fresh["outputs"] if output.get("name") == "stderr"])
            shown += len(pictures(cell))
            printed += said(fresh)
        self.assertGreaterEqual(shown, 4)
        # A plugin of the CPU or of a GPU, whichever the names mean here.
        means = {name: float(mean) for name, mean in re.findall(r"^c\w+-(\w+): (\S+) \+- \S+ nats, the same", printed, re.MULTILINE)}
        self.assertEqual(list(means), ["bf16", "fp16"])
        self.assertTrue(0 < means["fp16"] < means["bf16"] < 1e-2, means)
        self.assertNotIn("nan", printed)

    def test_the_file_is_small_and_speaks_of_no_machine(self):
        text = NOTEBOOK.read_text(encoding="utf-8")
        self.assertLess(len(text), MOST_BYTES)
        self.assertEqual(text, json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n")
        for cell in json.loads(text)["cells"]:
            self.assertIsNone(FOREIGN.search("".join(cell["source"])))
            self.assertIsNone(FOREIGN.search("".join("".join(one.get("text", "")) for one in cell.get("outputs", []))))


if __name__ == "__main__":
    if sys.argv[1:] == ["--renew"]:
        renew()
    else:
        support.main()
