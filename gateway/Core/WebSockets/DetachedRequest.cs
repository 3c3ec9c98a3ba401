using System.Net;
using System.Security.Claims;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>What is kept of a request when it is over: as little as makes an <see cref="HttpContext"/> again that shows what the client sent and who it is.</summary>
sealed class DetachedRequest : IClientRequest
{
    static readonly ClaimsPrincipal s_nobody = new(new ClaimsIdentity());

    readonly string _scheme = "", _protocol = "";
    readonly PathString _pathBase, _path;
    readonly QueryString _query;
    readonly KeyValuePair<string, StringValues>[] _headers = [];
    readonly IPAddress? _remoteAddress, _localAddress;
    readonly int _remotePort, _localPort;
    readonly ClaimsPrincipal _user;
    readonly IServiceScopeFactory _scopes;
    readonly IConnectionLifetimeFeature? _connection;

    public DetachedRequest(HttpContext http)
    {
        var request = http.Request;
        (_scheme, _protocol, _pathBase, _path, _query) = (request.Scheme, request.Protocol, request.PathBase, request.Path, request.QueryString);
        _headers = [.. request.Headers];
        (_remoteAddress, _remotePort) = (http.Connection.RemoteIpAddress, http.Connection.RemotePort);
        (_localAddress, _localPort) = (http.Connection.LocalIpAddress, http.Connection.LocalPort);
        _user = http.User.Identity?.IsAuthenticated == true ? LongRequest.Lighten(http.User) : s_nobody;
        _scopes = http.RequestServices.GetRequiredService<IServiceScopeFactory>();
        _connection = http.Features.Get<IConnectionLifetimeFeature>();
    }

    public async Task UseAsync(Func<HttpContext, Task> use)
    {
        await using var scope = _scopes.CreateAsyncScope();
        await use(Restore(scope.ServiceProvider));
    }

    DefaultHttpContext Restore(IServiceProvider services)
    {
        var http = new DefaultHttpContext { User = _user, RequestServices = services };
        if (_connection is not null)
        {
            http.Features.Set<IHttpRequestLifetimeFeature>(new Lifetime(_connection));
        }

        var request = http.Request;
        (request.Method, request.Scheme, request.Protocol) = (HttpMethods.Get, _scheme, _protocol);
        (request.PathBase, request.Path, request.QueryString) = (_pathBase, _path, _query);
        foreach (var (name, value) in _headers)
        {
            request.Headers[name] = value;
        }

        (http.Connection.RemoteIpAddress, http.Connection.RemotePort) = (_remoteAddress, _remotePort);
        (http.Connection.LocalIpAddress, http.Connection.LocalPort) = (_localAddress, _localPort);
        return http;
    }

    sealed class Lifetime(IConnectionLifetimeFeature connection) : IHttpRequestLifetimeFeature
    {
        public CancellationToken RequestAborted { get; set; } = connection.ConnectionClosed;

        public void Abort() => connection.Abort();
    }
}
