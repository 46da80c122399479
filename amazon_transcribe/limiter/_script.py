"""The script that keeps a fleet's count, in Lua, as Valkey and Redis run it: alone, whole.

Each call is one process's whole state: what it holds and what waits. The script makes the
count agree with it, admits whoever is first in the queue, and answers what the caller now
holds. So a call may be repeated, and one whose answer was lost is made good by the next.
"""

SCRIPT = """
local members, serials, held, queue, starts = unpack(KEYS)
local ask = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A call that lay somewhere while a newer one came would undo it.
if tonumber(redis.call('HGET', serials, ask.process) or 0) >= ask.serial then
  return redis.error_reply('STALE a newer call of this process came first')
end

-- What lies beyond any time that a call sets comes from before the clock was put back.
for _, process in ipairs(redis.call('ZRANGEBYSCORE', members, '(' .. now + ask.lease, '+inf')) do
  redis.call('ZADD', members, now + ask.lease, process)
end
if tonumber(redis.call('LINDEX', starts, -1) or 0) > now + ask.window then
  redis.call('DEL', starts)
end

-- Processes that were silent for a lease are gone; and what they had, in `tidy`.
for _, process in ipairs(redis.call('ZRANGEBYSCORE', members, '-inf', now)) do
  redis.call('ZREM', members, process)
  redis.call('HDEL', serials, process)
end
redis.call('ZADD', members, now + ask.lease, ask.process)
redis.call('HSET', serials, ask.process, ask.serial)

local alive, mine = {}, {}
for _, process in ipairs(redis.call('ZRANGE', members, 0, -1)) do alive[process] = true end
for _, ticket in ipairs(ask.held) do mine[ticket] = true end
for _, ticket in ipairs(ask.waiting) do mine[ticket] = true end

local function owner(ticket) return string.match(ticket, '^[^:]+') end

local function tidy(key)
  local kept = {}
  for _, ticket in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    if mine[ticket] or (owner(ticket) ~= ask.process and alive[owner(ticket)]) then
      kept[ticket] = true
    else
      redis.call('ZREM', key, ticket)
    end
  end
  return kept
end

local open, queued = tidy(held), tidy(queue)

-- A stream that is open counts, even where its lease was lost and the place is taken.
local missing = {}
for _, ticket in ipairs(ask.held) do
  if not open[ticket] then
    redis.call('ZADD', held, now, ticket)
    redis.call('ZREM', queue, ticket)
    table.insert(missing, ticket)
  end
end
local last = tonumber(redis.call('ZREVRANGE', queue, 0, 0, 'WITHSCORES')[2] or 0)
for _, ticket in ipairs(ask.waiting) do
  if not open[ticket] and not queued[ticket] then
    last = last + 1
    redis.call('ZADD', queue, last, ticket)
  end
end

local due, woken = -1, {}
local first = redis.call('ZRANGE', queue, 0, 0)[1]
while first do
  if redis.call('ZCARD', held) >= ask.max_streams then
    due = redis.call('ZRANGE', members, 0, 0, 'WITHSCORES')[2] - now
    break
  end
  local oldest = redis.call('LINDEX', starts, -ask.burst)
  if oldest and oldest + ask.window > now then
    due = oldest + ask.window - now
    break
  end
  redis.call('ZREM', queue, first)
  redis.call('ZADD', held, now, first)
  redis.call('RPUSH', starts, now)
  redis.call('LTRIM', starts, -ask.burst, -1)
  open[first] = true
  if not mine[first] then woken[owner(first)] = true end
  first = redis.call('ZRANGE', queue, 0, 0)[1]
end
for process in pairs(woken) do redis.call('PUBLISH', ask.channel .. process, '') end

local granted = {}
for _, ticket in ipairs(ask.waiting) do
  if open[ticket] then table.insert(granted, ticket) end
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, 2 * math.max(ask.lease, ask.window))
end
return {
  due, redis.call('ZCARD', held), redis.call('ZCARD', queue), redis.call('ZCARD', members),
  granted, missing
}
"""
KEYS = ("members", "serials", "held", "queue", "starts")
