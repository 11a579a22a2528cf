# Writes the completion for bash.
function case_of(i, pattern) {
  pattern = dashed(names[i])
  if (letter_of(i) != "") pattern = pattern " | -" letter_of(i)
  return pattern
}

END {
  name = program
  gsub(/-/, "_", name)
  print "# Completes the options of " program " in bash. Made from " program " --help."
  print "_" name "() {"
  print "  local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} values= begin="
  print "  COMPREPLY=()"
  print "  if [[ $word == '=' ]]; then"
  print "    word="
  print "  elif [[ $option == '=' && COMP_CWORD -gt 2 ]]; then"
  print "    option=${COMP_WORDS[COMP_CWORD - 2]}"
  print "  fi"
  print "  # A list by commas: its last name."
  print "  if [[ $word == *,* ]]; then begin=${word%,*},; fi"
  print "  case ${option//_/-} in"
  for (i = 1; i <= n; ++i) {
    if (type[i] == "bool" || is_repeated(i)) continue
    value = value_of(i)
    printf "    %s)", case_of(i)
    if (value == "file") {
      printf " compopt -o default && return ;;\n"
    } else if (value == "choice") {
      printf " values='%s' ;;\n", range[i]
    } else if (value == "") {
      printf " return ;;\n"
    } else {
      printf " values=%s ;;\n", "$(gpt2plugins list 2>/dev/null |\n      awk '$1 == \"" value \
             "\" && $3 ~ /^(host|cuda)$/ { print $2 }')" (value == "precision" ? "' fp32 fp16 bf16'" : "")
    }
  }
  if (program == "gpt2plugins")
    print "    show) values=$(gpt2plugins list 2>/dev/null | awk '$3 ~ /^(host|cuda)$/ { print $2 }') ;;\n" \
          "    new) values='loader precision sampler sink' ;;\n    check) compopt -o default && values=--json\\ --time-limit ;;"
  print "    *)"
  line = ""
  for (i = 1; i <= n; ++i)
    if (!is_repeated(i)) line = line " " dashed(names[i])
  count = split(aliases, alias, " ")
  for (i = 1; i <= count; ++i) line = line " " dashed(alias[i])
  options = ""
  for (i = 1; i <= n_of_sinks; ++i) options = options " " dashed(sink_name[i])
  if (options != "") {
    print "      if [[ $word == --*.* ]]; then"
    print "        mapfile -t COMPREPLY < <(compgen -W '" substr(options, 2) "' -- \"${word//_/-}\")"
    print "        return"
    print "      fi"
  }
  if (commands != "") print "      if [[ COMP_CWORD -eq 1 && $word != -* ]]; then values='" commands "'; fi"
  print "      if [[ $word == -* || -z $values ]]; then"
  if (program == "gpt2run-plugin-check") print "        compopt -o default"
  print "        word=${word//_/-}"
  print "        values='" substr(line, 2) "'"
  print "      fi"
  print "      ;;"
  print "  esac"
  print "  mapfile -t COMPREPLY < <(compgen -P \"$begin\" -W \"$values\" -- \"${word##*,}\")"
  print "}"
  print "complete -F _" name " " program
}
