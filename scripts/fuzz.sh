#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET...]]: runs each fuzz target for so many seconds (30), beginning with tests/fuzz/corpus.
# What reached new code is kept in build/fuzz/corpus for the next time; what failed is in build/fuzz/found, one file an
# input, and the run ends with 1 when all targets had their time.
. "$(dirname "$0")/lib.sh"
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
seconds=${1:-30}
[ $# = 0 ] || shift
top=build/fuzz
failed=()

# fuzz TARGET: its output goes to a log, whose end is shown when it fails
fuzz() {
    local own=$top/corpus/$1 log=$top/log/$1
    mkdir -p "$own" "$top/found" "$top/log"
    if "$top/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -verbosity=0 \
        -dict=tests/fuzz/json.dict -artifact_prefix="$top/found/$1-" -print_final_stats=1 \
        "$own" "tests/fuzz/corpus/$1" </dev/null >"$log" 2>&1; then
        sed -n 's/^stat::number_of_executed_units: */inputs tried: /p' "$log"
    else
        failed+=("$1")
        tail -n 40 "$log"
    fi
}

scripts/setup.sh build test
stage 'clang, libFuzzer' compile fuzz fuzz
if [ $# = 0 ]; then
    # shellcheck disable=SC2046
    set -- $(sed -n 's/^kmd_fuzz(\([a-z_]*\) .*/\1/p' tests/fuzz/CMakeLists.txt)
fi
for target in "$@"; do
    before=${#failed[@]}
    stage "$target, $seconds s" fuzz "$target"
    [ "${#failed[@]}" = "$before" ] || stages[-1]=${stages[-1]/#ok    /FAILED}
done
summary
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}; the inputs are in $top/found"
    exit 1
fi
