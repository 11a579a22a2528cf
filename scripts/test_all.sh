#!/usr/bin/env bash
# Everything that scripts/test.sh leaves out, for the day before a release; it takes hours on two processors.
#   scripts/test_all.sh               all parts, in this order
#   scripts/test_all.sh PART...       some of them
# thorough   the tests of the release that scripts/test.sh leaves out
# no-cuda    the release without CUDA plugins, and its fast tests
# debug      nothing optimised, with the checks of the C++ library (_GLIBCXX_ASSERTIONS), and its fast tests
# clang      the release by clang++ with its warnings as errors, each source alone and without precompiled headers, and its
#            fast tests
# lto        every program linked with -flto, which finds types and functions that two files declare differently
# projects   what "gpt2plugins new" writes for every kind of plugin, built by g++ and by clang++, and tested
# sanitizers what scripts/test.sh leaves out under ASan and UBSan: the CUDA plugins on the executor, and long tests
# schedules  the engine and the sessions on the executor with every precision, and all 1,000 of the engine's random
#            schedules of requests, of which scripts/test.sh runs 8 for each commit
# packages   the Debian packages and the image of the Containerfile (scripts/packages.sh)
# faults     ten minutes of programs whose calls fail (scripts/faults.sh), of which scripts/test.sh runs half a minute
# mutations  every patch of scripts/mutations breaks the code, and a test must turn red (scripts/run_mutations.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

parts=(thorough no-cuda debug clang lto projects sanitizers schedules faults packages mutations)
choose_parts "${parts[*]}" "$@"

# run_part PART: ends with the status of what failed.
run_part() {
  case $1 in
    faults) scripts/faults.sh ;;
    mutations) scripts/run_mutations.sh ;;
    packages) scripts/packages.sh ;;
    schedules)
      build release -D GPT2RUN_TESTS=ON -- test_cuda_engine test_cuda_session
      (cd build/release && GPT2RUN_SCHEDULES=1000 bin/test_cuda_engine && bin/test_cuda_session)
      ;;
    thorough)
      build release -D GPT2RUN_TESTS=ON
      run_ctest release -L 'thorough|turn-'
      skipped_tests build/release/Testing/Temporary/LastTest.log
      ;;
    lto) build lto -D GPT2RUN_TESTS=ON ;;
    projects)
      build release -D GPT2RUN_TESTS=ON
      for compiler in g++ clang++; do tests/sdk/projects.sh build/release "$compiler"; done
      ;;
    sanitizers)
      build asan -D GPT2RUN_TESTS=ON -D GPT2RUN_SANITIZED_EXECUTOR=ON
      export UBSAN_OPTIONS=print_stacktrace=1
      run_ctest asan -L 'cuda|thorough' -LE release-only
      ;;
    *)
      build "$1" -D GPT2RUN_TESTS=ON
      run_ctest "$1" -L fast -LE layout
      ;;
  esac
}

install_missing test
for part in clang projects sanitizers; do
  [[ " ${chosen[*]} " != *" $part "* ]] || install_missing clang
done

SECONDS=0
summary=()
failed=0
for part in "${chosen[@]}"; do
  say "$part"
  begin=$SECONDS
  # A part that fails ends its own shell; the others run all the same.
  set +e
  (
    set -e
    run_part "$part"
  )
  status=$?
  set -e
  result=passed
  if [ "$status" -ne 0 ]; then result=FAILED failed=1; fi
  summary+=("$part: $result, $(((SECONDS - begin) / 60)) min")
done

say "summary, $((SECONDS / 60)) min"
printf '   %s\n' "${summary[@]}"
exit "$failed"
