using k8s.Models;

namespace OrleansRealtime.Tests.Kubernetes;

/// <summary>The network policies let through what the system needs, and nothing else.</summary>
public sealed class NetworkTests
{
    static readonly Peer Dns = new(OtherNamespace: "kube-system");
    static readonly Peer ApiServer = new(Address: "10.96.0.1");
    static readonly Peer RedisOutside = new(Address: "10.20.30.40");
    static readonly Peer Internet = new(Address: "203.0.113.7");
    static readonly Peer Controller = new(OtherNamespace: "ingress-nginx");
    static readonly Peer Monitoring = new(OtherNamespace: "monitoring");
    static readonly Peer Stranger = new(OtherNamespace: "strangers");

    [Theory]
    [InlineData(Overlay.Dev)]
    [InlineData(Overlay.Production)]
    public async Task Silos_and_gateways_reach_what_they_need_and_no_more(string folder)
    {
        var (paths, gateway, silo, _) = await RenderAsync(folder);
        Assert.True(paths.Allow(silo, silo, 11111));
        Assert.True(paths.Allow(silo, silo, 30000));
        Assert.True(paths.Allow(gateway, silo, 30000));
        Assert.False(paths.Allow(gateway, silo, 11111));
        Assert.False(paths.Allow(gateway, silo, 8080));
        Assert.False(paths.Allow(silo, gateway, 8080));
        Assert.False(paths.Allow(gateway, gateway, 8080));
        foreach (int port in (int[])[8080, 11111, 30000])
        {
            Assert.All([Controller, Stranger, Internet], peer => Assert.False(paths.Allow(peer, silo, port)));
        }

        Assert.All([gateway, silo], pod => Assert.True(paths.Allow(pod, Dns, 53, "UDP") && paths.Allow(pod, Dns, 53)));
        Assert.True(paths.Allow(silo, ApiServer, 443) && paths.Allow(silo, ApiServer, 6443));
        Assert.False(paths.Allow(gateway, ApiServer, 443) || paths.Allow(gateway, ApiServer, 6443));
        Assert.False(paths.Allow(gateway, Internet, 443));
    }

    [Fact]
    public async Task In_development_anyone_reaches_the_gateways_and_only_ours_the_Redis()
    {
        var (paths, gateway, silo, redis) = await RenderAsync(Overlay.Dev);
        Assert.All([Controller, Stranger, Internet], peer => Assert.True(paths.Allow(peer, gateway, 8080)));
        Assert.All([gateway, silo], pod => Assert.True(paths.Allow(pod, redis!, 6379)));
        Assert.All([Controller, Stranger, Internet], peer => Assert.False(paths.Allow(peer, redis!, 6379)));
        Assert.False(paths.Allow(redis!, Internet, 443));
        Assert.False(paths.Allow(redis!, silo, 30000));
    }

    [Fact]
    public async Task In_production_the_ingress_controller_reaches_the_gateways_and_ours_a_Redis_outside()
    {
        var (paths, gateway, silo, redis) = await RenderAsync(Overlay.Production);
        Assert.Null(redis);
        Assert.All([Controller, Monitoring], peer => Assert.True(paths.Allow(peer, gateway, 8080)));
        Assert.All([Stranger, Internet], peer => Assert.False(paths.Allow(peer, gateway, 8080)));
        Assert.All([gateway, silo], pod => Assert.True(paths.Allow(pod, RedisOutside, 6379) && paths.Allow(pod, RedisOutside, 6380)));
        Assert.All([gateway, silo], pod => Assert.False(paths.Allow(pod, Internet, 6379)));
    }

    static async Task<(NetworkPaths Paths, Peer Gateway, Peer Silo, Peer? Redis)> RenderAsync(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        return (new NetworkPaths(overlay.All<V1NetworkPolicy>()), Pod("realtime-gateway")!, Pod("realtime-silo")!, Pod("realtime-redis"));

        Peer? Pod(string name) => overlay.Workloads.SingleOrDefault(w => w.Name == name) is { } workload ? new(workload.Template.Metadata.Labels) : null;
    }
}
