#!/usr/bin/env bash
# lint.sh fmt: format in place. lint.sh: report what clang-format, clang-tidy and the topics' parser find; changes nothing.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build lint

sources() { git ls-files '*.c' '*.h'; }

if [ "${1:-}" = fmt ]; then
    sources | xargs clang-format -i
    exit 0
fi
stage 'topics' scripts/check-asyncapi.sh
stage 'clang-format' bash -c "git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror"
stage 'compile commands' cmake --preset clang -DCMAKE_EXPORT_COMPILE_COMMANDS=ON --log-level=WARNING
stage 'clang-tidy' bash -c \
    "git ls-files 'libcommon/*.c' 'services/*.c' | xargs -P $(nproc) -n 8 clang-tidy -p build/clang --quiet --warnings-as-errors='*'"
summary
