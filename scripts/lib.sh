# Shared by the scripts here: sourced, not run. Stages with their times, and a summary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stages=()

# stage NAME COMMAND...: runs it with its output visible; at a failure says what was done so far and ends.
stage() {
    local name=$1 start=$SECONDS rc=0
    shift
    printf '\n==> %s\n' "$name"
    "$@" || rc=$?
    stages+=("$(printf '%-6s %-34s %4d s' "$([ $rc = 0 ] && echo ok || echo FAILED)" "$name" $((SECONDS - start)))")
    if [ $rc != 0 ]; then
        summary
        exit 1
    fi
}

summary() {
    printf '\n'
    printf '%s\n' "${stages[@]}"
    printf '%-6s %-34s %4d s\n' '' 'in total' "$SECONDS"
}

# compile PRESET [TARGET...]: configures and builds one of CMakePresets.json, everything unless targets are named.
# The preset clang is built against the newer librdkafka of scripts/setup.sh, where there is one: both are held to compile.
compile() {
    local preset=$1 newer=()
    shift
    [ "$preset" != clang ] || newer=(env "PKG_CONFIG_PATH=$PWD/build/librdkafka:${PKG_CONFIG_PATH:-}")
    # A stage is called in a condition, where set -e does not hold.
    # What CMake found earlier is looked for again.
    "${newer[@]}" cmake --preset "$preset" ${newer:+-U '*RDKAFKA*'} --log-level=WARNING >/dev/null || return
    cmake --build --preset "$preset" ${1:+--target "$@"} -- $([ -t 1 ] || echo --quiet) || return
    mkdir -p build/bin
    ln -sfn ../../scripts/kmd-sim build/bin/kmd-sim
}

# unit PRESET_FOLDER [CTEST_OPTION...]: its ctests, as many at a time as there are cores
unit() { ctest --test-dir "$1" --output-on-failure --no-tests=error -j "$(nproc)" --progress "${@:2}"; }

# python_tests FOLDER WORKERS: the tests that may share the machine, then those that want it for themselves
python_tests() {
    local folder=$1 workers=$2
    (
        cd tests
        status=0
        ../build/venv/bin/python -m pytest "$folder" -m 'not alone' -n "$workers" --dist=worksteal || status=$?
        # 5: none of the tests is of that kind
        [ $status = 0 ] || [ $status = 5 ] || exit $status
        status=0
        ../build/venv/bin/python -m pytest "$folder" -m alone || status=$?
        [ $status = 0 ] || [ $status = 5 ]
    )
}
