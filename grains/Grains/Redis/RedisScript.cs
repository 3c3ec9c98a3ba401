using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace OrleansRealtime.Redis;

/// <summary>
/// A Lua script, which Redis runs atomically. It is called by its hash; a Redis that does not know it (the first call, a restart, a
/// failover, <c>SCRIPT FLUSH</c>) has run nothing and is sent the text, which it remembers.
/// </summary>
sealed class RedisScript(string text)
{
    // How Redis names scripts; nothing depends on it being hard to forge.
#pragma warning disable CA5350
    readonly byte[] _hash = SHA1.HashData(Encoding.UTF8.GetBytes(text));
#pragma warning restore CA5350

    public async Task<RedisResult> EvaluateAsync(IDatabase database, RedisKey[] keys, RedisValue[] arguments)
    {
        try
        {
            return await database.ScriptEvaluateAsync(_hash, keys, arguments);
        }
        catch (RedisServerException exception) when (exception.Kind == RedisErrorKind.NoScript)
        {
            return await database.ScriptEvaluateAsync(text, keys, arguments, CommandFlags.NoScriptCache);
        }
    }
}
