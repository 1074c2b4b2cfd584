# Targets of the house: one folder is one library is one include root, so a core cannot even find an adapter's header.

set(KMD_SANITIZE "" CACHE STRING "sanitizers to build with, e.g. address,undefined")
option(KMD_WERROR "warnings are errors" OFF)
option(KMD_FUZZ "tests/fuzz as libFuzzer programs (clang)" OFF)

add_library(kmd_flags INTERFACE)
target_compile_features(kmd_flags INTERFACE c_std_17)
target_compile_definitions(kmd_flags INTERFACE _GNU_SOURCE KMD_VERSION="${PROJECT_VERSION}")
target_compile_options(kmd_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef
  -fstack-protector-strong -fno-omit-frame-pointer
  $<$<BOOL:${KMD_WERROR}>:-Werror>
  $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
target_link_options(kmd_flags INTERFACE -pie -Wl,-z,relro,-z,now)
if(KMD_SANITIZE)
  target_compile_options(kmd_flags INTERFACE -fsanitize=${KMD_SANITIZE} -fno-sanitize-recover=all -U_FORTIFY_SOURCE)
  target_link_options(kmd_flags INTERFACE -fsanitize=${KMD_SANITIZE})
endif()

if(KMD_FUZZ)
  target_compile_options(kmd_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# kmd_library(name SOURCES ... PUBLIC libs in its headers ... PRIVATE libs behind them ...)
function(kmd_library name)
  cmake_parse_arguments(A "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${A_PUBLIC} PRIVATE kmd_flags ${A_PRIVATE})
endfunction()

# kmd_program(name SOURCES ... LIBS ...): a binary in build/bin
function(kmd_program name)
  cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE kmd_flags ${A_LIBS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# kmd_unit_test(name libs...): tests/.../test_<name>.c as executable and ctest of label unit
function(kmd_unit_test name)
  add_executable(test_${name} test_${name}.c)
  target_link_libraries(test_${name} PRIVATE kmd_flags ${ARGN} PkgConfig::CMOCKA)
  target_compile_definitions(test_${name} PRIVATE KMD_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 60)
endfunction()
