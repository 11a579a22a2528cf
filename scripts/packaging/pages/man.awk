# Writes a man page of section 1.
function roff(text) {
  gsub(/\\/, "\\e", text)
  gsub(/-/, "\\-", text)
  if (text ~ /^[.']/) text = "\\&" text
  return text
}

function paragraph(lines, count, i, is_open) {
  for (i = 1; i <= count; ++i) {
    if (lines[i] == "")
      is_open = 0
    else {
      if (!is_open) print ".PP"
      is_open = 1
      print roff(lines[i])
    }
  }
}

function options_of(section, heading, i, is_headed) {
  for (i = 1; i <= n; ++i) {
    if (part[i] != section) continue
    if (!is_headed) print ".SH " heading
    is_headed = 1
    print ".TP"
    printf "%s\\fB%s\\fR%s\n", letter[i] == "" ? "" : "\\fB\\-" letter[i] "\\fR, ", roff(names[i]),
           type[i] == "bool" ? "" : " \\fI" toupper(type[i] == "enum" ? "choice" : type[i]) "\\fR"
    text = help[i]
    about = detail[i]
    if (!sub(/^(text|enum), /, "", about) && about ~ /^(text|bool, default off)$/) about = ""
    print roff(text (about == "" ? "" : " (" about ")"))
  }
}

END {
  printf ".TH %s 1 \"\" \"gpt2run %s\" \"gpt2run\"\n", roff(toupper(program)), version
  print ".SH NAME"
  print roff(program) " \\- " roff(summary)
  print ".SH SYNOPSIS\n.nf"
  for (i = 1; i <= n_usages; ++i) print roff(usages[i])
  print ".fi"
  if (n_texts > 0) print ".SH DESCRIPTION"
  paragraph(texts, n_texts)
  options_of("", "OPTIONS")
  n_commands = split(commands, command, " ")
  for (i = 1; i <= n_commands; ++i) options_of(command[i], "OPTIONS OF \"" toupper(command[i]) "\"")
  if (n_sinks > 0) print ".SH OPTIONS OF SINKS\nEach is also written behind the sink\\(aqs name, as in \\fB\\-\\-sink lens:top=3\\fR."
  for (i = 1; i <= n_sinks; ++i) {
    print ".SS " roff(sinks[i])
    for (j = 1; j <= n_of_sinks; ++j) {
      if (sink_of[j] != i) continue
      printf ".TP\n\\fB%s\\fR \\fI%s\\fR\n%s\n", roff(sink_name[j]), toupper(sink_type[j] == "enum" ? "choice" : sink_type[j]),
             roff(sink_help[j] " (" sink_detail[j] ")")
    }
  }
  if (n_notes > 0) print ".SH NOTES"
  paragraph(notes, n_notes)
  if (aliases != "") print ".PP\n.B gpt2plugins show\n\\fINAME\\fR prints the options of a plugin."
  print ".SH EXIT STATUS"
  print "0 for success, 2 for a wrong command line, 1 for any other error" \
        (program == "gpt2compare" ? ", and 3 when a condition of \\fB\\-\\-fail_if\\fR is met." : ".")
  print ".SH ENVIRONMENT"
  print ".TP\n.B GPT2RUN_MODEL\nthe model, where none is named"
  print ".TP\n.B GPT2RUN_PLUGIN_PATH\nfolders with plugins, separated by colons"
  print ".TP\n.B GPT2RUN_CACHE\na folder that keeps packed weights"
  print ".SH SEE ALSO"
  line = ""
  count = split("gpt2bench gpt2compare gpt2convert gpt2perplexity gpt2plugins gpt2run gpt2serve gpt2tokenize", other, " ")
  for (i = 1; i <= count; ++i)
    if (other[i] != program) line = line (line == "" ? "" : ",\n") ".BR " other[i] " (1)"
  print line
  print ".PP\nThe documents of gpt2run lie in its folder below share/doc."
}
