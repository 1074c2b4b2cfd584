#!/usr/bin/env bash
# The tests of scripts/test.sh under clang's sanitizers. A finding ends the program that has it, and fails the test.
. "$(dirname "$0")/lib.sh"
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:exitcode=66
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:exitcode=66
# The C library starts librdkafka's threads (C11) behind TSan's back, and it crashes on them: no client of Kafka under TSan.
needs_kafka_client='^kafka_(conf|producer|consumer)$'

# Only for tests in Python: KMD_BIN and KMD_LOAD are no settings of the programs, and these refuse what they do not know.
slowly() { KMD_BIN=$PWD/build/asan/bin KMD_LOAD=${KMD_LOAD:-0.1} PATIENCE=${PATIENCE:-4} python_tests "$@"; }

stage 'what is needed' scripts/setup.sh build run test
stage 'ASan and UBSan: build' compile asan
stage 'TSan: build' compile tsan
stage 'TSan: unit tests' unit build/tsan -E "$needs_kafka_client"
stage 'ASan and UBSan: unit tests' unit build/asan
stage 'ASan and UBSan: component tests' slowly component 3
stage 'ASan and UBSan: system tests' slowly system 2
summary
