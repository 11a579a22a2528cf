# gpt2run_precompile_headers(<folder>...)
#
# Compiles the headers of the standard library that most sources include once for all targets of these folders and of
# those below, instead of for each source, where they are a quarter of the work. Targets share what was compiled where
# their options are the same. Sources include what they need all the same: with CMAKE_DISABLE_PRECOMPILE_HEADERS and
# without CMAKE_UNITY_BUILD, as in the preset clang, they get nothing else.
set(GPT2RUN_PRECOMPILED_HEADERS <algorithm> <array> <atomic> <bit> <charconv> <chrono> <cmath> <cstdint> <cstring>
  <filesystem> <functional> <limits> <map> <memory> <mutex> <optional> <set> <span> <sstream> <string> <string_view>
  <unordered_map> <utility> <variant> <vector>)
set(GPT2RUN_PRECOMPILED_SOURCE ${CMAKE_CURRENT_LIST_DIR}/precompiled.cpp)

function(gpt2run_precompile_headers)
  foreach(folder ${ARGN})
    get_directory_property(targets DIRECTORY ${folder} BUILDSYSTEM_TARGETS)
    foreach(target ${targets})
      get_target_property(sources ${target} SOURCES)
      if(sources MATCHES "\\.cpp")
        gpt2run_share_headers(${target})
      endif()
    endforeach()
    get_directory_property(below DIRECTORY ${folder} SUBDIRECTORIES)
    gpt2run_precompile_headers(${below})
  endforeach()
endfunction()

# gpt2run_share_headers(<target>)
#
# Lets the target use the precompiled headers of gpt2run_headers_<key>, an object library with the same options, which is
# made for the first target that needs it. Call it when the compile options and the visibility of the target are set: what
# is set later is not in the key, and the compiler then refuses the headers.
function(gpt2run_share_headers target)
  get_target_property(disabled ${target} DISABLE_PRECOMPILE_HEADERS)
  if(disabled)
    return()
  endif()
  get_target_property(type ${target} TYPE)
  set(key library)
  if(type STREQUAL EXECUTABLE)
    set(key program)
  endif()
  set(properties COMPILE_OPTIONS CXX_STANDARD CXX_VISIBILITY_PRESET VISIBILITY_INLINES_HIDDEN INTERPROCEDURAL_OPTIMIZATION)
  foreach(property ${properties})
    get_target_property(value ${target} ${property})
    list(REMOVE_DUPLICATES value)
    string(APPEND key "\n${value}")
    set(${property} "${value}")
  endforeach()
  string(MD5 key "${key}")
  set(shared gpt2run_headers_${key})
  if(NOT TARGET ${shared})
    add_library(${shared} OBJECT ${GPT2RUN_PRECOMPILED_SOURCE})
    foreach(property ${properties})
      if(NOT ${property} MATCHES "NOTFOUND$")
        set_target_properties(${shared} PROPERTIES ${property} "${${property}}")
      endif()
    endforeach()
    if(type STREQUAL EXECUTABLE)
      gpt2run_compile_as_program(${shared})
    endif()
    target_precompile_headers(${shared} PRIVATE ${GPT2RUN_PRECOMPILED_HEADERS})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${shared})
endfunction()

# gpt2run_compile_as_program(<library>): as an executable's sources are compiled, with -fPIE instead of -fPIC.
function(gpt2run_compile_as_program library)
  set_target_properties(${library} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${library} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${CMAKE_CXX_COMPILE_OPTIONS_PIE}>)
endfunction()
