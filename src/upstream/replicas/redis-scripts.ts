import { LOCK_MS } from './shared-store.ts';

/** What every key and channel begins with, so that an operator can grant them by one pattern. */
export const PREFIX = 'backfill-gateway:';
export const NEWS = `${PREFIX}news`;

/** Nothing in flight lasts longer than marks do that nobody asks for. */
const MARK_MS = 30 * 60_000;
/** Whoever waits for a call looks at its outcome sooner. */
const OUTCOME_MS = 5_000;
const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const HOUR_KEPT_MS = (HOUR_MINUTES + 2) * MINUTE_MS;
const CLOCK_KEPT_MS = 24 * HOUR_MINUTES * MINUTE_MS;
/** A replica that has not reported for as long is gone. */
const REPLICA_GONE_MS = 5_000;

/**
 * Each script gets one argument in JSON, and what is sealed as further arguments. A script is one step for everybody, so
 * between its look and its change nobody else changes anything. The names in `r` are random texts that a script may need,
 * since it has no random source of its own.
 *
 * | key | type | holds |
 * | --- | --- | --- |
 * | `clock` | hash | `at`: the latest moment seen; `epoch` |
 * | `k:NAME` | hash | of a credential or team: `m` mark, `v` version, `at` its moment, `s` sealed standing |
 * | `v:NAME` | hash | of a resource: `m` mark, `a` when the value was given, `b` the sealed value |
 * | `l:NAME` | string | who makes the call |
 * | `o:HOLDER` | string | how it failed, sealed |
 * | `h:NAME` | hash | calls by minute |
 * | `d:NAME` | hash | calls that each replica foresees |
 * | `replicas` | sorted set | when each reported last |
 */
const PRELUDE = `
local a = cjson.decode(ARGV[1])
local function key(kind, name) return '${PREFIX}' .. kind .. ':' .. name end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local clock = redis.call('HMGET', '${PREFIX}clock', 'at', 'epoch')
local epoch = clock[2]
if not epoch or now < tonumber(clock[1]) then epoch = a.random end
redis.call('HSET', '${PREFIX}clock', 'at', now, 'epoch', epoch)
redis.call('PEXPIRE', '${PREFIX}clock', ${CLOCK_KEPT_MS})
local function same(one, other)
  if #one ~= #other then return false end
  for i = 1, #one do if one[i] ~= other[i] then return false end end
  return true
end
local function marksOf(kind, names)
  local marks = {}
  for i, name in ipairs(names) do
    local mark = redis.call('HGET', key(kind, name), 'm')
    if not mark then
      mark = a.random .. kind .. name
      redis.call('HSET', key(kind, name), 'm', mark)
      redis.call('PEXPIRE', key(kind, name), ${MARK_MS})
    end
    marks[i] = mark
  end
  return marks
end
local function count(names, calls)
  local minute = math.floor(now / ${MINUTE_MS})
  for _, name in ipairs(names) do
    redis.call('HINCRBY', key('h', name), minute, calls)
    redis.call('PEXPIRE', key('h', name), ${HOUR_KEPT_MS})
  end
end
local function holds(lock)
  for _, name in ipairs(lock.names) do
    if redis.call('GET', key('l', name)) ~= lock.holder then return false end
  end
  return true
end
local function letGo(lock)
  for _, name in ipairs(lock.names) do
    if redis.call('GET', key('l', name)) == lock.holder then redis.call('DEL', key('l', name)) end
  end
end
local function tell(names)
  if #names > 0 then redis.call('PUBLISH', '${NEWS}', table.concat(names, ' ')) end
end
`;

/** See `SharedStore.ask`. */
const ASK = `
local function standingOf(names)
  local marks = marksOf('k', names)
  local versions, latest, under, sealed = {}, -1, 0, false
  for i, name in ipairs(names) do
    local s = redis.call('HMGET', key('k', name), 'v', 'at', 's')
    versions[i] = s[1] or ''
    if s[3] and tonumber(s[2]) > latest then latest, under, sealed = tonumber(s[2]), i - 1, s[3] end
    if redis.call('PTTL', key('k', name)) < ${MARK_MS} then redis.call('PEXPIRE', key('k', name), ${MARK_MS}) end
  end
  return { marks, table.concat(versions, ','), under, sealed }
end
local credential = standingOf(a.credential.names)
local team = standingOf(a.team.names)
local isKnown = a.credential.version == credential[2] and a.team.version == team[2]
local told = {}
for n, r in ipairs(a.resources) do
  local marks = marksOf('v', r.names)
  local at, under, sealed = -1, 0, false
  for i, name in ipairs(r.names) do
    local v = redis.call('HMGET', key('v', name), 'a', 'b')
    if v[2] and tonumber(v[1]) > at then at, under, sealed = tonumber(v[1]), i - 1, v[2] end
  end
  local failed = r.waitsFor and redis.call('GET', key('o', r.waitsFor))
  local holder = false
  for _, name in ipairs(r.names) do holder = holder or redis.call('GET', key('l', name)) end
  if sealed and r.since and at >= r.since then
    told[n] = { 'value', marks, under, at, sealed }
  elseif failed then
    told[n] = { 'failed', failed }
  elseif holder then
    told[n] = { 'held', holder }
  elseif not r.holder then
    told[n] = { 'none' }
  elseif not isKnown then
    told[n] = { 'look' }
  else
    for _, name in ipairs(r.names) do redis.call('SET', key('l', name), r.holder, 'PX', ${LOCK_MS}) end
    count(a.hour, 1)
    told[n] = { 'mine', marks }
  end
end
return { now, epoch, credential, team, told }
`;

/** See `SharedStore.finish`. What was not asked for under the marks of now is kept by nobody. */
const FINISH = `
local isCurrent = a.epoch == epoch
  and same(a.credential.marks, marksOf('k', a.credential.names))
  and same(a.team.marks, marksOf('k', a.team.names))
  and same(a.marks, marksOf('v', a.names))
if a.at then
  local present = key('v', a.names[1])
  local before = redis.call('HGET', present, 'a')
  if isCurrent and not (before and tonumber(before) > a.at) then
    redis.call('HSET', present, 'a', a.at, 'b', ARGV[2])
    redis.call('PEXPIRE', present, a.lifeMs)
  end
elseif holds(a) then
  redis.call('SET', key('o', a.holder), ARGV[2], 'PX', ${OUTCOME_MS})
end
letGo(a)
tell(a.names)
`;

const RENEW = `
for _, lock in ipairs(a.locks) do
  if holds(lock) then
    for _, name in ipairs(lock.names) do redis.call('PEXPIRE', key('l', name), ${LOCK_MS}) end
  end
end
`;

const RELEASE = `
for _, lock in ipairs(a.locks) do
  letGo(lock)
  tell(lock.names)
end
`;

/** See `SharedStore.change`. */
const CHANGE = `
local changed = {}
for n, mark in ipairs(a.marks) do
  local kind = mark.of == 'resource' and 'v' or 'k'
  for _, name in ipairs(mark.names) do
    redis.call('HSET', key(kind, name), 'm', a.random .. kind .. n .. name)
    if kind == 'v' then redis.call('HDEL', key('v', name), 'a', 'b') end
    redis.call('PEXPIRE', key(kind, name), ${MARK_MS})
    changed[#changed + 1] = name
  end
end
if a.standing then
  for i, name in ipairs(a.standing.names) do
    redis.call('HSET', key('k', name), 'v', a.random, 'at', now, 's', ARGV[i + 1])
    redis.call('PEXPIRE', key('k', name), math.max(${MARK_MS}, a.standing.lifeMs))
    changed[#changed + 1] = name
  end
end
tell(changed)
`;

const COUNT = 'count(a.hour, a.exchanges)';

/** See `SharedStore.report`. Under two secrets the greater count is the whole one: a replica with one secret counts under one. */
const REPORT = `
redis.call('ZADD', '${PREFIX}replicas', now, a.replica)
redis.call('ZREMRANGEBYSCORE', '${PREFIX}replicas', '-inf', now - ${REPLICA_GONE_MS})
redis.call('PEXPIRE', '${PREFIX}replicas', ${REPLICA_GONE_MS})
local hours = {}
local oldest = math.floor(now / ${MINUTE_MS}) - ${HOUR_MINUTES}
for n, report in ipairs(a.reports) do
  local calls, misses, refreshes, resyncs = {}, 0, 0, 0
  for _, name in ipairs(report.hour) do
    local hour = key('h', name)
    for _, remembered in ipairs(report.remembered) do
      local minute, known = remembered[1], remembered[2]
      if minute >= oldest and known > tonumber(redis.call('HGET', hour, minute) or 0) then
        redis.call('HSET', hour, minute, known)
        redis.call('PEXPIRE', hour, ${HOUR_KEPT_MS})
      end
    end
    local counts = redis.call('HGETALL', hour)
    for i = 1, #counts, 2 do
      local minute, known = tonumber(counts[i]), tonumber(counts[i + 1])
      if minute < oldest then redis.call('HDEL', hour, counts[i])
      elseif minute >= report.from then calls[minute] = math.max(calls[minute] or 0, known) end
    end
  end
  local foreseen = key('d', report.hour[#report.hour])
  redis.call('HSET', foreseen, a.replica, cjson.encode({ now, report.foreseen }))
  redis.call('PEXPIRE', foreseen, ${REPLICA_GONE_MS})
  local all = redis.call('HGETALL', foreseen)
  for i = 1, #all, 2 do
    local at, of = unpack(cjson.decode(all[i + 1]))
    if at > now or at < now - ${REPLICA_GONE_MS} then redis.call('HDEL', foreseen, all[i])
    else misses, refreshes, resyncs = misses + of.misses, refreshes + of.refreshes, resyncs + of.resyncs end
  end
  local flat = {}
  for minute, known in pairs(calls) do flat[#flat + 1] = minute flat[#flat + 1] = known end
  hours[n] = { flat, tostring(misses), tostring(refreshes), tostring(resyncs) }
end
return { now, redis.call('ZCARD', '${PREFIX}replicas'), hours }
`;

export const SCRIPTS = {
  ask: PRELUDE + ASK,
  finish: PRELUDE + FINISH,
  renew: PRELUDE + RENEW,
  release: PRELUDE + RELEASE,
  change: PRELUDE + CHANGE,
  count: PRELUDE + COUNT,
  report: PRELUDE + REPORT,
} as const;
