"""layout.scripts: shell scripts parse and shellcheck finds nothing in them; Python files compile."""

import shutil
import subprocess
import sys

import tree


def shell_complaints(arguments, text=None):
    """What bash -n, and shellcheck where there is one, say about a script."""
    tools = [["bash", "-n"]]
    if shutil.which("shellcheck"):
        tools.append(["shellcheck", "--shell=bash", "--external-sources"])
    messages = []
    for tool in tools:
        done = subprocess.run([*tool, *arguments], input=text, capture_output=True, text=True, cwd=tree.ROOT, check=False)
        if done.returncode != 0:
            messages += (done.stdout + done.stderr).splitlines() or [f"{tool[0]} failed on {arguments}"]
    return messages


def python_complaints(name, text):
    try:
        compile(text, name, "exec")
        return []
    except SyntaxError as error:
        return [f"{name}: {error}"]


def self_test():
    if not shell_complaints(["/dev/stdin"], "if true; then\n"):
        sys.exit("self-test: a script without its fi should be refused")
    if shutil.which("shellcheck") and not shell_complaints(["-"], "#!/usr/bin/env bash\nrm -r $1/*\n"):
        sys.exit("self-test: an unquoted variable should be refused")
    if not python_complaints("x.py", "def f(:\n"):
        sys.exit("self-test: broken Python should be refused")


self_test()
found = [message for name in tree.files((".sh",)) + [".ci/run"] for message in shell_complaints([name])]
found += [message for name in tree.files((".py",)) for message in python_complaints(name, tree.read(name))]
if not found and not shutil.which("shellcheck"):
    tree.skip("shellcheck is missing (package shellcheck): only bash -n looked at the scripts")
tree.report(found)
