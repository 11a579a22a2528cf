"""packaging.pages BUILD_FOLDER: the man pages and completions of the build name the options that each program declares, all
of them and no others, and the shells that are here take the completions.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1]).resolve()
PAGES = BUILD / "scripts/packaging/pages"
PROGRAMS = ["gpt2bench", "gpt2compare", "gpt2convert", "gpt2perplexity", "gpt2plugins", "gpt2run", "gpt2run-plugin-check", "gpt2serve", "gpt2tokenize"]
OPTION = re.compile(r"^  (?:-(\w), )?--(\w+) .*\((?:bool|int|real|text|enum)[^\n]*\)$", re.MULTILINE)
ALIASES = re.compile(r"Short for every chosen plugin that has it: (.*)\.")
OF_SINK = re.compile(r"^  --(\w+\.\w+) ", re.MULTILINE)
SINKS = "attention,jsonl,lens,logits,null,taps,text,timings,tokens"
IN_USAGE = re.compile(r"\[--([a-z-]+)(?: [A-Z]+)?\]")


def expect(condition, *what):
    if not condition:
        sys.exit("expected " + " ".join(map(str, what)))


def run(*command):
    environment = {"PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}", "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, *command, "to end with 0, found", done.returncode, done.stderr)
    return done.stdout, done.stderr


def declared(program):
    """Names of the program's options, with dashes; letters; and short names for options of plugins."""
    path = BUILD / "bin" / program
    text = run(path, "--help")[0] + (run(path, "sweep", "--help")[0] if program == "gpt2bench" else "")
    found = OPTION.findall(text) or [("h", "help")] + [("", name) for name in IN_USAGE.findall(text)]
    if program == "gpt2plugins":
        found.append(("", "version"))
    aliases = [name for line in ALIASES.findall(text) for name in re.findall(r"--(\w+)", line)]
    return {name.replace("_", "-") for _, name in found}, {letter for letter, _ in found if letter}, {name.replace("_", "-") for name in aliases}


def read(kind, name):
    return (PAGES / kind / name).read_text(encoding="utf-8")


def same(what, found, wanted):
    expect(found == wanted, what, "to have", sorted(wanted), "found", sorted(found))


def of_sinks(program):
    """The options of the sinks that are shipped, which belong to gpt2run."""
    if program != "gpt2run":
        return set()
    text = run(BUILD / "bin" / program, "--sink", SINKS, "--help")[0]
    found = {name.replace("_", "-") for name in OF_SINK.findall(text[text.index("\nsink ") :])}
    expect(len(found) > 20 and "lens.positions" in found, "options of sinks, found", found)
    return found


def check_man(program, names, letters, sinks):
    text = read("man", program + ".1").replace("\\-", "-")
    same(f"the man page of {program}", {name.replace("_", "-") for name in re.findall(r"^\\fB--(\w+\.\w+)\\fR", text, re.MULTILINE)}, sinks)
    heads = re.findall(r"^\.TP\n((?:\\fB-\w\\fR, )?\\fB--.*)$", text, re.MULTILINE)
    same(f"the man page of {program}", {name.replace("_", "-") for head in heads for name in re.findall(r"\\fB--([\w-]+)\\fR", head)}, names)
    same(f"the man page of {program}", {letter for head in heads for letter in re.findall(r"\\fB-(\w)\\fR", head)}, letters)
    if shutil.which("groff"):
        shown, warnings = run("groff", "-man", "-Tascii", "-P-cbou", "-ww", PAGES / f"man/{program}.1")
        expect(not warnings and "SEE ALSO" in shown, f"groff to take the man page of {program}, found", warnings)


def of_bash(program, *words):
    """What bash offers for the last word."""
    script = f"source {PAGES}/bash/{program}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); compopt() {{ echo files; }}; _{program.replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return set(run("bash", "-c", script, "bash", program, *words)[0].split())


def check_shells(program, names, letters, aliases, sinks):
    same(f"bash's completion of {program} behind a dot", of_bash(program, "--lens." if sinks else "--x.") - {"files"}, {"--" + name for name in sinks if name.startswith("lens.")})
    offered = of_bash(program, "--") - {"files"}
    same(f"bash's completion of {program}", offered, {"--" + name for name in names | aliases})
    text = read("zsh", "_" + program)
    same(f"zsh's completion of {program}", set(re.findall(r"^  (?:'[^']*')?(?:'\*?|\{-\w\+?,)--([a-z0-9.-]+)", text, re.MULTILINE)), names | aliases | sinks)
    same(f"zsh's completion of {program}", set(re.findall(r"\{-(\w)", text)), letters)
    text = read("fish", program + ".fish")
    same(f"fish's completion of {program}", set(re.findall(r" -l ([a-z0-9.-]+)", text)), names | aliases | sinks)
    same(f"fish's completion of {program}", set(re.findall(r" -s (\w) ", text)), letters)


def check_parsed():
    """The shells that are here parse what is made for them; fish is asked, too."""
    if shutil.which("zsh"):
        run("zsh", "-f", "-c", 'for file in "$@"; do zsh -n $file || exit 1; done', "zsh", *(PAGES / f"zsh/_{program}" for program in PROGRAMS))
    if shutil.which("fish"):
        for words, wanted in (("gpt2run --repor", "--report"), ("gpt2run --report ", "weights"), ("gpt2run --sampler argmax,nuc", "argmax,nucleus"), ("gpt2plugins sho", "show")):
            program = words.split()[0]
            offered = run("fish", "--no-config", "-c", f"source {PAGES}/fish/{program}.fish; complete -C'{words}'")[0]
            expect(wanted in re.split(r"\s+", offered), f"fish to offer {wanted} for '{words}', found", offered)


for each in PROGRAMS:
    options, short, others = declared(each)
    expect("help" in options and len(options) >= (1 if each == "gpt2run-plugin-check" else 4), "options of", each, "found", options)
    dotted = of_sinks(each)
    check_man(each, options, short, dotted)
    check_shells(each, options, short, others, dotted)
check_parsed()
for given, wanted in (
    (("gpt2run", "--max_new"), "--max-new-tokens"),
    (("gpt2run", "--report", ""), "weights"),
    (("gpt2run", "--report", "=", "w"), "weights"),
    (("gpt2run", "--sampler", "argmax,nuc"), "argmax,nucleus"),
    (("gpt2compare", "--ref", "b"), "bf16"),
    (("gpt2compare", "--test", "=", "cpu-i"), "cpu-int8"),
    (("gpt2run", "--model", ""), "files"),
    (("gpt2plugins", "s"), "show"),
    (("gpt2plugins", "show", "mirost"), "mirostat"),
    (("gpt2plugins", "new", "sin"), "sink"),
    (("gpt2plugins", "check", ""), "files"),
    (("gpt2run-plugin-check", ""), "files"),
):
    expect(wanted in of_bash(*given), f"bash to offer {wanted} for {given}, found", of_bash(*given))
