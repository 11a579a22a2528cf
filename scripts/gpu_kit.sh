#!/usr/bin/env bash
# Builds what scripts/gpu_check.sh runs for a machine with a GPU, and gathers it in a folder that is carried there:
#   scripts/gpu_kit.sh [FOLDER]   else build/gpu_kit; an earlier kit there is replaced, anything else is refused
# The build is build/gpu, by this machine's compilers, for the compute capability 90 or GPT2RUN_CUDA_ARCHITECTURES, with
# the packages of scripts/gpu_pack.sh, which are linked statically. The other machine needs the driver, and a C++ library
# and a C library that are not older than those here. The kit has the CUDA runtime; cuBLASLt, which is much larger, is
# looked for there.
set -euo pipefail
start=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

most_megabytes=48  # with the sources, a call that takes 64 MiB holds both
is_kit() { [ -e "$1/kit" ]; }
own_folder build/gpu_kit "$start" is_kit "$@"

build=build/gpu
command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ] || die "nvcc is missing: a kit needs the CUDA toolkit"
scripts/gpu_pack.sh
mkdir -p "$build"
cmake -S . -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=Release -D GPT2RUN_TESTS=ON -D GPT2RUN_CUDA=ON -D GPT2RUN_MPI=OFF \
  -D "GPT2RUN_CUDA_ARCHITECTURES=${GPT2RUN_CUDA_ARCHITECTURES:-90}" -D "CMAKE_PREFIX_PATH=$PWD/build/gpu_deps" >"$build.log" || { cat "$build.log" >&2; exit 1; }
cmake --build "$build" --target gpu_check

mkdir -p "$(dirname "$folder")"
fresh=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
chmod 755 "$fresh"
mkdir -p "$fresh/bin" "$fresh/lib/gpt2run"
for program in gpt2run gpt2bench gpt2plugins gpt2run-plugin-check test_cuda_gpu test_cuda_gemm cuda_ceilings; do
  file=$(find "$build" -type f -name "$program" -perm -u+x | head -n 1)
  [ -n "$file" ] || die "expected the program $program in $build, found none"
  cp "$file" "$fresh/bin"
done
cp "$build"/lib/gpt2run/*.so "$fresh/lib/gpt2run"
runtime=$(ldd "$fresh"/bin/cuda_ceilings | sed -n 's/^\s*libcudart\.so\.[0-9]* => \(\/[^ ]*\).*/\1/p')
[ -n "$runtime" ] || die "expected the CUDA runtime, the loader finds none"
cp -L "$runtime" "$fresh/lib/gpt2run/$(basename "$runtime")"
strip --strip-unneeded "$fresh"/bin/* "$fresh"/lib/gpt2run/gpt2run-*.so
needed=$(objdump -p "$fresh"/bin/* "$fresh"/lib/gpt2run/*.so | sed -n 's/^ *NEEDED *//p' | sort -u |
  grep -vE '^(lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+)\.so\.[0-9]+|libcudart\.so\.[0-9]+|ld-linux.*)$' || true)
[ -z "$needed" ] || die "expected libraries that every machine has, found ${needed//$'\n'/ }"
{
  git rev-parse HEAD 2>/dev/null || echo "no git"
  c++ --version | head -n 1
  echo "compute capability ${GPT2RUN_CUDA_ARCHITECTURES:-90}"
} >"$fresh/kit"
kilobytes=$(du -sk --apparent-size "$fresh" | cut -f1)
[ "$kilobytes" -le $((most_megabytes << 10)) ] || die "expected at most $most_megabytes MiB, found $kilobytes KiB"
rm -rf "$folder"
mv "$fresh" "$folder"
trap - EXIT
say "$(du -sh --apparent-size "$folder" | cut -f1) in $folder, $(find "$folder" -type f | wc -l) files"
