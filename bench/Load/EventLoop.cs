using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OrleansRealtime.Bench;

/// <summary>An epoll set. Each socket has a number by which its events are told.</summary>
sealed unsafe class EventLoop
{
    const int EventsAtOnce = 512;

    readonly int _epoll = Native.EpollCreate(0);
    readonly Native.EpollEvent* _events = (Native.EpollEvent*)NativeMemory.Alloc(EventsAtOnce, (nuint)sizeof(Native.EpollEvent));

    public int NumberOf(int index) => (int)_events[index].Data;

    public bool CanWrite(int index) => (_events[index].Events & Native.ReadyToWrite) != 0;

    public void Watch(int socket, int number, bool writing, bool isNew)
    {
        var what = new Native.EpollEvent { Events = (uint)(writing ? Native.ReadyToWrite : Native.ReadyToRead), Data = (ulong)number };
        if (Native.EpollControl(_epoll, isNew ? Native.Add : Native.Modify, socket, &what) != 0)
        {
            throw new InvalidOperationException("epoll_ctl failed.");
        }
    }

    /// <summary>Waits for events until a moment of <see cref="Clock"/>.</summary>
    /// <returns>How many there are, to be asked for by index.</returns>
    public int Wait(long until)
    {
        long nanoseconds = Math.Max(0, until - Clock.Now) * (1_000_000_000 / Stopwatch.Frequency);
        var timeout = new Native.TimeSpec { Seconds = nanoseconds / 1_000_000_000, Nanoseconds = nanoseconds % 1_000_000_000 };
        return Native.EpollWait(_epoll, _events, EventsAtOnce, &timeout, null);
    }
}
