"""layout.sizes: lengths of files, mains and functions, and words that have no place in the tree."""

import re

import tree

FILE_LINES = 500
MAIN_LINES = 150
FUNCTION_LINES = 60

SCOPE = re.compile(r"(inline\s+)?(namespace|class|struct|union|enum|extern)\b")
TEMPLATE = re.compile(r"\s*template\s*<[^{}]*?>\s*(?=(class|struct|union)\b)")
ATTRIBUTE = re.compile(r"\[\[[^\]]*\]\]|^\s*#.*(?:\\\n.*)*$", re.MULTILINE)

# A word is written in two halves here, or this file would break its own rule.
UNFINISHED = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|XX" + "X)\\b")
MACHINE_PATH = re.compile(r"(?<![\w.~}])/(" + "work|farm|root|home|tmp|mnt)/")
LAUNCH = re.compile("<" + "<<")
PRINTS_OR_ENDS = re.compile(
    r"(?<![\w.>:])(?:std::)?(printf|puts|putchar|perror|exit|_exit|quick_exit|abort|terminate|assert)\s*\("
    r"|\bstd::(cout|cerr|clog|print)\b|(?<!\w)(stdout|stderr)\b"
)

# The places where a library has to do it: file -> words.
MAY_PRINT_OR_END = {
    "plugins/host/child.cpp": ("_exit", "std::exit"),  # a forked child ends without the parent's work
    "plugins/host/dynamic_library.cpp": ("std::terminate",),  # a library threw through the linker
    "plugins/conformance/sink_checks.cpp": ("std::cout", "stdout"),  # flushed before it is restored, not printed to
    "apps/common/ranks/temp_files.cpp": ("_exit",),
    "apps/common/program/crash_report.cpp": ("std::abort",),  # within std::terminate()
    "apps/common/program/program.cpp": ("_exit",),  # defined there, for plugins that call it
}


def functions(text):
    """(first line, last line) of every function with a body, from text without comments and strings."""
    depth, scopes, start, begin = 0, [], 0, None
    for found in re.finditer(r"[{};]", text):
        mark, at = found.group(0), found.start()
        if begin is not None:
            depth += {"{": 1, "}": -1}.get(mark, 0)
            if depth == 0:
                first = begin + len(text[begin:at]) - len(text[begin:at].lstrip())
                yield tree.line_of(text, first), tree.line_of(text, at)
                begin, start = None, at + 1
            continue
        if mark == "{":
            head = ATTRIBUTE.sub("", text[start:at])
            head = TEMPLATE.sub("", head).strip()
            if SCOPE.match(head):
                scopes.append(at)
                start = at + 1
            else:
                begin, depth = (start, 1)
        else:
            start = at + 1


def check_cpp(name, text):
    bare = tree.without_comments(text)
    for first, last in functions(bare):
        length = last - first + 1
        if length >= FUNCTION_LINES and "(" in "".join(bare.splitlines(True)[first - 1 : last]).split("{")[0]:
            yield f"{name}:{first}: a function of {length} lines, the limit is under {FUNCTION_LINES}"
    lines = text.count("\n")
    if re.search(r"^int main\(", bare, re.MULTILINE) and lines >= MAIN_LINES:
        yield f"{name}: a main of {lines} lines, the limit is under {MAIN_LINES}"
    for found in LAUNCH.finditer(bare):
        yield f"{name}:{tree.line_of(bare, found.start())}: kernels are launched through launch()"
    if name.startswith(tree.LIBRARIES):
        for found in PRINTS_OR_ENDS.finditer(bare):
            if not any(found.group(0).startswith(word) for word in MAY_PRINT_OR_END.get(name, ())):
                line = tree.line_of(bare, found.start())
                yield f"{name}:{line}: '{found.group(0)}': a library throws, it never prints or ends the process"


def check_text(name, text):
    lines = text.count("\n")
    if lines >= FILE_LINES and not name.endswith((".md", ".txt")):
        yield f"{name}: {lines} lines, the limit is under {FILE_LINES}"
    for rule, words in ((UNFINISHED, "unfinished work belongs elsewhere"), (MACHINE_PATH, "a path of one machine")):
        for found in rule.finditer(text):
            yield f"{name}:{tree.line_of(text, found.start())}: '{found.group(0)}': {words}"


def check(name, text):
    yield from check_text(name, text)
    if name.endswith(tree.CPP):
        yield from check_cpp(name, text)


def self_test():
    body = "  work();\n" * FUNCTION_LINES
    scopes = "namespace a {\ntemplate <class T>\nstruct B : C<T> {\n"
    refused = [
        ("core/engine/x.cpp", "namespace a {\nvoid f(int x) {\n" + body + "}\n}\n", "a function of 62"),
        ("core/engine/x.hpp", scopes + "  template <class U>\n  int g() const {\n" + body + "}\n};\n}\n", "a function of"),
        ("core/engine/x.cpp", "B::B(int x)\n    : x_(x) {\n" + body + "}\n", "a function of"),
        ("core/engine/x.cpp", "int x;\n" * FILE_LINES, "500 lines"),
        ("apps/a/main.cpp", "int x;\n" * MAIN_LINES + "int main() { return 0; }\n", "a main of"),
        ("precisions/cuda/x.cu", "void f() { kernel<" + "<<1, 2>>>(); }\n", "launch()"),
        ("core/engine/x.cpp", "void f() { std::exit(1); }\n", "never prints"),
        ("sinks/text/x.cpp", "void f() { std::cout << 1; }\n", "never prints"),
        ("sinks/text/x.cpp", "void f() { fputs(a, stderr); }\n", "never prints"),
        ("loaders/a/x.cpp", "void f(int x) { assert(x > 0); }\n", "never prints"),
        ("core/engine/x.cpp", "// TO" + "DO: later\n", "unfinished"),
        ("docs/x.md", "see /wo" + "rk/main\n", "one machine"),
    ]
    for name, sample, word in refused:
        tree.expect_caught(check, name, sample, word)
    short = scopes + "  int g() const { return 1; }\n" * FUNCTION_LINES + "};\n}\n"
    tree.expect_clean(check, "core/include/gpt2run/x.hpp", short)
    tree.expect_clean(check, "core/engine/x.cpp", '// exit(1)\nconst char* a = "abort()";\nint b = host.exit(1);\n')
    tree.expect_clean(check, "core/engine/x.cpp", "constexpr int kTable[] = {\n" + "    1,\n" * FUNCTION_LINES + "};\n")


self_test()
tree.report(message for name in tree.files(tree.TEXT) for message in check(name, tree.read(name)))
