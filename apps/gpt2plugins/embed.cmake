# Writes the files of new projects as C++:
#
#   cmake -D ROOT=... -D FILES=... -D OUT=... -P embed.cmake
#
# FILES is a list of text files in the folder ROOT. OUT is the source file, which defines template_file().
cmake_minimum_required(VERSION 3.20)

set(cases "")
foreach(name ${FILES})
  file(READ ${ROOT}/${name} text)
  string(APPEND cases "  if (name == \"${name}\") return R\"embedded(${text})embedded\";\n")
endforeach()
file(WRITE ${OUT} "// The files of new projects, by apps/gpt2plugins/embed.cmake.
#include \"gpt2plugins/new_project.hpp\"

namespace gpt2run {

std::string_view template_file(std::string_view name) {
${cases}  return {};
}

}  // namespace gpt2run
")
