# Joins the files of a page into one document and writes it as C++:
#
#   cmake -D COMMON=... -D FOLDER=... -D NAME=... -D OUT=... -P join.cmake
#
# FOLDER has index.html, style.css and page.js, and COMMON, this folder, has style.css and page.js, which come before them.
# OUT is the source file, which defines the function NAME of sinks/common/page.hpp's kind.
cmake_minimum_required(VERSION 3.20)
include(${CMAKE_CURRENT_LIST_DIR}/characters.cmake)

foreach(part style.css page.js)
  file(READ ${COMMON}/${part} common)
  file(READ ${FOLDER}/${part} own)
  string(MAKE_C_IDENTIFIER ${part} variable)
  set(${variable} "\n${common}\n${own}")
endforeach()
file(READ ${FOLDER}/index.html page)
string(REPLACE "@STYLE@" "${style_css}" page "${page}")
string(REPLACE "@SCRIPT@" "${page_js}" page "${page}")

characters_of("${page}" ${OUT}.html bytes)
file(WRITE ${OUT} "#include <string_view>

namespace gpt2run {
namespace {

constexpr char kPage[] = {
${bytes}};

}  // namespace

std::string_view ${NAME}() { return {kPage, sizeof kPage}; }

}  // namespace gpt2run
")
