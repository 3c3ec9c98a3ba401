using Microsoft.AspNetCore.SignalR;

var builder = WebApplication.CreateBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.Services.AddSignalR().AddStackExchangeRedis(builder.Configuration["REDIS"]!);
var app = builder.Build();
app.MapHub<RoomHub>("/hub");
app.MapGet("/health/ready", () => "ready");
app.Run();

sealed class RoomHub : Hub
{
    public Task JoinRoom(string room) => Groups.AddToGroupAsync(Context.ConnectionId, room);

    public Task SendToRoom(string room, string text) => Clients.Group(room).SendAsync("message", text);
}
