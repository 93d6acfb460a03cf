import { LOCK_MS } from './shared-store.ts';

/** What every key and channel begins with, so that an operator can grant them by one pattern. */
export const PREFIX = 'backfill-gateway:';
export const NEWS = `${PREFIX}news`;

/** The mark of a credential or team lasts as long after it was asked for, and that of a resource as long as its value. */
const STANDING_MS = 30 * 60_000;
/** Nothing in flight lasts longer. */
const MARK_MS = 5 * 60_000;
/** Whoever waits for a call looks at its outcome sooner. */
const OUTCOME_MS = 5_000;
const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const HOUR_KEPT_MS = (HOUR_MINUTES + 2) * MINUTE_MS;
const CLOCK_KEPT_MS = 24 * HOUR_MINUTES * MINUTE_MS;
/** A replica that has not reported for as long is gone. */
const REPLICA_GONE_MS = 5_000;
/** What was foreseen counts for as long as it may take until the next report. */
const FORESEEN_MS = 15_000;
/** One replica sets the stretch for all of them, no more often. */
const STRETCH_MS = 900;

/**
 * Each script gets one argument in JSON, and what is sealed as further arguments. A script is one step for everybody, so
 * between its look and its change nobody else changes anything. `random` in the argument makes new marks: a script has no
 * random source of its own that nobody could foresee.
 *
 * | key | type | holds |
 * | --- | --- | --- |
 * | `clock` | hash | `at`: the latest moment seen; `epoch` |
 * | `k:NAME` | hash | of a credential or team: `m` mark, `v` version, `p` the one before, `s` sealed standing, `at` its moment |
 * | `m:NAME` | string | the mark of a resource |
 * | `v:NAME` | hash | of a resource: `b` the sealed value, `a` when it was given |
 * | `x:NAME` | hash | the marks by both names, as they were last |
 * | `l:NAME` | string | who makes the call |
 * | `o:HOLDER` | string | how it failed, sealed |
 * | `h:NAME` | hash | calls by minute, `g` generation, `r` revision |
 * | `d:NAME` | hash | calls that each replica foresees |
 * | `s:NAME` | hash | `by` what lifetimes are stretched, `at` its moment |
 * | `replicas` | sorted set | when each reported last |
 * | `r:NAME` | sorted set | the same of those that share under one secret |
 *
 * While a secret is replaced, everything has two names, and marks by both. A replica that knows one secret changes one mark.
 * Whoever knows both finds that the two no longer belong together, and renews the other one. So a value is bound to the marks
 * by its own name alone, and every replica that has the secret of the name can open it.
 */
const PRELUDE = `
local a = cjson.decode(ARGV[1])
local function key(kind, name) return '${PREFIX}' .. kind .. ':' .. name end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local clock = redis.call('HMGET', '${PREFIX}clock', 'at', 'epoch')
local epoch = clock[2]
if not epoch or now < (tonumber(clock[1]) or now) then epoch = a.random end
redis.call('HSET', '${PREFIX}clock', 'at', now, 'epoch', epoch)
redis.call('PEXPIRE', '${PREFIX}clock', ${CLOCK_KEPT_MS})
local function same(one, other)
  if #one ~= #other then return false end
  for i = 1, #one do if one[i] ~= other[i] then return false end end
  return true
end
local function linked(names, marks, renew)
  if #names == 1 then return marks end
  local link = key('x', names[1])
  local known = redis.call('HMGET', link, '1', '2')
  local isOther = { known[1] ~= marks[1], known[2] ~= marks[2] }
  if known[1] and isOther[1] ~= isOther[2] then
    local kept = isOther[1] and 2 or 1
    marks[kept] = a.random .. 'x' .. names[kept]
    renew(names[kept], marks[kept])
  end
  redis.call('HSET', link, '1', marks[1], '2', marks[2])
  redis.call('PEXPIRE', link, ${STANDING_MS})
  return marks
end
local function marksOf(names)
  local marks = {}
  for i, name in ipairs(names) do
    marks[i] = redis.call('HGET', key('k', name), 'm')
    if not marks[i] then
      marks[i] = a.random .. name
      redis.call('HSET', key('k', name), 'm', marks[i])
    end
    redis.call('PEXPIRE', key('k', name), ${STANDING_MS})
  end
  return linked(names, marks, function(name, mark) redis.call('HSET', key('k', name), 'm', mark) end)
end
local function resourceMarksOf(names)
  local marks = {}
  for i, name in ipairs(names) do
    marks[i] = redis.call('GET', key('m', name))
    if not marks[i] then
      marks[i] = a.random .. name
      redis.call('SET', key('m', name), marks[i], 'PX', ${MARK_MS})
    elseif redis.call('PTTL', key('m', name)) < ${MARK_MS} then
      redis.call('PEXPIRE', key('m', name), ${MARK_MS})
    end
  end
  return linked(names, marks, function(name, mark) redis.call('SET', key('m', name), mark, 'PX', ${MARK_MS}) end)
end
local function keep(names, at, sealed, lifeMs)
  redis.call('HSET', key('v', names[1]), 'a', at, 'b', sealed)
  redis.call('PEXPIRE', key('v', names[1]), lifeMs)
  for _, name in ipairs(names) do
    if redis.call('PTTL', key('m', name)) < lifeMs then redis.call('PEXPIRE', key('m', name), lifeMs) end
  end
end
local function count(names, calls)
  local minute, greatest = math.floor(now / ${MINUTE_MS}), 0
  for _, name in ipairs(names) do
    greatest = math.max(greatest, redis.call('HINCRBY', key('h', name), minute, calls))
    redis.call('PEXPIRE', key('h', name), ${HOUR_KEPT_MS})
  end
  return { minute, greatest }
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
local function answered(teamNames, names)
  redis.call('PUBLISH', '${NEWS}', 'a ' .. a.replica .. ' ' .. table.concat(teamNames, ',') .. ' ' .. table.concat(names, ','))
end
`;

/** See `SharedStore.ask`. */
const ASK = `
local function once(texts)
  for _, text in ipairs(texts) do
    if text ~= texts[1] then return table.concat(texts, ',') end
  end
  return texts[1]
end
local function standingOf(names)
  local marks, versions, previous, latest, under, sealed = marksOf(names), {}, {}, -1, 0, false
  for i, name in ipairs(names) do
    local s = redis.call('HMGET', key('k', name), 'v', 'at', 's', 'p')
    versions[i], previous[i] = s[1] or '', s[4] or ''
    local at = tonumber(s[2]) or -1
    if s[3] and at > latest then latest, under, sealed = at, i - 1, s[3] end
  end
  return { marks, once(versions), once(previous), under, sealed }
end
local credential = standingOf(a.credential.names)
local team = standingOf(a.team.names)
local isKnown = a.credential.version == credential[2] and a.team.version == team[2]
local told, calls = {}, 0
for n, r in ipairs(a.resources) do
  local marks = resourceMarksOf(r.names)
  local at, under, sealed = -1, 0, false
  for i, name in ipairs(r.names) do
    local v = redis.call('HMGET', key('v', name), 'a', 'b')
    local given = tonumber(v[1]) or -1
    if v[2] and given > at then at, under, sealed = given, i - 1, v[2] end
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
    told[n] = { 'none', marks }
  elseif not isKnown then
    told[n] = { 'look' }
  else
    for _, name in ipairs(r.names) do redis.call('SET', key('l', name), r.holder, 'PX', ${LOCK_MS}) end
    calls = calls + 1
    told[n] = { 'mine', marks }
  end
end
local counted = calls > 0 and count(a.hour, calls)
return { now, epoch, credential, team, told, counted }
`;

/** See `SharedStore.finish`. What was not asked for under the marks of now is kept by nobody. */
const FINISH = `
local isCurrent = a.under.epoch == epoch
  and same(a.under.ofCredential.marks, marksOf(a.under.ofCredential.names))
  and same(a.under.ofTeam.marks, marksOf(a.ofTeam))
  and same(a.under.marks, resourceMarksOf(a.names))
if a.at then
  local before = tonumber(redis.call('HGET', key('v', a.names[1]), 'a')) or -1
  if isCurrent and before <= a.at then keep(a.names, a.at, ARGV[2], a.lifeMs) end
elseif holds(a) then
  redis.call('SET', key('o', a.holder), ARGV[2], 'PX', ${OUTCOME_MS})
end
letGo(a)
answered(a.ofTeam, a.names)
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
  answered(lock.ofTeam, lock.names)
end
`;

/** See `SharedStore.change`. */
const CHANGE = `
for i, name in ipairs(a.of) do
  redis.call('HSET', key('k', name), 'p', redis.call('HGET', key('k', name), 'v') or '', 'v', a.version)
  if a.marks then redis.call('HSET', key('k', name), 'm', a.marks[i]) end
  if a.lifeMs then redis.call('HSET', key('k', name), 'at', now, 's', ARGV[i + 1]) end
  redis.call('PEXPIRE', key('k', name), math.max(${STANDING_MS}, a.lifeMs or 0))
end
for _, resource in ipairs(a.resources) do
  for i, name in ipairs(resource.names) do
    redis.call('DEL', key('v', name))
    redis.call('SET', key('m', name), resource.marks[i], 'PX', ${MARK_MS})
  end
  if resource.at then keep(resource.names, resource.at, ARGV[resource.arg], resource.lifeMs) end
end
redis.call('PUBLISH', '${NEWS}', 'c ' .. a.replica .. ' ' .. table.concat(a.of, ','))
`;

/**
 * See `SharedStore.report`. While a secret is replaced the hour has two names. A replica that knows one of them counts under
 * that alone, so the greater count is the whole one.
 */
const REPORT = `
local minute = math.floor(now / ${MINUTE_MS})
local oldest = minute - ${HOUR_MINUTES}
local function countsOf(hour)
  local counts, total = {}, 0
  local all = redis.call('HGETALL', hour)
  for i = 1, #all, 2 do
    local at, known = tonumber(all[i]), tonumber(all[i + 1])
    if at and at < oldest then redis.call('HDEL', hour, all[i])
    elseif at and known then counts[at], total = known, total + known end
  end
  return counts, total
end
local function add(hour, at, by)
  if at < oldest or at > minute then return end
  redis.call('HINCRBY', hour, at, by)
  if at < minute then redis.call('HINCRBY', hour, 'r', 1) end
end
local function revise(hour, report)
  for _, added in ipairs(report.added) do add(hour, added[1], added[2]) end
  local counts, total = countsOf(hour)
  for _, restored in ipairs(report.restored) do
    local at, known = restored[1], restored[2]
    if known > (counts[at] or 0) then add(hour, at, known - (counts[at] or 0)) end
  end
  if not report.told then return end
  counts, total = countsOf(hour)
  if total < report.told.least then add(hour, minute, report.told.least - total) end
  local excess = total - report.told.most
  for at = oldest, minute do
    local removed = math.min(math.max(excess, 0), counts[at] or 0)
    if removed > 0 then add(hour, at, -removed) end
    excess = excess - removed
  end
end
local function among(replicas)
  redis.call('ZADD', replicas, now, a.replica)
  redis.call('ZREMRANGEBYSCORE', replicas, '-inf', now - ${REPLICA_GONE_MS})
  redis.call('PEXPIRE', replicas, ${REPLICA_GONE_MS})
  return redis.call('ZCARD', replicas)
end
local replicas, all = 0, 0
for _, name in ipairs(a.kin) do replicas = math.max(replicas, among(key('r', name))) end
if replicas > 0 then all = among('${PREFIX}replicas') end
local hours = {}
for n, report in ipairs(a.reports) do
  local calls, generations, revision = {}, {}, 0
  for i, name in ipairs(report.hour) do
    local hour = key('h', name)
    redis.call('HSETNX', hour, 'g', a.random .. i .. name)
    revise(hour, report)
    redis.call('PEXPIRE', hour, ${HOUR_KEPT_MS})
    generations[i] = redis.call('HGET', hour, 'g')
    revision = revision + tonumber(redis.call('HGET', hour, 'r') or 0)
    for at, known in pairs((countsOf(hour))) do calls[at] = math.max(calls[at] or 0, known) end
  end
  local generation = table.concat(generations, ',')
  local isKnown = report.known and report.known.generation == generation and report.known.revision == revision
  local flat = {}
  for at, known in pairs(calls) do
    if at >= minute - 1 or not isKnown then flat[#flat + 1] = at flat[#flat + 1] = known end
  end
  local shared = report.hour[#report.hour]
  local foreseen, misses, refreshes, resyncs = key('d', shared), 0, 0, 0
  redis.call('HSET', foreseen, a.replica, cjson.encode({ now, report.foreseen }))
  redis.call('PEXPIRE', foreseen, ${FORESEEN_MS})
  local all = redis.call('HGETALL', foreseen)
  for i = 1, #all, 2 do
    local at, of = unpack(cjson.decode(all[i + 1]))
    if at > now or at < now - ${FORESEEN_MS} then redis.call('HDEL', foreseen, all[i])
    else misses, refreshes, resyncs = misses + of.misses, refreshes + of.refreshes, resyncs + of.resyncs end
  end
  local stretch = redis.call('HMGET', key('s', shared), 'at', 'by')
  if not stretch[1] or tonumber(stretch[1]) > now or tonumber(stretch[1]) < now - ${STRETCH_MS} then
    stretch = { now, tostring(report.stretch) }
    redis.call('HSET', key('s', shared), 'at', now, 'by', stretch[2])
    redis.call('PEXPIRE', key('s', shared), ${FORESEEN_MS})
  end
  hours[n] = { generation, revision, flat, tostring(misses), tostring(refreshes), tostring(resyncs), stretch[2] }
end
return { now, replicas, all - replicas, hours }
`;

export const SCRIPTS = {
  ask: PRELUDE + ASK,
  finish: PRELUDE + FINISH,
  renew: PRELUDE + RENEW,
  release: PRELUDE + RELEASE,
  change: PRELUDE + CHANGE,
  report: PRELUDE + REPORT,
} as const;
