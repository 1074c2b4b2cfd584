#!/usr/bin/env bash
# Everything that shows the project works. Ends at the first stage that fails; says at the end what each took.
. "$(dirname "$0")/lib.sh"
stage 'what is needed' scripts/setup.sh build run test
stage 'gcc, warnings are errors' compile release
stage 'clang, warnings are errors' compile clang
stage 'unit tests' unit build
stage 'simulated histories' scripts/simulate.sh --all-kinds
stage 'tests of the simulator' python_tests unit/sim 2
stage 'component tests' python_tests component 3
stage 'system tests' python_tests system 2
summary
