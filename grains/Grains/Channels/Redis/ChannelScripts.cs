using OrleansRealtime.Redis;

namespace OrleansRealtime.Channels.Redis;

/// <summary>
/// What Redis does for the store, each in one step. KEYS are position, log, latest and latest-order, in this order and as far as
/// needed; all keys that a script touches are among them, as Redis Cluster wants it. Numbers are below 2^53 and passed as numbers:
/// Redis writes them without an exponent, and takes <c>7</c> for the entry id <c>7-0</c>.
/// </summary>
static class ChannelScripts
{
    /// <summary>
    /// Epoch to propose, epoch to replace ('' for none), milliseconds until a new channel expires. Returns epoch, head, first, revision.
    /// A position without its log, or with another one, is the rest of a channel that was lost: it begins anew.
    /// </summary>
    public static readonly RedisScript Open = new("""
        local position = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'revision')
        local epoch, head = position[1], tonumber(position[2] or 0)
        local last, first = 0, head + 1
        if redis.call('EXISTS', KEYS[2]) == 1 then
          local info = redis.call('XINFO', 'STREAM', KEYS[2])
          for i = 1, #info, 2 do
            if info[i] == 'last-generated-id' then
              last = tonumber(string.match(info[i + 1], '^%d+'))
            elseif info[i] == 'first-entry' and info[i + 1] then
              first = tonumber(string.match(info[i + 1][1], '^%d+'))
            end
          end
        end
        if not epoch or last ~= head then
          redis.call('UNLINK', unpack(KEYS))
          redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'head', 0, 'revision', 0, 'bytes', 0)
          redis.call('PEXPIRE', KEYS[1], ARGV[3])
          return {ARGV[1], 0, 1, 0}
        end
        if epoch == ARGV[2] then
          redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
          epoch = ARGV[1]
        end
        return {epoch, head, first, tonumber(position[3])}
        """);

    /// <summary>
    /// Epoch; the head before, and how many durable messages; the first and the last revision (0 for none); the sizes of the durable
    /// messages, four bytes each; the messages; key, revision and message of each latest value. Returns 1, or 0 for a conflict.
    /// <para>
    /// Nothing is written before the last check, which is the first XADD: it refuses to create a log that should be there. Where Redis
    /// is out of memory it refuses the first write of a script, and only that.
    /// </para>
    /// </summary>
    public static readonly RedisScript Append = new("""
        local call, unpack = redis.call, struct.unpack
        local position = call('HMGET', KEYS[1], 'epoch', 'head', 'bytes', 'revision')
        if position[1] ~= ARGV[1] then return 0 end
        local function expire(key)
          local expiry = call('PTTL', KEYS[1])
          if expiry > 0 then call('PEXPIRE', key, expiry) end
        end
        local durable, revision = tonumber(ARGV[3]), tonumber(ARGV[5])
        if revision > 0 and tonumber(ARGV[4]) <= tonumber(position[4]) then return 0 end
        if durable > 0 then
          if position[2] ~= ARGV[2] then return 0 end
          local head, bytes, sizes = tonumber(position[2]), tonumber(position[3]), ARGV[6]
          local created = head == 0
          for i = 1, durable do
            head = head + 1
            if head == 1 then
              call('XADD', KEYS[2], 1, 'b', bytes, 'm', ARGV[6 + i])
            elseif not call('XADD', KEYS[2], 'NOMKSTREAM', head, 'b', bytes, 'm', ARGV[6 + i]) then
              return 0
            end
            bytes = bytes + unpack('>I4', sizes, 4 * i - 3)
          end
          call('HSET', KEYS[1], 'head', head, 'bytes', bytes)
          if created then
            expire(KEYS[2])
          end
        end
        if revision > 0 then
          local created = call('EXISTS', KEYS[3]) == 0
          for i = 7 + durable, #ARGV, 3 do
            call('HSET', KEYS[3], ARGV[i], ARGV[i + 2])
            call('ZADD', KEYS[4], ARGV[i + 1], ARGV[i])
          end
          call('HSET', KEYS[1], 'revision', revision)
          if created then
            expire(KEYS[3])
            expire(KEYS[4])
          end
        end
        return 1
        """);

    /// <summary>
    /// Epoch, offset after which, count, bytes. Returns the first offset and the messages from there, one more than the bytes allow at
    /// most; or nothing. It reads in growing steps, so that it does not look at much more than it returns.
    /// </summary>
    public static readonly RedisScript Read = new("""
        if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {} end
        local after, left, bytes = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
        local found, base, step = {}, 0, 4
        while left > 0 do
          local wanted = math.min(step, left)
          local entries = redis.call('XRANGE', KEYS[2], after + 1, '+', 'COUNT', wanted)
          for i = 1, #entries do
            local entry = entries[i]
            if #found == 0 then
              after = tonumber(string.match(entry[1], '^%d+')) - 1
              base = tonumber(entry[2][2])
              found[1] = after + 1
            elseif tonumber(entry[2][2]) - base >= bytes then
              return found
            end
            found[#found + 1] = entry[2][4]
          end
          if #entries < wanted then break end
          after, left, step = after + wanted, left - wanted, math.min(2 * step, 256)
        end
        return found
        """);

    /// <summary>Epoch, revision after which. Returns revision and message of each, by rising revision.</summary>
    public static readonly RedisScript ReadLatest = new("""
        if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {} end
        local order = redis.call('ZRANGE', KEYS[4], '(' .. ARGV[2], '+inf', 'BYSCORE', 'WITHSCORES')
        local found = {}
        for i = 1, #order, 2 do
          local value = redis.call('HGET', KEYS[3], order[i])
          if value then
            found[#found + 1] = tonumber(order[i + 1])
            found[#found + 1] = value
          end
        end
        return found
        """);

    /// <summary>
    /// Epoch, count, oldest time, bytes, milliseconds until the channel expires. Returns the first offset that is kept. Times and
    /// bytes rise with the offsets, so the first message that is within the limits is found by halving.
    /// </summary>
    public static readonly RedisScript Trim = new("""
        local position = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'bytes')
        if not position[1] then return 1 end
        local head, total = tonumber(position[2]), tonumber(position[3])
        local count, oldest, bytes = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
        local function entry(from)
          return redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', 1)[1]
        end
        local function time(message)
          return (struct.unpack('>i8', message, 2))
        end
        local first = entry('-')
        first = first and tonumber(string.match(first[1], '^%d+')) or head + 1
        if position[1] ~= ARGV[1] then return first end

        local function kept(offset)
          local fields = entry(offset)[2]
          return time(fields[4]) >= oldest and total - tonumber(fields[2]) <= bytes
        end
        local low, high = math.max(first, head - count + 1), head + 1
        if low < high and kept(low) then
          high = low
        end
        while low < high do
          local middle = math.floor((low + high) / 2)
          if kept(middle) then high = middle else low = middle + 1 end
        end
        if high > first then
          redis.call('XTRIM', KEYS[2], 'MINID', '=', high)
        end

        local function drop(keys)
          redis.call('HDEL', KEYS[3], unpack(keys))
          redis.call('ZREM', KEYS[4], unpack(keys))
        end
        local excess = redis.call('ZCARD', KEYS[4]) - count
        while excess > 0 do
          drop(redis.call('ZRANGE', KEYS[4], 0, math.min(excess, 1000) - 1))
          excess = excess - 1000
        end
        while true do
          local key = redis.call('ZRANGE', KEYS[4], 0, 0)
          local value = key[1] and redis.call('HGET', KEYS[3], key[1])
          if not key[1] or (value and time(value) >= oldest) then break end
          drop(key)
        end

        for i = 1, #KEYS do
          redis.call('PEXPIRE', KEYS[i], ARGV[5])
        end
        return high
        """);
}
