#!/usr/bin/env bash
# Copies what gpt2run is built from, and a machine with a GPU may lack, out of the Debian packages of this machine:
#   scripts/gpu_pack.sh [FOLDER]   else build/gpu_deps; an earlier pack there is replaced, anything else is refused
# A machine with a compiler, CMake, Ninja and nvcc then builds with -D CMAKE_PREFIX_PATH=FOLDER, as scripts/gpu_check.sh
# does. Only the headers that our sources reach are taken; Boost.Program_options comes as its static library, GoogleTest
# as source, spdlog and nlohmann/json as headers. Of a CUDA toolkit that is here come the headers of cuBLASLt and NVTX.
set -euo pipefail
start=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

# is_pack FOLDER: it has a file that only this script writes.
is_pack() { grep -qs '^macro(packed_library ' "$1/lib/cmake/GTest/GTestConfig.cmake"; }

own_folder build/gpu_deps "$start" is_pack "$@"

library=/usr/lib/$(uname -m)-linux-gnu/libboost_program_options.a
googletest=/usr/src/googletest

for need in "$library" "$googletest/googlemock/src/gmock-all.cc" /usr/include/spdlog/spdlog.h \
  /usr/include/fmt/core.h /usr/include/nlohmann/json.hpp; do
  [ -e "$need" ] || die "$need is missing: run scripts/test.sh once, which installs the packages"
done

# reached_headers: of the packages, through every header that our sources name.
reached_headers() {
  {
    grep -rhoE '^#include <(boost|spdlog|nlohmann)/[^>]+>' --include='*.[ch]pp' apps core loaders plugins precisions \
      samplers sinks tests docs || die "no source includes a package"
    echo '#include <boost/version.hpp>'
  } | sort -u | c++ -std=c++20 -DFMT_HEADER_ONLY -DSPDLOG_FMT_EXTERNAL -M -x c++ - |
    grep -oE '/usr/include/(boost|spdlog|fmt|nlohmann)/[^ ]+' | sort -u
}

# package NAME VERSION: the CMake package NAME, its body from standard input.
package() {
  local where=$fresh/lib/cmake/$1
  mkdir -p "$where"
  {
    echo "get_filename_component(PACK \"\${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)"
    cat
  } >"$where/$1Config.cmake"
  cat >"$where/$1ConfigVersion.cmake" <<END
set(PACKAGE_VERSION $2)
set(PACKAGE_VERSION_COMPATIBLE TRUE)
END
}

# toolkit_headers: of cuBLASLt and NVTX, which a machine with nvcc may lack; fails where there is no toolkit, or they are
# not in it.
toolkit_headers() {
  local toolkit
  toolkit=$(PATH=$PATH:/usr/local/cuda/bin command -v nvcc) || return 1
  toolkit=$(dirname "$(dirname "$(realpath "$toolkit")")")/include
  printf '#include <cublasLt.h>\n#include <nvtx3/nvToolsExt.h>\n' | c++ -M -x c++ -I "$toolkit" - 2>/dev/null |
    grep -oE '[^ ]+/(cublas[^/ ]*|nvtx3/[^ ]+)' | sort -u
}

mkdir -p "$(dirname "$folder")"
fresh=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
mkdir -p "$fresh/include" "$fresh/src" "$fresh/lib"
reached_headers | sed 's|^/usr/include/||' | tar -C /usr/include -c -T - | tar -C "$fresh/include" -x
cp "$library" "$fresh/lib"
# Apart from the others: taken only where the toolkit has none of its own.
if headers=$(toolkit_headers); then
  while read -r header; do
    install -D -m 644 "$header" "$fresh/cuda/${header##*/include/}"
  done <<<"$headers"
else
  say "no nvcc with cuBLASLt and NVTX here: their headers are left out, and the machine with the GPU needs its own"
fi
(cd "$googletest" && tar -c googletest/include googletest/src googlemock/include googlemock/src) | tar -C "$fresh/src" -x

package Boost "$(sed -n 's/^#define BOOST_LIB_VERSION "\(.*\)"/\1/p' "$fresh/include/boost/version.hpp" | tr _ .)" <<'END'
add_library(Boost::headers INTERFACE IMPORTED)
set_target_properties(Boost::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${PACK}/include)
add_library(Boost::program_options STATIC IMPORTED)
set_target_properties(Boost::program_options PROPERTIES IMPORTED_LOCATION ${PACK}/lib/libboost_program_options.a
                      INTERFACE_INCLUDE_DIRECTORIES ${PACK}/include)
set(Boost_program_options_FOUND TRUE)
END
package spdlog 1 <<'END'
add_library(spdlog::spdlog INTERFACE IMPORTED)
set_target_properties(spdlog::spdlog PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${PACK}/include
                      INTERFACE_COMPILE_DEFINITIONS "FMT_HEADER_ONLY;SPDLOG_FMT_EXTERNAL")
END
package nlohmann_json 3 <<'END'
add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
set_target_properties(nlohmann_json::nlohmann_json PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${PACK}/include)
END
package GTest 1 <<'END'
macro(packed_library part file folder)
  add_library(packed_${part} STATIC EXCLUDE_FROM_ALL ${PACK}/src/${folder}/src/${file}.cc)
  target_include_directories(packed_${part} SYSTEM PUBLIC ${PACK}/src/${folder}/include PRIVATE ${PACK}/src/${folder})
  target_compile_options(packed_${part} PRIVATE -w)
  add_library(GTest::${part} ALIAS packed_${part})
endmacro()
packed_library(gtest gtest-all googletest)
packed_library(gtest_main gtest_main googletest)
packed_library(gmock gmock-all googlemock)
target_link_libraries(packed_gtest_main PUBLIC packed_gtest)
target_link_libraries(packed_gmock PUBLIC packed_gtest)
END
rm -rf "$folder"
mv "$fresh" "$folder"
trap - EXIT
say "$(du -sh --apparent-size "$folder" | cut -f1) in $folder, $(find "$folder" -type f | wc -l) files"
