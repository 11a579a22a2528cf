"""layout.includes: which room may include which, and where each foreign library is let in."""

import os
import re
from pathlib import PurePosixPath

import tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# Our own headers by the first word of the include, beside those of the including file's own folder.
OURS = {
    "core": ("gpt2run",),
    "plugins": ("gpt2run", "host"),
    "precisions": ("gpt2run",),
    "samplers": ("gpt2run",),
    "loaders": ("gpt2run",),
    "sinks": ("gpt2run",),
    "apps": ("gpt2run", "host"),
    "docs": ("gpt2run",),
}

# Foreign headers: start of the include -> the files, or folders of them, that may have it: one or two of a room.
FOREIGN = {
    "boost/dll/": ("plugins/host/dynamic_library.cpp",),
    "boost/program_options.hpp": ("apps/common/config/config_sources.cpp", "apps/gpt2tokenize/main.cpp"),
    "spdlog/": ("plugins/host/log.cpp",),
    "nlohmann/json.hpp": (
        "core/tokenizer/huggingface.cpp",
        "plugins/host/listing.cpp",
        "apps/common/config/manifest.cpp",
        "apps/common/prompts/prompt_file.cpp",
        "loaders/huggingface/json.hpp",
        "sinks/common/manifest.cpp",
        "apps/gpt2compare/report_json.cpp",
        "apps/gpt2compare/folders.cpp",
        "tests/",
    ),
    "mpi.h": ("apps/common/ranks/mpi.cpp",),
    "cuda_runtime.h": ("core/include/gpt2run/cuda/",),
    "nvtx3/": ("core/include/gpt2run/sdk/cuda/range.hpp",),
    "cublasLt.h": ("precisions/cuda/gemm.cu", "tests/cuda/ceilings/"),
    "cuda_bf16.h": ("tests/cuda/ceilings/",),
    "cuda_fp16.h": ("tests/cuda/ceilings/",),
    "sanitizer/": ("tests/cuda/executor/",),
    "gtest/": ("tests/",),
    "gmock/": ("tests/",),
}

# The headers of a room that stand before a foreign library: that of the loaders for .cpp files only, no other header
# includes it; those of the core are empty of it wherever nvcc is not at work.
DOORS = (
    "loaders/huggingface/json.hpp",
    "core/include/gpt2run/sdk/cuda/device.hpp",
    "core/include/gpt2run/sdk/cuda/range.hpp",
    "core/include/gpt2run/sdk/cuda/errors_cuda.hpp",
    "core/include/gpt2run/sdk/cuda/runtime_cuda.hpp",
)

# The C library, POSIX and the compiler; a C++ header has neither dot nor slash.
SYSTEM = re.compile(r"[a-z_]+|sys/[a-z]+\.h|(dlfcn|elf|fcntl|glob|immintrin|link|malloc|poll|pthread|sched|signal|spawn|stdlib|ucontext|unistd)\.h")


def check_ours(name, header):
    """Free are the rooms of OURS, the file's own folder (precisions/cpu, apps/gpt2run) and its room's folder `common`.
    Tests look where they like.
    """
    room, folder = PurePosixPath(name).parts[:2]
    if room == "tests" or header.split("/")[0] in OURS[room]:
        return None
    starts = (PurePosixPath(name).parent, PurePosixPath(room, folder), PurePosixPath(room))
    for start in starts:
        path = os.path.normpath(start / header)
        if (tree.ROOT / path).is_file():
            if path in DOORS and name.endswith(tree.HEADERS):
                return f'"{header}" is for .cpp files: it brings in a foreign library'
            if path.startswith((f"{room}/{folder}/", f"{room}/common/")):
                return None
            return f'"{header}" is {path}, of another folder'
    return f'"{header}" is neither of its own folder nor of {", ".join(OURS[room])}'


def check_system(name, header):
    if header.startswith("gpt2run/") or header.startswith("host/"):
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
    for found in INCLUDE.finditer(text):
        judge = check_ours if found.group(1) == '"' else check_system
        message = judge(name, found.group(2))
        if message:
            yield f"{name}:{tree.line_of(text, found.start(1))}: {message}"


def self_test():
    refused = [
        ("core/include/gpt2run/x.hpp", '#include "host/options.hpp"', "neither"),
        ("core/include/gpt2run/x.hpp", "#include <nlohmann/json.hpp>", "in a header"),
        ("plugins/host/x.cpp", '#include "cpu/ops.hpp"', "neither"),
        ("precisions/cpu/x.cpp", '#include "host/options.hpp"', "neither"),
        ("precisions/cpu/x.cpp", '#include "pipeline.hpp"', "neither"),
        ("samplers/nucleus/x.cpp", '#include "../../core/src/pipeline.hpp"', "neither"),
        ("samplers/host/x.cpp", '#include "../../core/include/gpt2run/error.hpp"', "of another folder"),
        ("samplers/nucleus/x.cpp", "#include <nlohmann/json.hpp>", "let in only"),
        ("sinks/text/x.cpp", "#include <boost/dll/shared_library.hpp>", "let in only"),
        ("loaders/x/x.cpp", "#include <spdlog/spdlog.h>", "let in only"),
        ("apps/gpt2run/main.cpp", '#include "nucleus/nucleus.hpp"', "neither"),
        ("apps/gpt2run/main.cpp", "#include <gpt2run/error.hpp>", "is ours"),
        ("loaders/huggingface/x.hpp", '#include "json.hpp"', "for .cpp files"),
        ("core/src/x.cpp", "#include <absl/strings/str_cat.h>", "no library"),
        ("core/src/x.cpp", "#include <gtest/gtest.h>", "let in only"),
    ]
    for name, sample, word in refused:
        tree.expect_caught(check, name, sample, word)
    tree.expect_clean(check, "apps/gpt2run/main.cpp", '#include <vector>\n#include "host/options.hpp"\n')
    tree.expect_clean(check, "loaders/synthetic/x.cpp", '#include "../common/limits.hpp"\n')
    tree.expect_clean(check, "core/src/x.cpp", '// #include "host/options.hpp"\n#include "gpt2run/error.hpp"\n')


self_test()
tree.report(message for name in tree.files(tree.CPP) for message in check(name, tree.read(name)))
