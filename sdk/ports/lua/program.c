/* SPDX-License-Identifier: BSD-2-Clause
 * What Lua's own sources do not say. */
const char* const vesper_program = "lua";
