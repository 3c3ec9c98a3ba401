using System.Text;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.SocketIo;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>The text that is kept says what a new one would.</summary>
public sealed class SocketIoOffsetTests
{
    static readonly ChannelId Lobby = new(ChannelKind.Room, "/:lobby"), Den = new(ChannelKind.Room, "/:the den"), Inbox = ChannelId.User("ann");

    readonly SocketIoOffset _offset = new();
    readonly Subscription _toLobby = new(null!, null!), _toDen = new(null!, null!);

    [Fact]
    public void A_place_that_moves_on_and_on_is_told_with_all_its_digits()
    {
        _offset.Move(Inbox, new("inbox", 0));
        _offset.Move(Den, new("den", 7));
        for (int offset = 1; offset <= 1001; offset++)
        {
            _offset.Move(Lobby, new("lobby", offset), _toLobby);
            Says($"inbox:0,den:7:the%20den,lobby:{offset}:lobby");
        }
    }

    [Fact]
    public void Places_that_move_in_turn_keep_where_they_are()
    {
        _offset.Move(Lobby, new("lobby", 1), _toLobby);
        _offset.Move(Den, new("den", 1), _toDen);
        _offset.Move(Lobby, new("lobby", 2), _toLobby);
        _offset.Move(Lobby, new("lobby", 3), _toLobby);
        _offset.Move(Den, new("den", 2), _toDen);
        Says("lobby:3:lobby,den:2:the%20den");
        _offset.Move(Den, new("den", 3), _toDen);
        _offset.Move(Lobby, new("lobby", 4), _toLobby);
        Says("lobby:4:lobby,den:3:the%20den");
    }

    [Fact]
    public void A_place_in_another_epoch_is_told_with_that()
    {
        _offset.Move(Lobby, new("lobby", 9), _toLobby);
        Says("lobby:9:lobby");
        _offset.Move(Lobby, new("after", 1), _toLobby);
        Says("after:1:lobby");
        _offset.Move(Lobby, new("after", 2), _toLobby);
        Says("after:2:lobby");
    }

    [Fact]
    public void A_place_goes_and_comes_again()
    {
        _offset.Move(Inbox, new("inbox", 5));
        _offset.Move(Lobby, new("lobby", 9), _toLobby);
        Says("inbox:5,lobby:9:lobby");
        _offset.Remove(Lobby);
        Assert.False(_offset.Has(Lobby));
        Says("inbox:5");
        _offset.Move(Lobby, new("lobby", 9), _toLobby);
        _offset.Remove(Inbox);
        Says("lobby:9:lobby");
        _offset.Move(Lobby, new("lobby", 10), _toLobby);
        Says("lobby:10:lobby");
    }

    void Says(string offset) => Assert.Equal($",\"{offset}\"]", Encoding.ASCII.GetString(_offset.Text));
}
