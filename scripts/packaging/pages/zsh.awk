# Writes the completion for zsh.
function quoted(text) {
  gsub(/\\/, "\\\\", text)
  gsub(/\[/, "\\[", text)
  gsub(/\]/, "\\]", text)
  gsub(/:/, "\\:", text)
  gsub(/'/, "'\\''", text)
  return text
}

function action_of(i, value) {
  value = value_of(i)
  if (type[i] == "bool") return ""
  if (value == "file") return ":value:_files"
  if (value == "choice") return ":value:(" range[i] ")"
  if (value == "") return ":value: "
  return ":value:_sequence _gpt2run_plugins " value
}

END {
  name = program
  gsub(/-/, "_", name)
  print "#compdef " program
  print "# Completes the options of " program " in zsh. Made from " program " --help."
  print "(( $+functions[_gpt2run_plugins] )) || _gpt2run_plugins() {"
  print "  local -a names"
  print "  names=(${(f)\"$(gpt2plugins list 2>/dev/null | awk -v kind=$1 '$1 ~ kind && $3 ~ /^(host|cuda)$/ { print $2 }')\"})"
  print "  shift"
  print "  compadd \"$@\" -a names"
  print "}"
  if (program == "gpt2plugins") {
    print "(( $+functions[_gpt2plugins_arguments] )) || _gpt2plugins_arguments() {"
    print "  case $words[2] in"
    print "    show) _gpt2run_plugins . ;;"
    print "    new) (( CURRENT == 3 )) && compadd loader precision sampler sink || _files ;;"
    print "    check) _files ;;"
    print "  esac"
    print "}"
  }
  print "_arguments -s -M 'm:{_}={-}' \\"
  for (i = 1; i <= n; ++i) {
    if (is_repeated(i)) continue
    long = dashed(names[i])
    if (type[i] != "bool") long = long "="
    if (letter_of(i) == "")
      printf "  '%s%s[%s]%s' \\\n", repeats[i] ? "*" : "", long, quoted(help[i]), action_of(i)
    else
      printf "  %s{-%s,%s}'[%s]%s' \\\n", repeats[i] ? "'*'" : "'(-" letter_of(i) " " dashed(names[i]) ")'",
             letter_of(i) (type[i] == "bool" ? "" : "+"), long, quoted(help[i]), action_of(i)
  }
  count = split(aliases, alias, " ")
  for (i = 1; i <= count; ++i) printf "  '%s=:value: ' \\\n", dashed(alias[i])
  for (i = 1; i <= n_of_sinks; ++i) printf "  '%s=[%s]:value: ' \\\n", dashed(sink_name[i]), quoted(sink_help[i])
  if (program == "gpt2plugins")
    print "  '1:command:(" commands ")' '*:argument:_gpt2plugins_arguments'"
  else if (program == "gpt2run-plugin-check")
    print "  '1:plugin:_files -g \"*.so\"'"
  else if (commands != "")
    print "  '1:command:(" commands ")' '*:argument: '"
  else
    print "  '*:argument: '"
}
