using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>Whether somebody may come without a token.</summary>
internal sealed class GuestAccess(IOptions<AuthOptions> options, IHostEnvironment environment)
{
    public bool Allowed => options.Value.AllowGuests ?? (environment.IsDevelopment() && options.Value.Authority is null);
}
