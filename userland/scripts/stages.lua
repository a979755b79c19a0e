-- What Lua asks of C's library: files, programs, time, and much memory.
local name = os.tmpname()
local file = assert(io.open(name, "w+"))
for i = 1, 1000 do file:write(i, "\n") end
file:seek("set")
local sum = 0
for line in file:lines("n") do sum = sum + line end
file:close()
assert(sum == 500500 and os.remove(name) and not io.open(name))
local pipe = io.popen("seq 10 | tail -n 1")
assert(pipe:read("a") == "10\n" and pipe:close())
local _, how, code = os.execute("exit 3")
assert(how == "exit" and code == 3)
_, how, code = os.execute("kill -9 $$")
assert(how == "signal" and code == 9)
local function numbers(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end
local seen = {}
for i in numbers(5000) do seen[#seen + 1] = string.rep("x", i % 97) end
collectgarbage()
assert(#table.concat(seen) == 238887)
assert(pcall(error, {}) == false and select("#", string.byte("abc", 1, -1)) == 3)
assert(os.date("!%F", 0) == "1970-01-01" and os.clock() >= 0)
print(_VERSION, math.maxinteger, 2 ^ 53 == 2 ^ 53 + 1.0, string.format("%.3f %5d|%q", math.pi, 42, "a\n"))
