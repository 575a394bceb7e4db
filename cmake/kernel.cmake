# SPDX-License-Identifier: BSD-2-Clause
# The kernel: one ELF file, made of what conf/${VESPER_CONFIG} names.
set(VESPER_CONFIG GENERIC CACHE STRING "a file in conf/")
include(cmake/config.cmake)
read_config(${CMAKE_SOURCE_DIR}/conf/${VESPER_CONFIG})

file(GLOB sources CONFIGURE_DEPENDS
  src/*.cpp src/boot/*.cpp src/boot/*.S src/arch/*.cpp src/arch/*.S src/hal/*.cpp src/lib/*.cpp
  src/bus/device.cpp src/bus/registry.cpp src/bus/msi.cpp src/bus/virtio.cpp src/block/*.cpp
  src/fs/vfs.cpp src/fs/volumes.cpp src/fs/open_file.cpp src/fs/removed_names.cpp src/fs/nodes.cpp
  src/fs/name_index.cpp
  src/fs/clusters/*.cpp
  src/console/*.cpp
  src/debug/breakpoint.cpp src/debug/gdb_stub.cpp src/debug/report.cpp src/debug/stop.cpp
  src/debug/transfer.cpp
  src/api/*.cpp src/api/*.S src/monitor/*.cpp)
# Parts of src/block that the configuration does not name.
set(block_scsi scsi scsi_disk atapi)
set(block_gpt gpt)
set(block_el_torito el_torito)
set(block_ata_queue ata_queue)
foreach(part scsi gpt el_torito ata_queue)
  foreach(source ${block_${part}})
    if(NOT part IN_LIST config_blocks)
      list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/src/block/${source}.cpp)
    endif()
  endforeach()
endforeach()
# What only the tools in src/debug need is left out of the kernel with them.
list(APPEND sources src/debug/decode.cpp src/debug/symbol_table.cpp src/debug/record.cpp)

# The gates and tables of the API are made from its header.
set(api ${CMAKE_BINARY_DIR}/api)
file(MAKE_DIRECTORY ${api})
add_custom_command(
  OUTPUT ${api}/api_tables.cpp ${api}/api_calls.h ${api}/api_gates.inc
  COMMAND /usr/bin/python3 -B -m workbench.gates ${api} ${config_calls}
  DEPENDS include/vesper.h workbench/gates.py workbench/header.py
    ${config_calls}
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)

add_executable(vesper ${sources} ${config_sources} ${CMAKE_BINARY_DIR}/config.cpp
  ${api}/api_tables.cpp ${api}/api_calls.h ${api}/api_gates.inc)
target_include_directories(vesper PRIVATE src include ${api})
set_source_files_properties(src/api/gate.S PROPERTIES OBJECT_DEPENDS ${api}/api_gates.inc)
# What each character, each request of a disk, each read of a file and each name in a directory
# pass: more code is faster, where there is room.
if(NOT VESPER_CONFIG STREQUAL TINY)
  set_source_files_properties(src/api/arguments.cpp src/api/calls/block.cpp
    src/api/calls/console.cpp src/api/calls/file.cpp src/block/cache.cpp src/block/device.cpp
    src/block/queued_disk.cpp src/block/scsi_disk.cpp src/bus/virtio.cpp
    src/console/cell_screen.cpp src/drivers/block/viblk.cpp src/drivers/block/vioscsi.cpp
    src/drivers/display/vga.cpp src/fs/clusters/file.cpp src/fs/clusters/volume.cpp
    src/fs/ext2/checksum.cpp src/fs/ext2/directory.cpp src/fs/ext2/file.cpp src/fs/ext2/hash.cpp
    src/fs/ext2/map.cpp src/fs/ffs/ffs.cpp src/fs/open_file.cpp
    PROPERTIES COMPILE_OPTIONS -O2 SKIP_PRECOMPILE_HEADERS ON)
endif()
set(flags -m32 -march=i486 -mtune=generic -Oz -g -ffreestanding -fno-pic -fno-pie
  -fno-stack-protector -fno-asynchronous-unwind-tables -fno-omit-frame-pointer
  -ffunction-sections -fdata-sections -freg-struct-return)
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  list(APPEND flags -mno-sse -mno-mmx -msoft-float -mstack-alignment=4)
else()
  list(APPEND flags -mgeneral-regs-only -mpreferred-stack-boundary=2 -malign-data=abi -flto=auto
    -fno-ipa-cp -fno-inline-functions-called-once)
endif()
target_compile_options(vesper PRIVATE ${flags}
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics>)
target_link_options(vesper PRIVATE ${flags} -nostdlib -static
  -T ${CMAKE_SOURCE_DIR}/src/arch/kernel.ld -Wl,-n
  -Wl,--gc-sections -Wl,--build-id=none -Wl,--no-warn-rwx-segments)
target_link_libraries(vesper PRIVATE gcc)
# clang reads the library's headers once; g++'s build shows whether each file includes all it needs.
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  target_precompile_headers(vesper PRIVATE <algorithm> <array> <bit> <cstring> <span>
    <string_view> <utility>)
  set_source_files_properties(src/arch/runtime.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endif()
# The symbols go to a file of their own: `vesper` is what a boot loader reads.
add_custom_command(TARGET vesper POST_BUILD
  COMMAND objcopy --only-keep-debug vesper vesper.debug
  COMMAND objcopy --strip-all --add-gnu-debuglink=vesper.debug vesper
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR} VERBATIM)
set(link_depends ${CMAKE_SOURCE_DIR}/src/arch/kernel.ld)
if("symbols_tool" IN_LIST config_tools)
  add_custom_command(TARGET vesper POST_BUILD
    COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/workbench/symbols.py vesper.debug vesper
    WORKING_DIRECTORY ${CMAKE_BINARY_DIR} VERBATIM)
  list(APPEND link_depends ${CMAKE_SOURCE_DIR}/workbench/symbols.py)
endif()
set_target_properties(vesper PROPERTIES LINK_DEPENDS "${link_depends}")
