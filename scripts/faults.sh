#!/usr/bin/env bash
# faults.sh [NAME...]: the programs of tests/faults (all), each of which lives through one bad day and prints one line with its figure.
# Two lanes, one a core: what mostly waits beside what computes. Logs and figures are kept in build/faults. Ends with 1 if a line is not ok.
. "$(dirname "$0")/lib.sh"
out=$PWD/build/faults
waiting=(broker_away frozen_feed postgres_away zombie_sink poison takeover gaps proxied)
computing=(fuzz histories mutants sink_kills enricher_kills valgrind_run)

# lane NAME...: one after the other; a program that ends badly without its line gets one
lane() {
    local name
    for name in "$@"; do
        (cd tests && exec ../build/venv/bin/python -m "faults.$name") </dev/null >"$out/$name.line" 2>"$out/$name.log" ||
            grep -q FAIL "$out/$name.line" || echo "  $name: FAIL, see ${out#"$PWD"/}/$name.log" >>"$out/$name.line"
        cat "$out/$name.line"
    done
}

# of NAME...: those that were asked for
asked=("$@")
of() {
    local name
    for name in "$@"; do
        [ ${#asked[@]} = 0 ] || [[ " ${asked[*]} " == *" $name "* ]] || continue
        printf '%s ' "$name"
    done
}

all=("${waiting[@]}" "${computing[@]}")
for name in "$@"; do
    [[ " ${all[*]} " == *" $name "* ]] || { echo "faults: no program '$name'; there are: ${all[*]}" >&2; exit 64; }
done
scripts/setup.sh build run test faults
stage 'gcc, warnings are errors' compile release
rm -rf "$out" && mkdir -p "$out"
trap 'kill $(jobs -p) 2>/dev/null' EXIT
# shellcheck disable=SC2046
lane $(of "${waiting[@]}") &
# shellcheck disable=SC2046
lane $(of "${computing[@]}") &
wait
printf '\n'
sort -n "$out"/*.line
printf '%d s in total\n' "$SECONDS"
! grep -q FAIL "$out"/*.line
