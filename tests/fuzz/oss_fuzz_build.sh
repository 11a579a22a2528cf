#!/usr/bin/env bash
# Builds the fuzz targets as OSS-Fuzz asks for it: with $CC, $CXX, $CFLAGS and $CXXFLAGS, which say the sanitizer, and
# $LIB_FUZZING_ENGINE, into $OUT: a program for each target, its seeds, and the files that some targets read besides. With
# names of targets as arguments it builds these alone.
# The image needs the packages cmake, ninja-build, python3, libboost-program-options1.81-dev, libspdlog-dev and
# nlohmann-json3-dev.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${CXX:?}" "${CXXFLAGS?}" "${LIB_FUZZING_ENGINE:?}" "${OUT:?}"

# Boost of the distribution is built with GNU's standard library.
export CXXFLAGS=${CXXFLAGS//-stdlib=libc++/}
work=${WORK:-$(mktemp -d)}
cmake -S . -B "$work" -G Ninja -D CMAKE_BUILD_TYPE=Debug -D CMAKE_CXX_FLAGS_DEBUG= -D GPT2RUN_FUZZ=ON \
  -D GPT2RUN_TESTS=OFF -D GPT2RUN_CUDA=OFF -D GPT2RUN_MPI=OFF -D GPT2RUN_PYTHON=OFF -D Boost_USE_STATIC_LIBS=ON \
  -D GPT2RUN_FUZZING_ENGINE="$LIB_FUZZING_ENGINE"
if [ $# -gt 0 ]; then
  cmake --build "$work" --target "${@/#/fuzz_}"
else
  cmake --build "$work"
fi
cp "$work"/bin/fuzz_* "$OUT"

python3 -B tests/fuzz/seeds.py "$work/seeds"
for folder in "$work"/seeds/*; do
  name=${folder##*/}
  if [ -d "tests/fuzz/regressions/$name" ]; then cp "tests/fuzz/regressions/$name"/* "$folder"; fi
  python3 -m zipfile -c "$OUT/fuzz_${name}_seed_corpus.zip" "$folder"/*
done

files=(tests/golden/models/tanh tests/golden/models/bf16-sharded tests/golden/tensorflow models/demo/vocab.json
  models/demo/merges.txt models/demo/tokenizer_config.json)
for file in "${files[@]}"; do
  mkdir -p "$OUT/files/${file%/*}"
  cp -r "$file" "$OUT/files/${file%/*}"
done
