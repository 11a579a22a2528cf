# Reads what `PROGRAM --help` prints, which is made from the declarations of the options, for the scripts beside this one:
# each writes one form at its end. Variables given: program, summary, version. Read by mawk, gawk and busybox alike.
#
# usages[1..n_usages]      lines of the usage, without "usage: "
# commands                 words behind the program's name in the usage, separated by blanks: "encode decode"
# texts[1..n_texts]        other lines before the options
# notes[1..n_notes]        lines behind the options
# names[1..n]              options as --help spells them: "--max_new_tokens"; letter[], help[], detail[], type[], range[],
#                          repeats[] and part[] (the command that the option is of, or "") of each
# sinks[1..n_sinks]        "lens: what it does"; sink_of[1..n_of_sinks] the number of the sink of each option, with
#                          sink_name[], sink_help[], sink_detail[] and sink_type[] as above
# aliases                  short names for options of plugins, separated by blanks

function note_usage(line, words, i) {
  split(line, words, " ")
  for (i = 1; i <= n_usages; ++i)
    if (index(usages[i], line) == 1) break
  if (i > n_usages) usages[++n_usages] = line
  if (words[1] == program && words[2] ~ /^[a-z]+$/ && index(" " commands " ", " " words[2] " ") == 0)
    commands = commands (commands == "" ? "" : " ") words[2]
  if (words[1] == program && words[2] ~ /^[a-z]+$/) current = words[2]
  while (match(line, /\[--[a-z-]+( [A-Z]+)?\]| --version/)) {
    add_of_usage(substr(line, RSTART + 1, RLENGTH - 1))
    line = substr(line, RSTART + RLENGTH)
  }
}

# An option that stands in the usage: for programs that declare none.
function add_of_usage(text) {
  sub(/\]$/, "", text)
  if (index("\n" in_usages, "\n" text "\n") == 0) in_usages = in_usages text "\n"
}

function take_usage(count, lines, words, i) {
  count = split(in_usages "--help", lines, "\n")
  for (i = 1; i <= count; ++i) {
    split(lines[i], words, " ")
    names[++n] = words[1]
    type[n] = words[2] == "" ? "bool" : "text"
    if (words[1] == "--help") letter[n] = "h"
    help[n] = words[1] == "--help" ? "print the usage" : words[1] == "--version" ? "print the version" : \
              words[1] == "--json" ? "print JSON" : words[1] == "--plugin-dir" ? "folder with plugins, searched first" : \
              words[1] == "--time-limit" ? "seconds after which a check is stopped" : ""
  }
}

# The last " (TYPE" of a line, where the option's details begin; 0 without one.
function details_at(line, at, found) {
  at = 0
  while (match(substr(line, at + 1), / \((bool|int|real|text|enum)[ ,)]/)) {
    at += RSTART
    found = at
  }
  return found
}

function add_of_sink(line, at) {
  at = details_at(line)
  sink_of[++n_of_sinks] = sink
  sink_detail[n_of_sinks] = substr(line, at + 2, length(line) - at - 2)
  sink_type[n_of_sinks] = sink_detail[n_of_sinks]
  sub(/[ ,].*/, "", sink_type[n_of_sinks])
  line = substr(line, 3, at - 3)
  sink_name[n_of_sinks] = line
  sub(/ .*/, "", sink_name[n_of_sinks])
  sink_help[n_of_sinks] = substr(line, length(sink_name[n_of_sinks]) + 1)
  sub(/^ +/, "", sink_help[n_of_sinks])
}

function add_option(line, at, words) {
  at = details_at(line)
  if (!at) return 0
  ++n
  part[n] = section
  detail[n] = substr(line, at + 2, length(line) - at - 2)
  line = substr(line, 1, at - 1)
  sub(/^ +/, "", line)
  if (line ~ /^-[A-Za-z], /) {
    letter[n] = substr(line, 2, 1)
    line = substr(line, 5)
  }
  names[n] = line
  sub(/ .*/, "", names[n])
  help[n] = substr(line, length(names[n]) + 1)
  sub(/^ +/, "", help[n])
  type[n] = detail[n]
  sub(/[ ,].*/, "", type[n])
  repeats[n] = detail[n] ~ /, repeatable$/
  if (type[n] == "enum") {
    split(detail[n], words, /[ ,]/)
    range[n] = words[2]
    gsub(/\|/, " ", range[n])
  }
  return 1
}

# What the value of an option is, for completion: a kind of plugin, "file", "choice" or "".
function value_of(i, name) {
  name = names[i]
  if (type[i] == "enum") return "choice"
  if (type[i] != "text") return ""
  if (name == "--ref" || name == "--test" || name == "--packed") return "precision"
  if (name == "--precision" || name == "--sampler" || name == "--loader" || name == "--sink") return substr(name, 3)
  return name == "--model" || name == "--in" || name == "--out" || help[i] ~ /(file|folder|path)/ ? "file" : ""
}

function dashed(name) {
  gsub(/_/, "-", name)
  return name
}

# Whether the option of that number was seen before, under another command.
function is_repeated(i, j) {
  for (j = 1; j < i; ++j)
    if (names[j] == names[i]) return 1
  return 0
}

# The letter of an option, under whichever command it has one.
function letter_of(i, j) {
  for (j = 1; j <= n; ++j)
    if (names[j] == names[i] && letter[j] != "") return letter[j]
  return ""
}

/^usage: / {
  section = is_usage_over ? "?" : ""
  current = ""
  note_usage(substr($0, 8))
  if (section == "?") section = current
  in_usage = 1
  is_over = 0
  next
}
in_usage && /^       / {
  note_usage(substr($0, 8))
  next
}
{ in_usage = 0 }
/^  (-[A-Za-z], )?--[a-z0-9_-]+ / {
  if (!is_over && add_option($0)) {
    is_usage_over = 1
    next
  }
}
/Short for every chosen plugin/ {
  line = $0
  while (match(line, /--[a-z_]+/)) {
    aliases = aliases (aliases == "" ? "" : " ") substr(line, RSTART, RLENGTH)
    line = substr(line, RSTART + RLENGTH)
  }
}
# Behind the options of gpt2run come those of the plugins that are chosen here: another machine has others.
is_usage_over && /^[a-z]+ [a-z0-9-]+: / && $1 ~ /^(loader|precision|sampler|sink)$/ { is_over = 1 }
is_usage_over && /^[a-z]+ [a-z0-9-]+: / && $1 ~ /^(loader|precision|sampler|sink)$/ {
  sink = 0
  if ($1 == "sink" && !($2 in seen_sinks)) {
    seen_sinks[$2] = 1
    sinks[sink = ++n_sinks] = substr($0, 6)
  }
}
/^  --[a-z0-9_-]+\./ {
  if (sink) add_of_sink($0)
  next
}
/^\(those of the plugins cannot be shown/ { next }
is_usage_over && $1 ~ /^(loader|precision|sampler|sink)$/ && $2 ~ /:$/ { next }
is_usage_over && ($0 != "" || n_notes) { notes[++n_notes] = $0 }
!is_usage_over && ($0 != "" || n_texts) { texts[++n_texts] = $0 }

END { if (n == 0) take_usage() }
