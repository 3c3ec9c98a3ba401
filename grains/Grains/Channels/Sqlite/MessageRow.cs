namespace OrleansRealtime.Channels.Sqlite;

/// <summary>How a message lies in <c>messages</c> and <c>latest</c>.</summary>
internal static class MessageRow
{
    /// <summary>What <see cref="Read"/> expects of a query on <c>messages</c>.</summary>
    public const string Columns = "m.offset, m.time, m.kind, m.event, m.sender, m.message_id, m.key, m.data";

    /// <summary>The same of a query on <c>latest</c>.</summary>
    public const string LatestColumns = "m.revision, m.time, m.kind, m.event, m.sender, m.message_id, m.key, m.data";

    /// <summary>Binds the parameters 1 to 7: time, kind, event, sender, message_id, key, data.</summary>
    public static SqliteStatement Bind(SqliteStatement statement, Message message) => statement
        .Bind(1, message.Time)
        .Bind(2, (long)message.Data.Kind)
        .Bind(3, message.Event)
        .Bind(4, message.From)
        .Bind(5, message.MessageId)
        .Bind(6, message.Key)
        .Bind(7, message.Data.Bytes);

    public static Message Read(SqliteStatement row, Delivery delivery) => new(
        row.Int64(0),
        row.Int64(1),
        row.Text(3)!,
        new((PayloadKind)row.Int64(2), row.Blob(7)),
        row.Text(4),
        row.Text(5),
        delivery,
        row.Text(6));
}
