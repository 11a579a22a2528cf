"""pack_wheel.py BUILD OUT: packs the Python package of a build tree as a wheel in the folder OUT, and prints its path.

It compiles nothing, and uses the standard library alone. BUILD is a build tree with the package in it, of the Python that
runs this. `pip install .` makes the same wheel from the sources, by scikit-build-core.
"""

import base64
import hashlib
import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def named(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        sys.exit(f"expected {pattern} in the project's files")
    return found.group(1)


def tag(extension):
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if ".abi3." in extension.name:
        return f"cp312-abi3-{platform}"
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return f"{version}-{version}-{platform}"


def metadata(version):
    description, requires = named('^description = "(.*)"', TEXT), named('^dependencies = \\["(.*)"\\]', TEXT)
    python = named('^requires-python = "(.*)"', TEXT)
    lines = ["Metadata-Version: 2.1", "Name: gpt2run", f"Version: {version}", f"Summary: {description}"]
    lines += [f"Requires-Python: {python}", f"Requires-Dist: {requires}", "License-File: LICENSE"]
    return "\n".join(lines) + "\n"


def files_of(build, staging):
    """(path in the wheel, file) of everything but the metadata."""
    subprocess.run(
        ["cmake", "--install", build, "--component", "python", "--prefix", staging], check=True, stdout=subprocess.DEVNULL
    )
    for path in sorted(staging.rglob("*")):
        if path.is_file():
            yield f"gpt2run/{path.relative_to(staging).as_posix()}", path
    for path in sorted((ROOT / "python/gpt2run").iterdir()):
        if path.suffix in (".py", ".pyi", ".typed"):
            yield f"gpt2run/{path.name}", path


def main(build, out):
    version = named(r"project\(gpt2run VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))
    info, records = f"gpt2run-{version}.dist-info", []
    with tempfile.TemporaryDirectory() as staging:
        files = list(files_of(build, pathlib.Path(staging)))
        (extension,) = [path for _, path in files if path.name.startswith("_gpt2run.") and path.suffix == ".so"]
        wheel = pathlib.Path(out) / f"gpt2run-{version}-{tag(extension)}.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

            def add(name, content, mode=0o644):
                entry = zipfile.ZipInfo(name)
                entry.external_attr, entry.compress_type = (0o100000 | mode) << 16, zipfile.ZIP_DEFLATED
                archive.writestr(entry, content)
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                records.append(f"{name},sha256={digest},{len(content)}")

            for name, path in files:
                add(name, path.read_bytes(), 0o755 if path.suffix == ".so" else 0o644)
            about = f"Wheel-Version: 1.0\nGenerator: gpt2run\nRoot-Is-Purelib: false\nTag: {tag(extension)}\n"
            add(f"{info}/METADATA", metadata(version).encode())
            add(f"{info}/LICENSE", (ROOT / "LICENSE").read_bytes())
            add(f"{info}/WHEEL", about.encode())
            archive.writestr(f"{info}/RECORD", "\n".join([*records, f"{info}/RECORD,,"]) + "\n")
    print(wheel)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
