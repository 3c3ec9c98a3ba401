namespace OrleansRealtime.Gateway.Fanout;

/// <summary>What waits for one connection. The first has a place of its own: usually there is no other, and then nothing else in memory is touched.</summary>
struct OutboundQueue
{
    Outbound _first;
    Queue<Outbound>? _more;

    public void Enqueue(in Outbound outbound)
    {
        if (_first.Bytes is null && _more is null or { Count: 0 })
        {
            _first = outbound;
        }
        else
        {
            (_more ??= new(4)).Enqueue(outbound);
        }
    }

    public bool TryDequeue(out Outbound next)
    {
        if (_first.Bytes is not null)
        {
            next = _first;
            _first = default;
            return true;
        }

        next = default;
        return _more is not null && _more.TryDequeue(out next);
    }

    public void Clear() => (_first, _more) = (default, null);
}
