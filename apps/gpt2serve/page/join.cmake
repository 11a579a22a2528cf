# Joins the page's files into one document and writes it as C++:
#
#   cmake -D FOLDER=... -D STYLES=... -D SCRIPTS=... -D OUT=... -P join.cmake
#
# FOLDER has index.html and the files of the lists STYLES and SCRIPTS, which are joined in their order. OUT is the source
# file, which defines the document's bytes and the Content-Security-Policy that allows its style and its script alone.
cmake_minimum_required(VERSION 3.20)
include(${CMAKE_CURRENT_LIST_DIR}/../../../sinks/common/page/characters.cmake)

# The base64 form of a SHA-256 digest: three hexadecimal digits are two characters.
function(base64_of_digest text result)
  set(alphabet "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  string(SHA256 digest "${text}")
  string(APPEND digest "00")
  set(base64 "")
  foreach(at RANGE 0 63 3)
    string(SUBSTRING "${digest}" ${at} 3 digits)
    math(EXPR high "0x${digits} >> 6")
    math(EXPR low "0x${digits} & 63")
    string(SUBSTRING "${alphabet}" ${high} 1 first)
    string(SUBSTRING "${alphabet}" ${low} 1 second)
    string(APPEND base64 "${first}${second}")
  endforeach()
  string(SUBSTRING "${base64}" 0 43 base64)  # 256 bits, and then the sign for a missing byte
  set(${result} "${base64}=" PARENT_SCOPE)
endfunction()

# All files of a list, one behind the other.
function(join_files files result)
  set(text "\n")
  foreach(name ${files})
    file(READ ${FOLDER}/${name} content)
    string(APPEND text "${content}\n")
  endforeach()
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

join_files("${STYLES}" style)
join_files("${SCRIPTS}" script)
file(READ ${FOLDER}/index.html page)
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")

base64_of_digest("${style}" style_digest)
base64_of_digest("${script}" script_digest)
string(CONCAT policy
  "default-src 'none'; script-src 'sha256-${script_digest}'; style-src 'sha256-${style_digest}'; connect-src 'self'; "
  "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")

characters_of("${page}" ${OUT}.html bytes)
file(WRITE ${OUT} "#include \"gpt2serve/page.hpp\"

namespace gpt2run {
namespace {

constexpr char kPage[] = {
${bytes}};

}  // namespace

std::string_view page_document() { return {kPage, sizeof kPage}; }

std::string_view page_policy() { return \"${policy}\"; }

}  // namespace gpt2run
")
