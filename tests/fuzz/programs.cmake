# The programs with libFuzzer, and the readers that they are made of: nothing else of the project is built.
set(GPT2RUN_FUZZING_ENGINE "-fsanitize=fuzzer" CACHE STRING "What links the fuzzer; libFuzzer unless it is another's")
if(GPT2RUN_FUZZING_ENGINE STREQUAL "-fsanitize=fuzzer")
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

add_subdirectory(${CMAKE_SOURCE_DIR}/core ${CMAKE_BINARY_DIR}/core EXCLUDE_FROM_ALL)

# The sources of folders of the project, by their names without .cpp.
function(add_readers folder)
  list(TRANSFORM ARGN REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/${folder}/\\1.cpp" OUTPUT_VARIABLE found)
  target_sources(gpt2run_fuzz_readers PRIVATE ${found})
endfunction()

file(GLOB tokenizer_sources ${CMAKE_SOURCE_DIR}/core/tokenizer/*.cpp)
add_library(gpt2run_fuzz_readers STATIC target.cpp ${tokenizer_sources})
add_readers(core/files input_file)
add_readers(core/evaluation divergence)
add_readers(plugins/host elf_file options)
add_readers(apps/common/config config config_sources manifest other_tools text_file)
add_readers(apps/common/evaluation token_metrics)
add_readers(apps/common/prompts prompt_file prompt_set)
add_readers(apps/gpt2compare folders)
add_readers(apps/gpt2serve access api_error fields request_head)
target_include_directories(gpt2run_fuzz_readers PUBLIC ${CMAKE_SOURCE_DIR}/apps ${CMAKE_SOURCE_DIR}/plugins
                           ${CMAKE_SOURCE_DIR}/tests)
target_compile_definitions(gpt2run_fuzz_readers PUBLIC SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                           PRIVATE GPT2RUN_VERSION="${PROJECT_VERSION}")
target_link_libraries(gpt2run_fuzz_readers PUBLIC gpt2run::sdk gpt2run::json gpt2run::gguf gpt2run::pickle
                      PRIVATE Boost::program_options ${CMAKE_DL_LIBS})

# What the loaders share is built once.
file(GLOB common_sources ${CMAKE_SOURCE_DIR}/loaders/common/*.cpp)
add_library(gpt2run_fuzz_loaders STATIC ${common_sources})
target_link_libraries(gpt2run_fuzz_loaders PUBLIC gpt2run_fuzz_readers)
foreach(loader gguf huggingface llmc tensorflow torch)
  file(GLOB sources ${CMAKE_SOURCE_DIR}/loaders/${loader}/*.cpp)
  add_library(gpt2run_fuzz_${loader} OBJECT loader_linked.cpp ${sources})
  target_link_libraries(gpt2run_fuzz_${loader} PUBLIC gpt2run_fuzz_loaders)
endforeach()

function(add_fuzz_program name library)
  add_executable(fuzz_${name} fuzz_main.cpp targets/${name}.cpp)
  target_link_libraries(fuzz_${name} PRIVATE ${library})
  target_link_options(fuzz_${name} PRIVATE ${GPT2RUN_FUZZING_ENGINE})
endfunction()

foreach(name ${FUZZ_READERS})
  add_fuzz_program(${name} gpt2run_fuzz_readers)
endforeach()
foreach(name gguf llmc tensorflow torch)
  add_fuzz_program(${name} gpt2run_fuzz_${name})
endforeach()
foreach(name hf_config hf_index safetensors)
  add_fuzz_program(${name} gpt2run_fuzz_huggingface)
endforeach()
