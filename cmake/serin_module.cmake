# SPDX-License-Identifier: Apache-2.0
# serin_module(base SRCS a.cc TESTS a_test.cc DEPS … PRIVATE …)
#   One static library serin_base and one test program base_test per folder. DEPS are other modules (names without the
#   prefix) and libraries that the headers need; PRIVATE those that only the sources see. `make test` runs the test
#   programs under sanitizers alone; UNSANITIZED: no sanitizer builds this folder, so its tests are in every build.
include(GoogleTest)

function(serin_module name)
  cmake_parse_arguments(M "UNSANITIZED" "" "SRCS;TESTS;DEPS;PRIVATE;TEST_DEPS" ${ARGN})
  add_library(serin_${name} STATIC ${M_SRCS})
  target_include_directories(serin_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  serin_link_(serin_${name} PUBLIC ${M_DEPS})
  serin_link_(serin_${name} PRIVATE ${M_PRIVATE})
  if(SERIN_TESTS AND M_TESTS AND (SERIN_UNIT_TESTS OR M_UNSANITIZED))
    add_executable(${name}_test ${M_TESTS})
    target_link_libraries(${name}_test PRIVATE serin_${name} GTest::gmock_main)
    # What is tested is optimised under a sanitizer; what tests it need not be, and compiles in less than half the time.
    if(SERIN_SANITIZE)
      target_compile_options(${name}_test PRIVATE -O0)
    endif()
    serin_link_(${name}_test PRIVATE ${M_PRIVATE} ${M_TEST_DEPS})
    gtest_discover_tests(${name}_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120 LABELS ${name})
  endif()
endfunction()

# Names of our modules become their targets.
function(serin_link_ target kind)
  foreach(dependency IN LISTS ARGN)
    if(dependency MATCHES "::|^-|\\.so$|\\.a$" OR NOT IS_DIRECTORY ${CMAKE_SOURCE_DIR}/src/${dependency})
      target_link_libraries(${target} ${kind} ${dependency})
    else()
      target_link_libraries(${target} ${kind} serin_${dependency})
    endif()
  endforeach()
endfunction()

# serin_fuzz(json_fuzz SRCS json_fuzz.cc DEPS base): a libFuzzer program over tests/fuzz/corpus/<name>, run for a fixed count.
function(serin_fuzz name)
  if(NOT SERIN_FUZZ)
    return()
  endif()
  cmake_parse_arguments(F "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${F_SRCS})
  serin_link_(${name} PRIVATE ${F_DEPS})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set(found ${CMAKE_BINARY_DIR}/fuzz/${name})
  file(MAKE_DIRECTORY ${found})
  add_test(NAME fuzz.${name}
           COMMAND ${name} -seed=1 -runs=20000 -max_total_time=20 -timeout=10 -rss_limit_mb=2048 ${found} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 120 LABELS fuzz
                       ENVIRONMENT LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/fuzz/lsan.supp)
endfunction()
