"""layout.includes: which folder may include which, and where each foreign library is let in."""

import os
import re
import sys
from pathlib import PurePosixPath

import tree


# What a file may include of ours, by the folder that it is in: starts of includes, the longest folder decides. CONTRACT
# stands for the headers right in gpt2run/. The file's own folder and the folder `common` beside it are free besides.
CONTRACT = "gpt2run/"
SDK = (CONTRACT, "gpt2run/sdk/")
CORE = (*SDK, "gpt2run/files/", "gpt2run/json/", "gpt2run/gguf/", "gpt2run/pickle/", "gpt2run/tokenizer/", "gpt2run/evaluation/", "gpt2run/engine/")
OWN_FOLDER_IS_BELOW_TOP = ("precisions", "samplers", "loaders", "sinks")
COMMON = ("program", "config", "prompts", "ranks", "pipeline", "evaluation")  # each folder includes those before it
PROGRAMS = ("gpt2bench", "gpt2compare", "gpt2convert", "gpt2perplexity", "gpt2plugins", "gpt2run", "gpt2serve", "gpt2tokenize")
MAY = {
    "core/include/gpt2run": (CONTRACT,),
    "core/include/gpt2run/sdk": SDK,
    "docs": SDK,
    "docs/library": CORE,
    "precisions": SDK,
    "samplers": SDK,
    "loaders": (*SDK, "gpt2run/json/", "gpt2run/gguf/", "gpt2run/pickle/"),
    "sinks": (*SDK, "gpt2run/json/"),
    "plugins/template": SDK,
    "plugins/host": (*CORE, "host/"),
    "plugins/conformance": (*CORE, "host/", "conformance/"),
    **{f"apps/common/{name}": (*CORE, "host/", *(f"common/{above}/" for above in COMMON[: i + 1])) for i, name in enumerate(COMMON)},
    **{f"apps/{name}": (*CORE, "host/", "common/", f"{name}/") for name in PROGRAMS},
    "python": (*CORE, "host/", *(f"common/{name}/" for name in COMMON if name != "program")),
    "apps/gpt2plugins": (*CORE, "host/", "common/", "conformance/", "gpt2plugins/"),
}
LAYERS = (("files", ()), ("json", ("files",)), ("gguf", ()), ("pickle", ()), ("tokenizer", ("files", "json", "gguf", "pickle")), ("evaluation", ()), ("engine", ("tokenizer",)))
for name, below in LAYERS:
    for folder in (f"core/include/gpt2run/{name}", f"core/{name}"):
        MAY[folder] = (*SDK, f"gpt2run/{name}/", *(f"gpt2run/{other}/" for other in below))

# Foreign headers: start of the include -> the files, or folders of them, that may have it: one or two of a top folder.
FOREIGN = {
    "boost/asio/": ("apps/gpt2serve/http_server.cpp",),
    "boost/beast/": ("apps/gpt2serve/http_server.cpp",),
    "boost/dll/": ("plugins/host/dynamic_library.cpp",),
    "boost/program_options.hpp": ("apps/common/config/config_sources.cpp", "apps/gpt2tokenize/main.cpp"),
    "spdlog/": ("plugins/host/log.cpp",),
    "nlohmann/json.hpp": ("core/json/json.cpp", "tests/"),
    "nanobind/": ("python/src/",),
    "mpi.h": ("apps/common/ranks/mpi.cpp",),
    "cuda_runtime.h": ("core/include/gpt2run/sdk/cuda/",),
    "nvtx3/": ("core/include/gpt2run/sdk/cuda/range.hpp",),
    "cublasLt.h": ("precisions/cuda/gemm.cu", "tests/cuda/ceilings/"),
    "cuda_bf16.h": ("tests/cuda/ceilings/",),
    "cuda_fp16.h": ("tests/cuda/ceilings/",),
    "sanitizer/": ("tests/cuda/executor/",),
    "gtest/": ("tests/",),
    "gmock/": ("tests/",),
}

# The headers that stand before a foreign library: they are empty of it wherever nvcc is not at work.
DOORS = (
    "core/include/gpt2run/sdk/cuda/device.hpp",
    "core/include/gpt2run/sdk/cuda/range.hpp",
    "core/include/gpt2run/sdk/cuda/errors_cuda.hpp",
    "core/include/gpt2run/sdk/cuda/runtime_cuda.hpp",
    "python/src/module.hpp",  # not empty, but included by the sources of the extension module alone
)

# The C library, POSIX and the compiler; a C++ header has neither dot nor slash.
SYSTEM = re.compile(r"[a-z_]+|sys/[a-z]+\.h|(cpuid|cxxabi|dirent|dlfcn|elf|fcntl|glob|grp|immintrin|link|malloc|netdb|poll|pthread|pwd|sched|signal|spawn|stdlib|ucontext|unistd)\.h")


def allowed(name):
    """The starts that a file may include, of the longest folder in MAY that holds it."""
    for folder in PurePosixPath(name).parents:
        if str(folder) in MAY:
            return MAY[str(folder)]
    return ()


def is_allowed(header, starts):
    """CONTRACT lets in the headers right in gpt2run/, not those of its folders."""
    return any(header.startswith(start) and (start != CONTRACT or header.count("/") == 1) for start in starts)


def check_ours(name, header):
    """Tests look where they like."""
    top, folder = PurePosixPath(name).parts[:2]
    if top == "tests" or is_allowed(header, allowed(name)):
        return None
    starts = (PurePosixPath(name).parent, PurePosixPath(top, folder), PurePosixPath(top))
    for start in starts:
        path = os.path.normpath(start / header)
        if start != PurePosixPath(name).parent and top not in OWN_FOLDER_IS_BELOW_TOP:
            continue
        if (tree.ROOT / path).is_file():
            is_free = path.startswith((f"{top}/{folder}/", f"{top}/common/"))
            if is_free if top in OWN_FOLDER_IS_BELOW_TOP else "/" not in header:
                return None
            return f'"{header}" is {path}, of another folder'
    return f'"{header}" is neither of its own folder nor of {", ".join(allowed(name))}'


def check_system(name, header):
    if header.startswith(("gpt2run/", "host/", "common/")):
        return f'<{header}> is ours: write "{header}"'
    for start, places in FOREIGN.items():
        if header.startswith(start):
            if name.endswith(tree.HEADERS) and not name.startswith("tests/") and name not in DOORS:
                return f"<{header}> in a header: foreign headers belong in .cpp files"
            if not name.startswith(places):
                return f"<{header}> is let in only in {', '.join(places)}"
            return None
    if not SYSTEM.fullmatch(header):
        return f"<{header}> is no library this project knows"
    return None


def check(name, text):
    text = tree.without_comments(text, keep_strings=True)
    for found in tree.INCLUDE.finditer(text):
        judge = check_ours if found.group(1) == '"' else check_system
        message = judge(name, found.group(2))
        if message:
            yield f"{name}:{tree.line_of(text, found.start(1))}: {message}"


def unit(name):
    """A header and the source of its name are one: core/include/gpt2run/engine/x.hpp and core/engine/x.cpp."""
    return os.path.splitext(name.replace("core/include/gpt2run/", "core/"))[0]


def circles(texts):
    """The first circle of includes among units, each told once. texts: by name."""
    graph = {}
    for name, text in texts.items():
        for found in tree.INCLUDE.finditer(tree.without_comments(text, keep_strings=True)):
            path = tree.included(name, found.group(2)) if found.group(1) == '"' else None
            if path and unit(path) != unit(name):
                graph.setdefault(unit(name), {})[unit(path)] = name
    done, way = set(), []

    def walk(node):
        if node in way:
            yield "a circle of includes: " + " -> ".join([*way[way.index(node) :], node])
        if node in way or node in done:
            return
        way.append(node)
        for next_node in sorted(graph.get(node, {})):
            yield from walk(next_node)
        way.pop()
        done.add(node)

    for node in sorted(graph):
        yield from walk(node)


def self_test():
    refused = [
        ("core/include/gpt2run/x.hpp", '#include "host/options.hpp"', "neither"),
        ("core/include/gpt2run/x.hpp", '#include "gpt2run/sdk/select.hpp"', "neither"),
        ("core/tokenizer/x.cpp", '#include "gpt2run/engine/generate.hpp"', "neither"),
        ("apps/common/config/x.cpp", '#include "common/ranks/ranks.hpp"', "neither"),
        ("plugins/host/x.cpp", '#include "common/program/program.hpp"', "neither"),
        ("core/include/gpt2run/x.hpp", "#include <nlohmann/json.hpp>", "in a header"),
        ("plugins/host/x.cpp", '#include "cpu/ops.hpp"', "neither"),
        ("precisions/cpu/x.cpp", '#include "host/options.hpp"', "neither"),
        ("precisions/cpu/x.cpp", '#include "token_path.hpp"', "neither"),
        ("samplers/nucleus/x.cpp", '#include "../../core/src/pipeline.hpp"', "neither"),
        ("samplers/host/x.cpp", '#include "../../core/include/gpt2run/error.hpp"', "of another folder"),
        ("samplers/nucleus/x.cpp", "#include <nlohmann/json.hpp>", "let in only"),
        ("sinks/text/x.cpp", "#include <boost/dll/shared_library.hpp>", "let in only"),
        ("loaders/x/x.cpp", "#include <spdlog/spdlog.h>", "let in only"),
        ("apps/gpt2run/main.cpp", '#include "nucleus/nucleus.hpp"', "neither"),
        ("apps/gpt2run/main.cpp", "#include <gpt2run/error.hpp>", "is ours"),
        ("python/src/x.cpp", '#include "common/program/program.hpp"', "neither"),
        ("apps/gpt2run/main.cpp", "#include <nanobind/nanobind.h>", "let in only"),
        ("core/json/value.cpp", "#include <nlohmann/json.hpp>", "let in only"),
        ("loaders/huggingface/x.cpp", "#include <nlohmann/json.hpp>", "let in only"),
        ("core/engine/x.cpp", "#include <absl/strings/str_cat.h>", "no library"),
        ("core/engine/x.cpp", "#include <gtest/gtest.h>", "let in only"),
    ]
    for name, sample, word in refused:
        tree.expect_caught(check, name, sample, word)
    head, tail = "plugins/host/options.hpp", "plugins/host/trust.hpp"
    if not list(circles({head: '#include "host/trust.hpp"', tail: '#include "host/options.hpp"'})):
        sys.exit("self-test: two headers that include each other should be a circle")
    tree.expect_clean(check, "apps/gpt2run/main.cpp", '#include <vector>\n#include "host/options.hpp"\n')
    tree.expect_clean(check, "loaders/synthetic/x.cpp", '#include "../common/limits.hpp"\n')
    tree.expect_clean(check, "core/engine/x.cpp", '// #include "host/options.hpp"\n#include "gpt2run/error.hpp"\n')


self_test()
sources = {name: tree.read(name) for name in tree.files(tree.CPP)}
ours = {name: text for name, text in sources.items() if not name.startswith("tests/")}
tree.report([message for name, text in sources.items() for message in check(name, text)] + list(circles(ours)))
