//! Which steps must not be torn apart? Each is one script, which Redis runs whole or not at all.

/// What of the state is compared and set.
///
/// Keys: head, state, revisions, audit; where a note goes along, the notes and when they end. Arguments: the epoch where there is none yet, the expected revision, the expected
/// number of audit lines, the fence or nothing, the new revision, its entry, how many revisions and how many lines to keep,
/// the channel, the epoch that it must be or nothing, the last moment at which it may be done; the number of changes, and key,
/// whether there is a value, and value of each; the note's key, value, milliseconds and the only one that may be there before
/// or nothing; then seq, hash and text of each line.
///
/// The moment is one of this server's own clock, in microseconds since 1970. Whoever sent it has given it up since, and
/// perhaps told somebody so: from a socket's buffer it must not take effect then, on top of what was decided meanwhile.
pub(super) const COMMIT: &str = r"
local time = redis.call('TIME')
if tonumber(time[1]) * 1000000 + tonumber(time[2]) > tonumber(ARGV[11]) then return {'late', '', ''} end
local head = redis.call('HMGET', KEYS[1], 'revision', 'seq', 'hash', 'fence', 'epoch')
if ARGV[10] ~= '' and head[5] and head[5] ~= ARGV[10] then return {'foreign', head[5], ''} end
if (head[1] or '0') ~= ARGV[2] then return {'conflict', head[1] or '0', ''} end
if ARGV[4] ~= '' and (head[4] or '0') ~= ARGV[4] then return {'fenced', head[4] or '0', ''} end
if (head[2] or '0') ~= ARGV[3] then return {'audited', head[2] or '0', head[3] or ''} end
local undo, at = {}, 13
if KEYS[5] then
  local note = 13 + 3 * tonumber(ARGV[12])
  local found = redis.call('HGET', KEYS[5], ARGV[note])
  if ARGV[note + 3] ~= '' and found and found ~= ARGV[note + 3] then return {'repeated', '', ''} end
  local ends = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[note + 2])
  redis.call('HSET', KEYS[5], ARGV[note], ARGV[note + 1])
  redis.call('ZADD', KEYS[6], ends, ARGV[note])
end
for n = 1, tonumber(ARGV[12]) do
  local key, is_set, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local was = redis.call('HGET', KEYS[2], key)
  undo[n] = {key, was and '1' or '0', was or ''}
  if is_set == '1' then redis.call('HSET', KEYS[2], key, value) else redis.call('HDEL', KEYS[2], key) end
  at = at + 3
end
redis.call('HSET', KEYS[3], ARGV[5], ARGV[6], ARGV[5] .. ':undo', cjson.encode(undo))
local gone = string.format('%.0f', tonumber(ARGV[5]) - tonumber(ARGV[7]))
redis.call('HDEL', KEYS[3], gone, gone .. ':undo')
if KEYS[5] then at = at + 4 end
local seq, hash = head[2] or '0', head[3] or ''
while ARGV[at] do
  seq, hash = ARGV[at], ARGV[at + 1]
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[8], seq .. '-0', 'hash', hash, 'line', ARGV[at + 2])
  at = at + 3
end
redis.call('HSET', KEYS[1], 'revision', ARGV[5], 'seq', seq, 'hash', hash, 'epoch', head[5] or ARGV[1])
redis.pcall('PUBLISH', ARGV[9], ARGV[5])
return {'done', ARGV[5], head[5] or ARGV[1]}
";

/// What this server's clock says: seconds since 1970, and microseconds. Key: any of the state's, by which a cluster knows which
/// server is meant.
pub(super) const CLOCK: &str = "return redis.call('TIME')";

/// The audit alone. Keys: head, audit. Arguments: the expected number of lines, how many to keep; then the lines.
pub(super) const RECORD: &str = r"
local head = redis.call('HMGET', KEYS[1], 'seq', 'hash')
if (head[1] or '0') ~= ARGV[1] then return {'audited', head[1] or '0', head[2] or ''} end
local at = 3
while ARGV[at] do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], ARGV[at] .. '-0', 'hash', ARGV[at + 1], 'line', ARGV[at + 2])
  redis.call('HSET', KEYS[1], 'seq', ARGV[at], 'hash', ARGV[at + 1])
  at = at + 3
end
return {'done', '', ''}
";

/// The state at a revision, or at the newest where none is given. Keys: head, state, revisions. Argument: the revision, or
/// nothing. Gives the revision's entry, the present state, and what has to be undone on the way back to it, newest first.
pub(super) const LOAD: &str = r"
local newest = redis.call('HGET', KEYS[1], 'revision')
if not newest then return {'', {}, {}} end
local wanted = ARGV[1] ~= '' and ARGV[1] or newest
local entry = redis.call('HGET', KEYS[3], wanted)
if not entry or tonumber(wanted) > tonumber(newest) then return {'', {}, {}} end
local undo = {}
for n = tonumber(newest), tonumber(wanted) + 1, -1 do
  undo[#undo + 1] = redis.call('HGET', KEYS[3], string.format('%.0f', n) .. ':undo') or ''
end
return {entry, redis.call('HGETALL', KEYS[2]), undo}
";

/// A span of entries. Keys: head, revisions. Arguments: the first and the last.
pub(super) const ENTRIES: &str = r"
local newest = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0')
local found = {}
for n = tonumber(ARGV[1]), math.min(tonumber(ARGV[2]), newest) do
  local entry = redis.call('HGET', KEYS[2], string.format('%.0f', n))
  if entry then found[#found + 1] = entry end
end
return found
";

/// A note where there is none. Keys: the notes, when they end. Arguments: key, value, for how many milliseconds, how many
/// notes at most, and whether it goes into the place of another one.
pub(super) const NOTE: &str = r"
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)
local surplus = redis.call('ZCARD', KEYS[2]) - #over - tonumber(ARGV[4]) + 1
if surplus > 0 then
  local first = #over
  for _, key in ipairs(redis.call('ZRANGE', KEYS[2], first, first + surplus - 1)) do over[#over + 1] = key end
end
for _, key in ipairs(over) do
  redis.call('HDEL', KEYS[1], key)
  redis.call('ZREM', KEYS[2], key)
end
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found and ARGV[5] ~= '1' then return found end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[1])
return false
";

/// Notes that are not over. Keys: the notes, when they end.
pub(super) const NOTES: &str = r"
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local found = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], now, '+inf')) do
  local value = redis.call('HGET', KEYS[1], key)
  if value then found[#found + 1] = {key, value} end
end
return found
";

/// Notes that stay. Key: the notes. Arguments: key, whether there is a value, and value of each.
pub(super) const KEEP: &str = r"
for at = 1, #ARGV, 3 do
  if ARGV[at + 1] == '1' then redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 2])
  else redis.call('HDEL', KEYS[1], ARGV[at]) end
end
return 'done'
";

/// The lease, taken where nobody has it and kept where the asker does. Keys: lease, head. Arguments: who asks, for how many
/// milliseconds. Gives the fence, or nothing.
pub(super) const LEASE: &str = r"
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return redis.call('HGET', KEYS[2], 'fence')
end
if holder then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return tostring(redis.call('HINCRBY', KEYS[2], 'fence', 1))
";

/// Lines of an audit that is put aside. Key: the stream. Arguments: seq, hash and text of each.
pub(super) const STAGE_LINES: &str = r"
for at = 1, #ARGV, 3 do
  local id = ARGV[at] .. '-0'
  if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
    redis.call('XADD', KEYS[1], id, 'hash', ARGV[at + 1], 'line', ARGV[at + 2])
  end
end
return 'done'
";

/// A whole state that was put aside, into its place, if nothing is there. Keys: head; then where each part is, and where it
/// belongs. Arguments: by what this moving is known again, the revision, the audit's newest link, the epoch.
pub(super) const PLACE: &str = r"
if redis.call('HGET', KEYS[1], 'moved') == ARGV[1] then return 'done' end
local there = redis.call('EXISTS', KEYS[1])
for n = 3, #KEYS, 2 do there = there + redis.call('EXISTS', KEYS[n]) end
if there > 0 then
  for n = 2, #KEYS, 2 do redis.call('DEL', KEYS[n]) end
  return 'not_empty'
end
for n = 2, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[n]) == 1 then
    redis.call('RENAME', KEYS[n], KEYS[n + 1])
    redis.call('PERSIST', KEYS[n + 1])
  end
end
redis.call('HSET', KEYS[1], 'moved', ARGV[1], 'revision', ARGV[2], 'seq', ARGV[3], 'hash', ARGV[4], 'epoch', ARGV[5])
return 'done'
";
