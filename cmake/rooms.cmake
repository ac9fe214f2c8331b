# The flags every target of ours gets, and the two words the rooms' CMakeLists.txt are written in.
option(TROUPE_WERROR "Treat warnings as errors" OFF)
set(TROUPE_SANITIZE "" CACHE STRING "Comma-separated sanitizers, e.g. address,undefined")
set(TROUPE_TREE "release" CACHE STRING "Which build tree this is: dev, release, tsan, arm or fuzz; tests choose theirs by it")

add_library(troupe_options INTERFACE)
target_compile_features(troupe_options INTERFACE cxx_std_20)
target_include_directories(troupe_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(troupe_options INTERFACE
  # Contraction would round differently from one compiler or instruction set to the next: contract 2.
  -ffp-contract=off -fno-math-errno
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  $<$<BOOL:${TROUPE_WERROR}>:-Werror>)
if(TROUPE_SANITIZE)
  target_compile_options(troupe_options INTERFACE -fsanitize=${TROUPE_SANITIZE} -fno-omit-frame-pointer
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # g++ 12 sees ghosts through the instrumentation
  target_link_options(troupe_options INTERFACE -fsanitize=${TROUPE_SANITIZE})
endif()
if(TROUPE_TREE STREQUAL "fuzz")
  target_compile_options(troupe_options INTERFACE -fno-sanitize-recover=undefined)
endif()
if(TROUPE_SANITIZE STREQUAL "thread")
  target_compile_options(troupe_options INTERFACE -Wno-tsan)  # a fence of Asio's that TSan does not model
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without these two a second clone of the same tree hits nothing.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

# troupe_room(text SOURCES a.cpp b.cpp DEPS runtime tensor LIBRARIES PCRE2::PCRE2)
# One static library per room. The DEPS of all rooms, read together, are the layer diagram.
function(troupe_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBRARIES" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC troupe_options ${ARG_DEPS} PRIVATE ${ARG_LIBRARIES})
endfunction()

# Files that include Beast take 128 s each under UBSan: they get ASan only and no optimisation. What they
# decide is decided in net/schema, which is fully sanitised.
function(troupe_heavy_sources)
  if(TROUPE_TREE STREQUAL "dev")
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "-O0;-fno-sanitize=undefined")
  endif()
endfunction()

# troupe_test(text SOURCES a_test.cpp DEPS text TREES dev tsan): one Catch2 binary per room, one ctest per case.
# TREES are the build trees it is part of; dev when not said.
function(troupe_test room)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LIBRARIES;TREES;ARGUMENTS" ${ARGN})
  if(NOT ARG_TREES)
    set(ARG_TREES dev)
  endif()
  if(NOT TROUPE_TREE IN_LIST ARG_TREES)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${room}_test ${ARG_SOURCES})
  target_link_libraries(${room}_test PRIVATE catch_main ${ARG_DEPS} ${ARG_LIBRARIES})
  # Two pairs of null references inside CAF's headers are benign; everything else halts.
  catch_discover_tests(${room}_test TEST_PREFIX "${TROUPE_TREE}/${room}: " EXTRA_ARGS ${ARG_ARGUMENTS} PROPERTIES
    TIMEOUT ${ARG_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:suppressions=${PROJECT_SOURCE_DIR}/test/ubsan.supp;ASAN_OPTIONS=detect_leaks=1;TSAN_OPTIONS=halt_on_error=1")
endfunction()
