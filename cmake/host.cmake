# SPDX-License-Identifier: BSD-2-Clause
# The kernel's parts on the build machine: GoogleTest under ASan and UBSan, and libFuzzer.
set(VESPER_CONFIG host)
include(cmake/config.cmake)
read_config(${CMAKE_SOURCE_DIR}/tests/host/config)

# All that does not touch the machine itself.
file(GLOB sources CONFIGURE_DEPENDS src/lib/*.cpp src/block/*.cpp src/fs/*.cpp
  src/fs/*/*.cpp src/drivers/*/*.cpp src/boot/*.cpp src/console/*.cpp
  src/bus/*.cpp src/format/*.cpp src/hal/trace.cpp src/debug/decode.cpp src/debug/gdb_stub.cpp
  src/debug/record.cpp src/debug/symbol_table.cpp src/debug/transfer.cpp
  tests/host/fakes/*.cpp)
set(VESPER_DEBUG -gline-tables-only CACHE STRING "what sanitizers report; -g is for a debugger")
set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=undefined
  -fno-omit-frame-pointer ${VESPER_DEBUG})

find_package(GTest REQUIRED)
add_library(parts STATIC ${sources} ${CMAKE_BINARY_DIR}/config.cpp)
target_compile_options(parts PRIVATE ${sanitize} -O1 -fsanitize=fuzzer-no-link)
target_precompile_headers(parts PRIVATE <algorithm> <array> <bit> <cstring> <span> <string>
  <string_view> <utility> <vector> src/hal/classes.h src/hal/driver.h)
set(programs parts)

# GoogleTest's templates take three times as long to compile optimised, and its headers are most
# of what there is to read. UBSan's checks of each pointer are for the code under test: here they
# are a quarter of the compiler's time, and what is not there ASan sees.
file(GLOB tests CONFIGURE_DEPENDS tests/host/*_test.cpp)
add_executable(host_tests ${tests})
target_compile_options(host_tests PRIVATE ${sanitize} -O0
  -fno-sanitize=null,alignment,vptr,object-size)
target_precompile_headers(host_tests PRIVATE <gmock/gmock.h> <functional> <map> <random> <set>
  ${CMAKE_SOURCE_DIR}/tests/host/fakes/machine.h ${CMAKE_SOURCE_DIR}/tests/host/images.h)
target_link_options(host_tests PRIVATE ${sanitize})
target_link_libraries(host_tests PRIVATE parts GTest::gmock GTest::gtest_main)
list(APPEND programs host_tests)

file(GLOB fuzzers CONFIGURE_DEPENDS tests/host/fuzz/*_fuzz.cpp)
foreach(source ${fuzzers})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_compile_options(${name} PRIVATE ${sanitize} -O1 -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE ${sanitize} -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE parts GTest::gtest)
  if(first_fuzzer)
    target_precompile_headers(${name} REUSE_FROM ${first_fuzzer})
  else()
    set(first_fuzzer ${name})
    target_precompile_headers(${name} PRIVATE <gtest/gtest.h> <map> <string> <vector>
      ${CMAKE_SOURCE_DIR}/tests/host/fakes/machine.h ${CMAKE_SOURCE_DIR}/tests/host/images.h)
  endif()
  list(APPEND programs ${name})
endforeach()

# fakes comes first: its hal/window.h replaces the real one.
foreach(program ${programs})
  target_include_directories(${program} PRIVATE tests/host tests/host/fakes src include)
endforeach()

# Disk images by other people's tools. Each tests/host/images/NAME.py OUTPUT-FOLDER makes some.
file(GLOB makers CONFIGURE_DEPENDS tests/host/images/*.py)
list(FILTER makers EXCLUDE REGEX "/tree.py$")
foreach(maker ${makers})
  get_filename_component(name ${maker} NAME_WE)
  set(stamp ${CMAKE_BINARY_DIR}/images/${name}.stamp)
  add_custom_command(OUTPUT ${stamp}
    COMMAND /usr/bin/python3 ${maker} ${CMAKE_BINARY_DIR}/images
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${maker} tests/host/images/tree.py COMMENT "Making ${name} images")
  list(APPEND stamps ${stamp})
endforeach()
add_custom_target(images ALL DEPENDS ${stamps})
foreach(program ${programs})
  target_compile_definitions(${program} PRIVATE VESPER_IMAGES="${CMAKE_BINARY_DIR}/images"
    VESPER_TESTS="${CMAKE_SOURCE_DIR}/tests")
  add_dependencies(${program} images)
endforeach()

# The interface of include/vesper.h, for the i386, in every language that may include it.
foreach(dialect c89 c99 c17 c++98 c++11 c++20)
  set(stamp ${CMAKE_BINARY_DIR}/api_layout_${dialect}.stamp)
  set(compiler gcc)
  if(dialect MATCHES "\\+")
    set(compiler g++ -x c++)
  endif()
  add_custom_command(OUTPUT ${stamp}
    COMMAND ${compiler} -std=${dialect} -m32 -ffreestanding -fsyntax-only -pedantic -Wall -Wextra
      -Werror -I${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/tests/host/api_layout.c
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS tests/host/api_layout.c include/vesper.h VERBATIM)
  list(APPEND dialects ${stamp})
endforeach()
add_custom_target(api_layout ALL DEPENDS ${dialects})

# A driver carried away: with the headers of src/hal, its own pieces, and tests/carried in place of
# the kernel. It has to work, not only to compile.
add_executable(carried tests/carried/main.cpp tests/carried/supply.cpp
  src/drivers/block/ide.cpp src/block/ata.cpp src/block/ata_modes.cpp src/block/ata_queue.cpp
  src/block/atapi.cpp src/block/piix.cpp
  src/block/scsi.cpp src/block/scsi_disk.cpp src/block/device.cpp src/lib/format.cpp
  src/lib/log.cpp src/lib/error.cpp)
target_include_directories(carried PRIVATE tests/carried src)
target_compile_options(carried PRIVATE ${sanitize})
target_link_options(carried PRIVATE ${sanitize})
add_custom_command(TARGET carried POST_BUILD  # what a driver makes, it keeps for ever
  COMMAND ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0 $<TARGET_FILE:carried> VERBATIM)
