# Installs the development files: headers, gpt2run::sdk, gpt2run-plugin-check, gpt2run::core, the CMake package, and
# gpt2run.pc for pkg-config.
include(CMakePackageConfigHelpers)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME dev)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/gpt2run)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/core/include/gpt2run DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set_target_properties(gpt2run_sdk PROPERTIES EXPORT_NAME sdk)
install(TARGETS gpt2run_sdk gpt2run_plugin_check EXPORT gpt2runSdk)
install(EXPORT gpt2runSdk FILE gpt2runSdkTargets.cmake NAMESPACE gpt2run:: DESTINATION ${package_folder})

set_target_properties(gpt2run_core PROPERTIES EXPORT_NAME core)
set_target_properties(gpt2run_json PROPERTIES EXPORT_NAME json)
set_target_properties(gpt2run_gguf PROPERTIES EXPORT_NAME gguf)
set_target_properties(gpt2run_pickle PROPERTIES EXPORT_NAME pickle)
install(TARGETS gpt2run_core gpt2run_json gpt2run_gguf gpt2run_pickle EXPORT gpt2runCore)
install(EXPORT gpt2runCore FILE gpt2runCoreTargets.cmake NAMESPACE gpt2run:: DESTINATION ${package_folder})

write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/gpt2runConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/gpt2runConfig.cmake ${CMAKE_CURRENT_LIST_DIR}/Gpt2runPlugin.cmake
              ${CMAKE_CURRENT_LIST_DIR}/plugin.map ${CMAKE_CURRENT_BINARY_DIR}/gpt2runConfigVersion.cmake
        DESTINATION ${package_folder})

# Paths in it are relative to its own folder, so that a moved tree works.
file(RELATIVE_PATH GPT2RUN_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" GPT2RUN_PC_PREFIX ${GPT2RUN_PC_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/gpt2run.pc.in ${CMAKE_CURRENT_BINARY_DIR}/gpt2run.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gpt2run.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME runtime)
