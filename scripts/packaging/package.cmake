# The Debian packages that cpack makes: gpt2run, gpt2run-dev, and where they are built gpt2run-cuda, gpt2run-mpi and
# python3-gpt2run. CONTRIBUTING.md says how; `scripts/packages.sh` makes and checks them.
set(GPT2RUN_MAINTAINER "gpt2run authors <gpt2run@packages.invalid>" CACHE STRING "The packages' maintainer: NAME <ADDRESS>")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME gpt2run)
set(CPACK_PACKAGE_VENDOR gpt2run)
set(CPACK_PACKAGE_CONTACT ${GPT2RUN_MAINTAINER})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(same "(= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
set(CPACK_COMPONENTS_ALL runtime dev)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME gpt2run)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "gpt2run-cuda, gpt2run-dev, gpt2run-mpi, python3-gpt2run")
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "runs GPT-2 models on the command line
gpt2run continues texts with GPT-2 models of many layouts, and measures
what number types do to them. Weight loaders, arithmetic, samplers and
outputs are plugins that are chosen by name. This package has the programs,
the plugins for the CPU and a small model that tells tales.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME gpt2run-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "gpt2run ${same}")
set(CPACK_COMPONENT_DEV_DESCRIPTION "headers and libraries for plugins of gpt2run
With these headers and the CMake package or pkg-config file, plugins for
gpt2run are built: loaders, precisions, samplers and sinks. The program
gpt2run-plugin-check checks them. The static libraries are the engine and
the tokenizer for programs.")

# NVIDIA's libraries are not part of Debian. Where they are missing the plugins say so, and gpt2run goes on without.
if(GPT2RUN_CUDA_BUILT)
  list(APPEND CPACK_COMPONENTS_ALL cuda)
  set(CPACK_DEBIAN_CUDA_PACKAGE_NAME gpt2run-cuda)
  set(CPACK_DEBIAN_CUDA_PACKAGE_SHLIBDEPS OFF)
  set(CPACK_DEBIAN_CUDA_PACKAGE_DEPENDS "gpt2run ${same}, libc6, libgcc-s1, libstdc++6")
  set(CPACK_COMPONENT_CUDA_DESCRIPTION "plugins of gpt2run for NVIDIA GPUs
Precisions and samplers that run on GPUs by CUDA. They need NVIDIA's driver
and its CUDA runtime library, of the version that they were built with.")
endif()

if(GPT2RUN_MPI_BUILT)
  list(APPEND CPACK_COMPONENTS_ALL mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_NAME gpt2run-mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_DEPENDS "gpt2run ${same}")
  set(CPACK_COMPONENT_MPI_DESCRIPTION "gpt2run on several machines
With this library gpt2run, gpt2compare and gpt2perplexity share their work
out among the processes that mpirun starts.")
endif()

# For Debian's own Python alone: a package for another one would not be found by any.
if(TARGET _gpt2run AND GPT2RUN_PYTHON_EXECUTABLE MATCHES "^/usr/bin/")
  list(APPEND CPACK_COMPONENTS_ALL python3)
  set(CPACK_DEBIAN_PYTHON3_PACKAGE_NAME python3-gpt2run)
  set(CPACK_DEBIAN_PYTHON3_PACKAGE_SECTION python)
  set(CPACK_DEBIAN_PYTHON3_PACKAGE_DEPENDS "gpt2run ${same}, python3 (>= ${GPT2RUN_PYTHON_LEAST}), python3 (<< ${GPT2RUN_PYTHON_BELOW}), python3-numpy")
  set(CPACK_DEBIAN_PYTHON3_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/python3/postinst ${CMAKE_CURRENT_LIST_DIR}/python3/prerm)
  set(CPACK_COMPONENT_PYTHON3_DESCRIPTION "GPT-2 models in Python, by gpt2run
Texts, logits, perplexity, comparisons and the inside of a model as numpy
arrays, and samplers written in Python. The tokens are those of the program
gpt2run.")
endif()

set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/debian.cmake)
include(CPack)
