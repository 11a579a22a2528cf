# The CUDA plugins built for the executor, the tests that run them there, and those that need a device.

# gpt2run_executor_plugin(<kind> <name> <source>): a CUDA plugin in Space::test, for tests only, with all that the
# conformance kit asks of its kind. Samplers work in the memory of one of the precisions.
set(plugins ${CMAKE_BINARY_DIR}/tests/cuda)
function(gpt2run_executor_plugin kind name source)
  set(target executor-${kind}-${name})
  add_library(${target} MODULE ${source})
  set_source_files_properties(${source} PROPERTIES LANGUAGE CXX)
  target_compile_options(${target} PRIVATE -O1)  # half the time of -O3 to compile, and no slower on fibers
  target_link_libraries(${target} PRIVATE gpt2run_executor)
  target_link_options(${target} PRIVATE -Wl,--version-script=${GPT2RUN_VERSION_SCRIPT} -Wl,--exclude-libs,ALL)
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME gpt2run-${kind}-${name}.test SUFFIX .so
    LIBRARY_OUTPUT_DIRECTORY ${plugins} CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  add_test(NAME executor.${kind}-${name} COMMAND $<TARGET_FILE:gpt2run::plugin_check> --time-limit 600
    $<TARGET_FILE:${target}>)
  set(labels fast cuda conformance)
  if(name MATCHES "nucleus|mirostat|fp32|fp16")  # many switches of fibers, which sanitizers make slow; the others share their code
    list(APPEND labels release-only)
  endif()
  set(incomplete "# skipped: ")
  if(kind STREQUAL sampler AND NOT name STREQUAL argmax)  # which has no options
    list(APPEND incomplete "# SKIP it has no options")
    if(NOT name STREQUAL min-tokens)  # which changes nothing any more after the few tokens of a replay
      list(APPEND incomplete "# SKIP no value of its options")
    endif()
  endif()
  set_tests_properties(executor.${kind}-${name} PROPERTIES LABELS "${labels}" FAIL_REGULAR_EXPRESSION "${incomplete}"
    ENVIRONMENT GPT2RUN_EXECUTOR_MEMORY=closed)
endfunction()

set(samplers argmax frequency-penalty logit-bias min-p min-tokens mirostat no-repeat-ngram nucleus presence-penalty
  repetition-penalty top-k typical)
foreach(name ${samplers})
  string(REPLACE - _ stem ${name})
  gpt2run_executor_plugin(sampler ${name} ${CMAKE_SOURCE_DIR}/samplers/cuda/${stem}.cu)
endforeach()

# The tests of the host samplers once more, then both against each other.
gpt2run_test(cuda_samplers SLOW LABELS cuda SOURCES samplers_test.cpp ${CMAKE_SOURCE_DIR}/tests/samplers/sampler_plugins_test.cpp
  ${CMAKE_SOURCE_DIR}/tests/samplers/processors_test.cpp ${CMAKE_SOURCE_DIR}/tests/samplers/occurrences_test.cpp
  ${CMAKE_SOURCE_DIR}/tests/samplers/typical_test.cpp ${CMAKE_SOURCE_DIR}/tests/samplers/mirostat_test.cpp LINK ${CMAKE_DL_LIBS})
# One of them draws for longer than all others together, which run the same kernels.
set(draws Chain.OfStepsAndNucleusIsNucleusWithTheSteps)
add_test(NAME cuda_samplers.draws COMMAND test_cuda_samplers --gtest_filter=${draws})
set_tests_properties(cuda_samplers.draws PROPERTIES LABELS "cuda;release-only")
gpt2run_test_is_long(cuda_samplers.draws)
gpt2run_test_is_thorough(cuda_samplers.draws)
set(left_out ${draws})
if(GPT2RUN_SANITIZE)
  string(APPEND left_out :Chain.DrawsFromTheDistributionItDescribes)  # half a minute there
endif()
set_property(TEST cuda_samplers APPEND PROPERTY ENVIRONMENT GTEST_FILTER=-${left_out})
target_compile_definitions(test_cuda_samplers PRIVATE GPT2RUN_TEST_SAMPLERS="${plugins}")
foreach(name ${samplers})
  add_dependencies(test_cuda_samplers executor-sampler-${name} gpt2run-sampler-${name})
endforeach()

# The tests of the host precisions once more.
foreach(type fp32 fp16 bf16)
  gpt2run_executor_plugin(precision cuda-${type} ${CMAKE_SOURCE_DIR}/precisions/cuda/plugin_${type}.cu)
endforeach()
function(gpt2run_executor_precision_test name)
  gpt2run_test(${ARGV} LABELS cuda LINK gpt2run_executor)
  target_compile_definitions(test_${name} PRIVATE GPT2RUN_TEST_PRECISIONS="${plugins}")
  target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/precisions)
  add_dependencies(test_${name} executor-precision-cuda-fp32 executor-precision-cuda-fp16 executor-precision-cuda-bf16
    gpt2run-precision-reference gpt2run-loader-synthetic gpt2run-loader-huggingface)
endfunction()
set(shared ${CMAKE_SOURCE_DIR}/tests/precisions)
# In an order that is neither of the two plain ones, since cuda_contract and cuda_loop run the same kernels in those
# (descending: scripts/test_all.sh thorough).
# Many switches of fibers: outside the fast tests, which run the same kernels in cuda_contract and cuda_loop.
gpt2run_executor_precision_test(cuda_golden SLOW SOURCES ${shared}/test_golden.cpp)
target_link_libraries(test_cuda_golden PRIVATE gpt2run_golden)
gpt2run_executor_precision_test(cuda_contract OPTIMISED SOURCES ${shared}/test_contract.cpp)
gpt2run_executor_precision_test(cuda_session SLOW SOURCES ${shared}/test_session.cpp ${shared}/test_taps.cpp)
set(random_order GPT2RUN_EXECUTOR=random:7)
set_tests_properties(cuda_golden PROPERTIES ENVIRONMENT ${random_order})
# Ten sequences at a time with two of the settings; scripts/test_all.sh schedules runs all.
set(others "*BatchIsItsSingleRuns*bf16*:*BatchIsItsSingleRuns*fp32*:*BatchIsItsSingleRuns*off*")
set_tests_properties(cuda_session PROPERTIES ENVIRONMENT "${random_order};GTEST_FILTER=-${others}")
if(GPT2RUN_SANITIZE)
  # Minutes there: cuda_session decodes through the same kernels, BF16 is FP16's code, and cuda_loop runs FP32.
  set_tests_properties(cuda_golden PROPERTIES ENVIRONMENT "${random_order};GTEST_FILTER=-*GreedyTokens*")
  set_tests_properties(cuda_session PROPERTIES ENVIRONMENT "${random_order};GTEST_FILTER=-*RefillOfANeighbour*:*bf16*:*fp32*")
endif()
gpt2run_executor_precision_test(cuda_loop OPTIMISED SOURCES loop_test.cpp graphs_test.cpp transfers_test.cpp devices_test.cpp pdl_test.cpp
  ${CMAKE_SOURCE_DIR}/samplers/cuda/argmax.cu)
# The engine's own tests, with fewer of its random schedules.
gpt2run_executor_precision_test(cuda_engine SLOW SOURCES engine_test.cpp)
# One precision runs what is quick here; the others run what depends on the session. scripts/test_all.sh schedules runs all.
# Under the sanitizers cuda_loop and cuda_session run the same kernels and the same engine's parts run in test_engine.
set_tests_properties(cuda_engine PROPERTIES LABELS "cuda;release-only" ENVIRONMENT
  "GTEST_FILTER=*/fp16_on:*RandomSchedules*:*RowsInsideATap*:*ReuseTakesOver*:*TimesBelong*-*Recompute*:*AfterAListeners*:*CancelledInsideToken*")
foreach(test loop engine)
  target_compile_definitions(test_cuda_${test} PRIVATE GPT2RUN_TEST_SAMPLERS="${plugins}")
  foreach(name ${samplers})
    add_dependencies(test_cuda_${test} executor-sampler-${name} gpt2run-sampler-${name})
  endforeach()
endforeach()

gpt2run_tests_take_turns(cuda_golden cuda_session cuda_engine)

# In other orders of threads and blocks: what changes is a race.
foreach(order descending random:7)
  string(REPLACE : _ label ${order})
  add_test(NAME cuda_samplers.${label} COMMAND test_cuda_samplers --gtest_filter=CudaSamplers.*:Nucleus.*)
  add_test(NAME cuda_contract.${label} COMMAND test_cuda_contract --gtest_filter=All/Contract.*)
  add_test(NAME cuda_loop.${label} COMMAND test_cuda_loop --gtest_filter=*Recorded*)
  set_tests_properties(cuda_samplers.${label} cuda_contract.${label} cuda_loop.${label}
    PROPERTIES LABELS "fast;cuda" ENVIRONMENT GPT2RUN_EXECUTOR=${order})
endforeach()
gpt2run_test_is_thorough(cuda_samplers.descending cuda_contract.descending cuda_loop.descending)
gpt2run_tests_take_turns(cuda_samplers.random_7 cuda_contract.random_7 cuda_loop.random_7)

# What needs a device: skipped where there is none, and rehearsed on the executor.
gpt2run_test(cuda_gpu LABELS cuda SOURCES gpu_test.cpp LINK ${CMAKE_DL_LIBS})
set_tests_properties(cuda_gpu PROPERTIES ENVIRONMENT GPT2RUN_GPU_SPACE=test)
target_compile_definitions(test_cuda_gpu PRIVATE GPT2RUN_TEST_PRECISIONS="${plugins}" GPT2RUN_CUDA_WHY="${GPT2RUN_CUDA_WHY}")
add_dependencies(test_cuda_gpu gpt2run-loader-synthetic)
foreach(type fp32 fp16 bf16)
  add_dependencies(test_cuda_gpu executor-precision-cuda-${type} gpt2run-precision-cpu-${type})
  if(GPT2RUN_CUDA_BUILT)
    add_dependencies(test_cuda_gpu gpt2run-precision-cuda-${type}.cuda)
  endif()
endforeach()
foreach(name ${samplers})
  add_dependencies(test_cuda_gpu executor-sampler-${name} gpt2run-sampler-${name})
  if(GPT2RUN_CUDA_BUILT)
    add_dependencies(test_cuda_gpu gpt2run-sampler-${name}.cuda)
  endif()
endforeach()
foreach(part LogitsAreTheHosts RecordedBodiesAreTheLoop EveryRunHasTheSameBits NeighboursChangeNoBit GiveTheTokensOfTheHost)
  add_test(NAME gpu.${part} COMMAND test_cuda_gpu --gtest_filter=*${part}*)
  set_tests_properties(gpu.${part} PROPERTIES LABELS gpu SKIP_REGULAR_EXPRESSION "SKIPPED .* tests?, listed below")
endforeach()

# What scripts/gpu_check.sh builds where there is a device: what it runs, and what gpt2run needs for the demo model.
add_custom_target(gpu_check)
add_dependencies(gpu_check gpt2run gpt2bench gpt2plugins gpt2run_plugin_check gpt2run-sink-tokens test_cuda_gpu
  gpt2run-loader-huggingface gpt2run-sink-text)
if(TARGET test_cuda_gemm)
  add_dependencies(gpu_check test_cuda_gemm)
endif()

# scripts/gpu_check.sh as far as it goes without a device, and what it takes along.
add_test(NAME gpu_check.rehearsal COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/gpu_check.sh ${CMAKE_BINARY_DIR})
add_test(NAME gpu_check.limits COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/gpu_limits.sh)
add_test(NAME gpu_check.pack COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/gpu_pack.sh)
set_tests_properties(gpu_check.rehearsal gpu_check.limits gpu_check.pack PROPERTIES LABELS "cuda;release-only")
gpt2run_test_is_long(gpu_check.limits gpu_check.pack)
gpt2run_test_is_thorough(gpu_check.limits gpu_check.pack)

# The limits of a device, for scripts/gpu_check.sh; registers and spills against the committed table.
if(GPT2RUN_CUDA_BUILT)
  add_executable(cuda_ceilings ceilings/main.cu $<TARGET_OBJECTS:gpt2run_gemm>)
  target_link_libraries(cuda_ceilings PRIVATE gpt2run::sdk ${CMAKE_DL_LIBS})
  gpt2run_cuda_options(cuda_ceilings)
  add_dependencies(gpu_check cuda_ceilings)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  add_test(NAME cuda_budget COMMAND Python3::Interpreter -B ${CMAKE_SOURCE_DIR}/scripts/kernel_budget.py check ${CMAKE_BINARY_DIR})
  # Instructions against the committed table and the rules, where there are NVIDIA's tools; and the rules themselves.
  add_test(NAME cuda_code COMMAND Python3::Interpreter -B ${CMAKE_SOURCE_DIR}/scripts/kernel_code.py check ${CMAKE_BINARY_DIR})
  add_test(NAME cuda_code.rules COMMAND Python3::Interpreter -B ${CMAKE_SOURCE_DIR}/scripts/kernel_code.py self-test)
  add_test(NAME cuda_brought COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/brought.sh $<TARGET_FILE:gpt2run-sampler-argmax.cuda>)
  set_tests_properties(cuda_budget cuda_code cuda_code.rules cuda_brought PROPERTIES LABELS "fast;cuda" SKIP_RETURN_CODE 77)
endif()
