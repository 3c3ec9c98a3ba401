using CsCheck;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.Sse;

namespace OrleansRealtime.Tests.Channels;

public sealed class CursorProperties
{
    static readonly ChannelId s_room = ChannelId.Room(RoomName.FromQualified("/:general"));

    [Fact]
    public void A_cursor_is_read_back_as_it_was_written() => Gen.Long[0, long.MaxValue].Sample(offset =>
    {
        var cursor = new Cursor(Epoch.New(s_room), offset);
        return Cursor.TryParse(cursor.ToString(), out var read) && read == cursor && Epoch.Belongs(read.Epoch, s_room);
    });

    [Fact]
    public void An_epoch_belongs_to_its_channel_alone() => Gen.String[Gen.Char['a', 'z'], 1, 20].Sample(name =>
        !Epoch.Belongs(Epoch.New(ChannelId.User(name)), s_room));

    [Fact]
    public void A_stream_finds_each_of_its_cursors_whatever_their_order() =>
        Gen.Select(Gen.Long[0, 1_000_000].Array[1, 10], Gen.Int[0, 1000]).Sample((offsets, seed) =>
        {
            var channels = offsets.Select((_, i) => ChannelId.Room(RoomName.FromQualified($"/:room-{i}"))).ToArray();
            var cursors = offsets.Select((offset, i) => new Cursor(Epoch.New(channels[i]), offset)).ToArray();
            var shuffled = cursors.ToArray();
            new Random(seed).Shuffle(shuffled);
            return SseCursor.Parse(string.Join(',', shuffled), channels).SequenceEqual(cursors.Select(c => (Cursor?)c));
        });

    [Fact]
    public void Arbitrary_text_is_refused_and_never_anything_else() => Gen.String.Sample(text =>
    {
        bool named = RoomName.TryParse(text, out _, out string? error);
        Assert.Equal(named, error is null);
        Assert.Equal(RoomName.TryParseNamespace(text, out error), error is null);
        try
        {
            SseCursor.Parse(text, [s_room]);
        }
        catch (RealtimeException exception)
        {
            return exception.Code == RealtimeErrorCode.InvalidCursor;
        }

        return true;
    });
}
