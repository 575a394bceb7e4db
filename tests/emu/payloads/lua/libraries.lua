-- SPDX-License-Identifier: BSD-2-Clause
-- Every standard library of Lua, on Vesper. Arguments: a b "c d".
local function fails(message, f, ...)
  local ok, said = pcall(f, ...)
  assert(not ok and tostring(said):find(message, 1, true), said)
end

-- arguments and the environment
assert(arg[0] == "/libraries.lua" and #arg == 3 and arg[3] == "c d" and select("#", ...) == 3)
assert(os.getenv("NAME") == "value" and os.getenv("NONE") == nil)

-- base
assert(_VERSION == "Lua 5.4" and load("return 6 * 7")() == 42 and not load("]"))
assert(tostring(1 / 3) == "0.33333333333333" and 7 // 2 == 3 and 7 / 2 == 3.5 and 2 ^ 53 == 2 ^ 53 // 1)
assert(math.maxinteger + 1 == math.mininteger and 0x7fffffffffffffff == math.maxinteger)
assert(tonumber("0x1p4") == 16 and tonumber("1e1") == 10 and tonumber("z", 36) == 35)
assert(select(2, pcall(error, { code = 5 })).code == 5 and dofile("/module.lua").name == "module")
local closed
do local guard <close> = setmetatable({}, { __close = function() closed = true end }) end
assert(closed)
for i = 1, 5 do local garbage = {} for j = 1, 20000 do garbage[j] = { j } end end
collectgarbage()
assert(collectgarbage("count") < 4096)
local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
assert(deep(10000) == 10000)
fails("stack overflow", function() local function f() return 1 + f() end return f() end)
fails("resulting string too large", function() return ("x"):rep(1 << 40) end)
fails("not enough memory", function() local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(1 << 20) .. i end end)
collectgarbage()

-- string
assert(("%5.2f|%-4s|%q|%x"):format(3.14159, "ab", "x\n", 255) == " 3.14|ab  |\"x\\\n\"|ff")
assert(("%a"):format(1) == "0x1p+0" and ("%.14g"):format(0.1) == "0.1" and ("%d"):format(3.0) == "3")
assert(("hello world"):gsub("o", "0", 1) == "hell0 world" and ("key=val"):match("(%w+)=(%w+)") == "key")
assert(string.unpack("<i4d", string.pack("<i4d", -2, 0.5)) == -2 and #string.dump(deep) > 50)
assert(("x"):rep(3, ",") == "x,x,x" and ("abc"):byte(-1) == 99 and ("ABC"):lower() == "abc")
fails("attempt to compare", function() return {} < 1 end)

-- table, math, utf8
local t = { 5, 2, 8, 1 }
table.sort(t, function(a, b) return a > b end)
assert(table.concat(t, " ") == "8 5 2 1" and select("#", table.unpack(t)) == 4 and #table.move(t, 1, 4, 3) == 6)
table.insert(t, 1, "first")
assert(table.remove(t, 1) == "first" and table.pack(1, nil).n == 2)
assert(math.floor(-3.5) == -4 and math.type(1) == "integer" and math.fmod(-6, 4) == -2 and math.ult(1, -1))
assert(math.abs(math.sin(math.pi / 6) - 0.5) < 1e-15 and math.sqrt(2) ^ 2 - 2 < 1e-15 and math.exp(0) == 1)
math.randomseed(42)
local r = math.random(1, 100)
assert(r >= 1 and r <= 100 and math.random() < 1 and math.tointeger(3.0) == 3)
assert(utf8.char(0x20ac, 0x48) == "€H" and utf8.len("naïve") == 5 and utf8.codepoint("ß") == 0xdf)

-- coroutine
local squares = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)
assert(squares() + squares() + squares() == 14)
local stuck = coroutine.create(function() error("within") end)
assert(not coroutine.resume(stuck) and coroutine.status(stuck) == "dead")

-- io
local name = os.tmpname()
local file = assert(io.open(name, "w+"))
assert(file:write("first\n", 2, " ", 3.5, "\nlast") and file:seek("set") == 0)
assert(file:read("l") == "first" and file:read("n") == 2 and file:read("n") == 3.5 and file:read("L") == "\n")
assert(file:read("a") == "last" and file:read("l") == nil and file:seek("end") == 16 and file:close())
local lines = {}
for line in io.lines(name) do lines[#lines + 1] = line end
assert(#lines == 3 and io.type(file) == "closed file")
assert(os.rename(name, "ram:/renamed") and not io.open(name) and os.remove("ram:/renamed"))
assert(select(2, io.open("/none")) == "/none: No such file or directory" and select(3, os.remove("ram:/none")) == 2)
io.output("ram:/out"):write("x"):close()
io.output(io.stdout)
assert(io.input("ram:/out"):read("a") == "x" and io.input():close())
local temporary = io.tmpfile()
assert(temporary:write("y") and temporary:seek("set") == 0 and temporary:read(1) == "y")
fails("popen", io.popen, "ls")

-- os
assert(os.time({ year = 2001, month = 9, day = 9, hour = 1, min = 46, sec = 40 }) == 1000000000)
assert(os.date("!%Y-%m-%d %H:%M:%S", 86399) == "1970-01-01 23:59:59" and os.date("*t").year == 2031)
assert(os.clock() > 0 and os.difftime(5, 3) == 2 and os.setlocale() == "C")
assert(os.execute() == false and select(2, os.execute("ls")) == "Function not implemented")

-- package, debug
assert(require("module").answer() == 42 and package.loaded.module and package.config:sub(1, 1) == "/")
assert(select(2, pcall(require, "nothing")):find("no file './nothing.lua'", 1, true))
assert(select(2, package.loadlib("x", "y")):find("not enabled"))
assert(debug.getinfo(1, "S").short_src == "/libraries.lua" and debug.traceback():find("libraries.lua"))
print("all libraries work")
os.exit(77)
