# find_package(gpt2run) provides what a plugin needs: gpt2run::sdk (headers), gpt2run_add_plugin and
# gpt2run::plugin_check.
# find_package(gpt2run COMPONENTS core) adds gpt2run::core (tokenizer and engine), gpt2run::json (a JSON reader),
# gpt2run::gguf (a reader of GGUF's metadata) and gpt2run::pickle (a reader of pickles with plain values).
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/gpt2runSdkTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/Gpt2runPlugin.cmake)

if("core" IN_LIST gpt2run_FIND_COMPONENTS)
  include(${CMAKE_CURRENT_LIST_DIR}/gpt2runCoreTargets.cmake)
endif()
