# gpt2run_add_plugin(<kind> <name> [SPACE cuda|test] [OUTPUT folder] SOURCES file... [LINK target...])
#
# Builds lib/gpt2run/gpt2run-<kind>-<name>[.<space>].so, which exports one symbol, installs it there, and registers the
# test conformance.<kind>-<name>[.<space>], which runs gpt2run-plugin-check on it and is skipped where the plugin cannot
# run. The same inside gpt2run's tree and in a project that has called find_package(gpt2run). With OUTPUT it is built into
# that folder, not installed and not tested: for plugins that a test needs. <name> consists of a-z, 0-9 and '-', because
# no program takes a file with another name for a plugin.
set(GPT2RUN_VERSION_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/plugin.map)

function(gpt2run_add_plugin kind name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "SPACE;OUTPUT" "SOURCES;LINK")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "gpt2run_add_plugin(${kind} ${name}): expected SOURCES, found ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT name MATCHES "^[a-z0-9-]+$")
    message(FATAL_ERROR "gpt2run_add_plugin: name '${name}', expected letters a-z, digits and '-' only")
  endif()
  if(NOT kind MATCHES "^(loader|precision|sampler|sink)$")
    message(FATAL_ERROR "gpt2run_add_plugin: unknown kind ${kind}, expected loader, precision, sampler or sink")
  endif()
  set(identity ${kind}-${name})
  if(arg_SPACE)
    string(APPEND identity .${arg_SPACE})
  endif()
  set(file gpt2run-${identity})

  add_library(${file} MODULE ${arg_SOURCES})
  target_link_libraries(${file} PRIVATE gpt2run::sdk ${arg_LINK})
  # No fused multiply-add unless it is written, so that results do not depend on the compiler.
  target_compile_options(${file} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
  target_link_options(${file} PRIVATE -Wl,--version-script=${GPT2RUN_VERSION_SCRIPT} -Wl,--exclude-libs,ALL)
  set_target_properties(${file} PROPERTIES PREFIX "" SUFFIX .so CXX_VISIBILITY_PRESET hidden
                                           VISIBILITY_INLINES_HIDDEN ON LINK_DEPENDS ${GPT2RUN_VERSION_SCRIPT})
  if(arg_OUTPUT)
    set_target_properties(${file} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT})
    return()
  endif()
  set_target_properties(${file} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/gpt2run)
  install(TARGETS ${file} LIBRARY DESTINATION lib/gpt2run)
  set_property(GLOBAL APPEND PROPERTY GPT2RUN_PLUGINS ${file})
  add_test(NAME conformance.${identity} COMMAND $<TARGET_FILE:gpt2run::plugin_check> $<TARGET_FILE:${file}>)
  set_tests_properties(conformance.${identity} PROPERTIES LABELS "fast;conformance" SKIP_REGULAR_EXPRESSION "# skipped: gpt2run-")
endfunction()
