using System.Runtime.InteropServices;

namespace OrleansRealtime.Bench;

/// <summary>The system calls of the event loop. Linux on x64: the layout of <see cref="EpollEvent"/> is that architecture's.</summary>
static unsafe partial class Native
{
    public const int ReadyToRead = 1, ReadyToWrite = 4;
    public const int Add = 1, Modify = 3;
    public const int WouldBlock = 11, InProgress = 115;
    const int InterNetwork = 2, StreamNonBlocking = 1 | 0x800, NoSignal = 0x4000, Tcp = 6, NoDelay = 1;

    /// <returns>A TCP socket that never blocks, on its way to a port of 127.0.0.1; -1 where there is none to be had.</returns>
    public static int ConnectTo(int port)
    {
        int socket = Socket(InterNetwork, StreamNonBlocking, 0);
        int on = 1;
        var address = new SocketAddress { Family = InterNetwork, Port = (ushort)((port << 8) | (port >> 8)), Host = 0x0100007F };
        if (socket >= 0 && (SetSocketOption(socket, Tcp, NoDelay, &on, sizeof(int)) != 0
            || (Connect(socket, &address, sizeof(SocketAddress)) != 0 && Marshal.GetLastPInvokeError() != InProgress)))
        {
            _ = Close(socket);
            return -1;
        }

        return socket;
    }

    public static nint Send(int socket, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            return Send(socket, start, bytes.Length, NoSignal);
        }
    }

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    public static partial nint Receive(int socket, byte* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "epoll_create1")]
    public static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl")]
    public static partial int EpollControl(int epoll, int operation, int file, EpollEvent* what);

    [LibraryImport("libc", EntryPoint = "epoll_pwait2")]
    public static partial int EpollWait(int epoll, EpollEvent* events, int count, TimeSpec* timeout, void* signals);

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int Socket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    private static partial int Connect(int socket, SocketAddress* address, int length);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetSocketOption(int socket, int level, int option, int* value, int length);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(int socket, byte* buffer, nint length, int flags);

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    public struct EpollEvent
    {
        public uint Events;
        public ulong Data;
    }

    public struct TimeSpec
    {
        public long Seconds, Nanoseconds;
    }

    struct SocketAddress
    {
        public ushort Family, Port;
        public uint Host;
        public ulong Zero;
    }
}
