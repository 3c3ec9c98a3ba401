using System.Text.Json;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>What acknowledgements say.</summary>
static class Answers
{
    /// <summary>Emits and returns the answer; fails where that is an error.</summary>
    public static async Task<JsonElement> IsOkAsync(this NodeSocket socket, string @event, params object?[] args)
    {
        var answer = await socket.EmitAsync(@event, args);
        Assert.True(Status(answer) == "ok", $"{@event}: {answer}");
        return answer;
    }

    public static string? Status(this JsonElement answer) => answer.GetProperty("status").GetString();

    /// <summary>The code of the error; fails where it is none.</summary>
    public static string? ErrorCode(this JsonElement answer)
    {
        Assert.True(Status(answer) == "error", $"No error: {answer}");
        return answer.GetProperty("error").GetProperty("code").GetString();
    }
}
