using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Hosting;

namespace OrleansRealtime.Tests.Kubernetes;

/// <summary>What the manifests tell the processes, told to the processes.</summary>
public sealed class SettingsTests
{
    /// <summary>What whoever deploys to production makes.</summary>
    static readonly Dictionary<string, string> Outside = new()
    {
        ["realtime-redis/connection-string"] = "redis.example.com:6380,password=secret,ssl=true",
        ["realtime-auth/key"] = "a key of at least thirty-two bytes",
    };

    public static TheoryData<string> Overlays => [Overlay.Dev, Overlay.Production];

    [Theory, MemberData(nameof(Overlays))]
    public async Task Every_setting_is_one_that_exists(string folder)
    {
        var sections = new[] { typeof(RealtimeSilo).Assembly, typeof(RealtimeGateway).Assembly }.SelectMany(assembly => assembly.GetTypes())
            .Select(type => (Name: type.GetField("Section")?.GetRawConstantValue() as string, Type: type))
            .Where(section => section.Name is not null)
            .ToDictionary(section => section.Name!, section => section.Type);
        var overlay = await Overlay.RenderAsync(folder);
        foreach (string name in (string[])["realtime-gateway", "realtime-silo"])
        {
            var environment = overlay.Environment(overlay.Workload(name).Container, Outside);
            var configuration = Configure(new ConfigurationBuilder(), environment).Build();
            foreach (var section in configuration.GetSection("Realtime").GetChildren())
            {
                Assert.Contains(section.Path, sections.Keys);
                section.Get(sections[section.Path], binder => binder.ErrorOnUnknownConfiguration = true);
            }
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task A_gateway_accepts_its_settings_and_has_the_time_to_drain(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        await using var app = Gateway(overlay);
        app.Services.GetRequiredService<IStartupValidator>().Validate();
        AssertTimeToStop(app, overlay.Workload("realtime-gateway"));
        Assert.True(overlay.Workload("realtime-gateway").Container.Lifecycle.PreStop.Sleep.Seconds >= 5);
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task A_silo_accepts_its_settings_and_has_the_time_to_stop(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        var silo = overlay.Workload("realtime-silo");
        var builder = WebApplication.CreateSlimBuilder();
        Configure(builder.Configuration, overlay.Environment(silo.Container, Outside));
        builder.AddClusterSilo();
        await using var app = builder.Build();
        app.Services.GetRequiredService<IStartupValidator>().Validate();
        AssertTimeToStop(app, silo);
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Silos_and_gateways_are_of_one_cluster_and_the_pods_labels_say_so(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        var workload = overlay.Workload("realtime-silo");
        var silo = overlay.Environment(workload.Container, Outside);
        var gateway = overlay.Environment(overlay.Workload("realtime-gateway").Container, Outside);
        Assert.Equal(gateway["Realtime__Redis__ConnectionString"], silo["Realtime__Redis__ConnectionString"]);
        foreach (var (setting, variable, label) in new[]
        {
            ("Realtime__Cluster__ClusterId", "ORLEANS_CLUSTER_ID", "orleans/clusterId"),
            ("Realtime__Cluster__ServiceId", "ORLEANS_SERVICE_ID", "orleans/serviceId"),
        })
        {
            Assert.Equal(gateway[setting], silo[setting]);
            Assert.Equal(gateway[setting], silo[variable]);
            Assert.Equal(gateway[setting], workload.Template.Metadata.Labels[label]);

            // A gateway that had them would be taken for a silo without a membership.
            Assert.DoesNotContain(label, overlay.Workload("realtime-gateway").Template.Metadata.Labels);
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task The_ports_of_a_silo_are_the_ones_it_is_told(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        var container = overlay.Workload("realtime-silo").Container;
        var environment = overlay.Environment(container, Outside);
        Assert.Equal(
            [environment["HTTP_PORTS"], environment["Realtime__Cluster__SiloPort"], environment["Realtime__Cluster__GatewayPort"]],
            container.Ports.Select(p => $"{p.ContainerPort}"));
        Assert.Equal("10.1.2.3", environment["Realtime__Cluster__Address"]);
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Probes_and_the_way_in_lead_to_endpoints_of_the_gateway(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        await using var app = Gateway(overlay);
        var routes = ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .Select(endpoint => "/" + endpoint.RoutePattern.RawText!.TrimStart('/')).ToList();
        var container = overlay.Workload("realtime-gateway").Container;
        Assert.Equal(["/health/startup", "/health/ready", "/health/live"], ProbePaths(container));
        Assert.All(ProbePaths(container), path => Assert.Contains(path, routes));
        var paths = overlay.All<V1Ingress>().SelectMany(i => i.Spec.Rules).SelectMany(r => r.Http.Paths).Select(p => p.Path).ToList();
        Assert.NotEmpty(paths);
        Assert.All(paths, path => Assert.Contains(routes, route => route.StartsWith(path, StringComparison.Ordinal)));
        Assert.Equal($"{container.Ports.Single().ContainerPort}", overlay.Environment(container, Outside)["HTTP_PORTS"]);
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task The_probes_of_a_silo_are_among_its_endpoints(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        string source = await File.ReadAllTextAsync(Path.Combine(Overlay.Root, "silo/Health.cs"), TestContext.Current.CancellationToken);
        var paths = ProbePaths(overlay.Workload("realtime-silo").Container);
        Assert.Equal(["/health/startup", "/health/ready", "/health/live"], paths);
        Assert.All(paths, path => Assert.Contains($"MapGet(\"{path}\"", source, StringComparison.Ordinal));
    }

    static List<string> ProbePaths(V1Container container) =>
        [container.StartupProbe.HttpGet.Path, container.ReadinessProbe.HttpGet.Path, container.LivenessProbe.HttpGet.Path];

    /// <summary>The kubelet counts the pre-stop hook and the shutdown together, and then kills.</summary>
    static void AssertTimeToStop(WebApplication app, Workload workload)
    {
        var needed = TimeSpan.FromSeconds(workload.Container.Lifecycle?.PreStop.Sleep.Seconds ?? 0)
            + app.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout;
        Assert.True(TimeSpan.FromSeconds(workload.Pod.TerminationGracePeriodSeconds!.Value) >= needed + TimeSpan.FromSeconds(5), $"{needed} and 5 s to spare");
    }

    static WebApplication Gateway(Overlay overlay)
    {
        var builder = WebApplication.CreateSlimBuilder();
        Configure(builder.Configuration, overlay.Environment(overlay.Workload("realtime-gateway").Container, Outside));
        builder.Logging.ClearProviders();
        builder.AddClusterClient();
        builder.AddRealtimeGateway();
        var app = builder.Build();
        app.MapRealtimeGateway();
        return app;
    }

    static IConfigurationBuilder Configure(IConfigurationBuilder configuration, Dictionary<string, string> environment) => configuration.AddInMemoryCollection(
        environment.Select(variable => KeyValuePair.Create(variable.Key.Replace("__", ":", StringComparison.Ordinal), (string?)variable.Value)));
}
