# Enables CUDA where possible. Sets GPT2RUN_CUDA_BUILT, and GPT2RUN_CUDA_WHY to the reason if it is off.
set(GPT2RUN_CUDA_BUILT OFF)
set(GPT2RUN_CUDA_WHY "")
if(NOT GPT2RUN_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "GPT2RUN_CUDA: expected AUTO, ON or OFF, found ${GPT2RUN_CUDA}")
endif()

if(GPT2RUN_CUDA STREQUAL "OFF")
  set(GPT2RUN_CUDA_WHY "GPT2RUN_CUDA is OFF")
elseif(GPT2RUN_SANITIZE AND NOT GPT2RUN_CUDA STREQUAL "ON")
  set(GPT2RUN_CUDA_WHY "a sanitized build leaves them out, GPT2RUN_CUDA=ON builds them")
else()
  if(NOT CMAKE_CUDA_COMPILER)
    find_program(GPT2RUN_NVCC nvcc HINTS ENV CUDACXX ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
    if(GPT2RUN_NVCC)
      set(CMAKE_CUDA_COMPILER ${GPT2RUN_NVCC})
    endif()
  endif()
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES ${GPT2RUN_CUDA_ARCHITECTURES})
    set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
    set(CMAKE_CUDA_STANDARD 20)
    if(CCACHE)
      set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
    endif()
    set(CMAKE_CUDA_EXTENSIONS OFF)
    enable_language(CUDA)
    # CMake 3.25 does not know this option of nvcc.
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    endif()
    set(GPT2RUN_CUDA_BUILT ON)
    # The lowest compute capability, such as 75 in "90;75-real".
    string(REGEX MATCHALL "[0-9]+" numbers "${GPT2RUN_CUDA_ARCHITECTURES}")
    list(SORT numbers COMPARE NATURAL)
    list(GET numbers 0 GPT2RUN_CUDA_LEAST)
  elseif(GPT2RUN_CUDA STREQUAL "ON")
    message(FATAL_ERROR "GPT2RUN_CUDA is ON, but there is no nvcc: put it on PATH or set CMAKE_CUDA_COMPILER")
  else()
    set(GPT2RUN_CUDA_WHY "no CUDA toolkit was found when gpt2run was built")
  endif()
endif()
message(STATUS "CUDA plugins: ${GPT2RUN_CUDA_BUILT} ${GPT2RUN_CUDA_WHY}")

# The options for warnings and rounding of everything that nvcc compiles.
function(gpt2run_cuda_options target)
  target_compile_definitions(${target} PRIVATE GPT2RUN_CUDA_LEAST=${GPT2RUN_CUDA_LEAST})
  # The results must not depend on CUDAFLAGS: no fused multiply-add unless it is written, on host and device, and IEEE
  # subnormals, division and square root.
  target_compile_options(
    ${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false -ftz=false -prec-div=true -prec-sqrt=true
                      --expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra,-ffp-contract=off>)
  if(GPT2RUN_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--Werror=all-warnings -Xcompiler=-Werror>)
  endif()
endfunction()

set(GPT2RUN_RESOURCE_USAGE ${CMAKE_CURRENT_LIST_DIR}/resource_usage.sh)

# gpt2run_add_cuda_plugin(<kind> <name> <source>...) adds a CUDA plugin, or nothing where CUDA is off. The resources
# that each kernel uses are written to a file beside the object, for scripts/kernel_budget.py.
function(gpt2run_add_cuda_plugin kind name)
  if(NOT GPT2RUN_CUDA_BUILT)
    return()
  endif()
  set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME cuda)  # for the call below
  gpt2run_add_plugin(${kind} ${name} SPACE cuda SOURCES ${ARGN})
  set(target gpt2run-${kind}-${name}.cuda)
  gpt2run_cuda_options(${target})
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=-v>)
  set(launcher sh ${GPT2RUN_RESOURCE_USAGE} ${CMAKE_CUDA_COMPILER_LAUNCHER})  # the launcher is empty without ccache
  # The CUDA runtime may be brought along beside the plugins; otherwise the loader finds it as it finds every library. Built
  # with the path of the installed file, since CMake's own for the build tree has the working directory behind it.
  set_target_properties(${target} PROPERTIES CUDA_COMPILER_LAUNCHER "${launcher}"
                                             BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN"
                                             UNITY_BUILD OFF)  # later versions of CMake join CUDA's sources too
endfunction()
