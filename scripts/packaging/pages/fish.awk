# Writes the completion for fish.
function quoted(text) {
  gsub(/\\/, "\\\\", text)
  gsub(/'/, "\\'", text)
  return "'" text "'"
}

function action_of(i, value) {
  value = value_of(i)
  if (type[i] == "bool") return ""
  if (value == "file") return " -r -F"
  if (value == "choice") return " -x -a " quoted(range[i])
  if (value == "") return " -x"
  return " -x -a \"(__fish_append , (gpt2plugins list 2>/dev/null | awk '\\$1 == \\\"" value \
         "\\\" && \\$3 ~ /^(host|cuda)\\$/ { print \\$2 }'))\""
}

END {
  print "# Completes the options of " program " in fish. Made from " program " --help."
  if (program != "gpt2run-plugin-check") print "complete -c " program " -f"
  for (i = 1; i <= n; ++i) {
    if (is_repeated(i)) continue
    printf "complete -c %s%s -l %s%s -d %s\n", program, letter_of(i) == "" ? "" : " -s " letter_of(i), substr(dashed(names[i]), 3),
           action_of(i), quoted(help[i])
  }
  count = split(aliases, alias, " ")
  for (i = 1; i <= count; ++i) printf "complete -c %s -l %s -x\n", program, substr(dashed(alias[i]), 3)
  for (i = 1; i <= n_of_sinks; ++i)
    printf "complete -c %s -l %s -x -d %s\n", program, substr(dashed(sink_name[i]), 3), quoted(sink_help[i])
  if (commands != "")
    printf "complete -c %s -n __fish_use_subcommand -x -a %s\n", program, quoted(commands)
  if (program == "gpt2plugins") {
    print "complete -c gpt2plugins -n '__fish_seen_subcommand_from check' -F"
    print "complete -c gpt2plugins -n '__fish_seen_subcommand_from new' -x -a 'loader precision sampler sink'"
    print "complete -c gpt2plugins -n '__fish_seen_subcommand_from show' -x" \
          " -a \"(gpt2plugins list 2>/dev/null | awk '\\$3 ~ /^(host|cuda)\\$/ { print \\$2 }')\""
  }
}
