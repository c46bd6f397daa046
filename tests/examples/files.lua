-- SPDX-License-Identifier: GPL-2.0-only
-- For wrk: asks for each file of the list once, in an order of its own, and ends. So that no
-- answer is cut off that counts, it goes on from the start until the last ones are there.
--
--   wrk -t 1 ... -s files.lua URL -- LIST ROUNDS MORE

local requests, at, last = {}, 0, 0

function init(args)
	for name in io.lines(args[1]) do
		requests[#requests + 1] = wrk.format("GET", "/" .. name)
	end
	-- As each client has its own favourites, so each run has the same order.
	math.randomseed(7)
	for i = #requests, 2, -1 do
		local j = math.random(i)
		requests[i], requests[j] = requests[j], requests[i]
	end
	last = #requests * tonumber(args[2]) + tonumber(args[3])
end

function request()
	at = at + 1
	if at == last then
		wrk.thread:stop()
		-- The main thread sleeps until --duration ends or a signal comes, which this one
		-- would get while it is there.
		os.execute("(sleep 0.5; kill -INT $PPID) &")
	end
	return requests[(at - 1) % #requests + 1]
end
