# The end of both scripts that join pages: a document as characters of a C++ array, whatever is in it. It is also written
# to FILE.
function(characters_of document file result)
  file(WRITE ${file} "${document}")
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  set(${result} "${bytes}" PARENT_SCOPE)
endfunction()
