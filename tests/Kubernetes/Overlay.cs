using System.Diagnostics;
using System.Text;
using k8s;
using k8s.Models;

namespace OrleansRealtime.Tests.Kubernetes;

/// <summary>What <c>kubectl kustomize</c> makes of a folder of <c>k8s/</c>, as the objects of the Kubernetes API.</summary>
sealed class Overlay
{
    public const string Base = "base";
    public const string Dev = "overlays/dev";
    public const string Production = "overlays/production";

    Overlay(IReadOnlyList<object> objects) => Objects = objects;

    /// <summary>The repository, seen from tests/bin/…/….</summary>
    public static string Root { get; } = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));

    public IReadOnlyList<object> Objects { get; }

    public IEnumerable<Workload> Workloads =>
        All<V1Deployment>().Select(d => new Workload(d.Name(), d.Spec.Template))
            .Concat(All<V1StatefulSet>().Select(s => new Workload(s.Name(), s.Spec.Template)));

    public static async Task<Overlay> RenderAsync(string folder) => new(Load(await KustomizeAsync(folder)));

    /// <summary>A field that the API does not have, a value of the wrong type, or a key that comes twice is refused.</summary>
    public static IReadOnlyList<object> Load(string yaml) => KubernetesYaml.LoadAllFromString(yaml, strict: true);

    public static async Task<string> KustomizeAsync(string folder)
    {
        var start = new ProcessStartInfo("kubectl", ["kustomize", Path.Combine(Root, "k8s", folder)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var kubectl = Process.Start(start)!;
        var errors = kubectl.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string yaml = await kubectl.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await kubectl.WaitForExitAsync(TestContext.Current.CancellationToken);

        // A deprecated field of a kustomization is only warned about.
        Assert.Equal("", await errors);
        Assert.Equal(0, kubectl.ExitCode);
        return yaml;
    }

    public IEnumerable<T> All<T>() => Objects.OfType<T>();

    public T One<T>(string name) where T : IKubernetesObject<V1ObjectMeta> => All<T>().Single(o => o.Name() == name);

    public Workload Workload(string name) => Workloads.Single(w => w.Name == name);

    /// <summary>The environment a container starts with. What comes from a secret that is made elsewhere is taken from <paramref name="outside"/>.</summary>
    public Dictionary<string, string> Environment(V1Container container, IReadOnlyDictionary<string, string> outside)
    {
        var environment = new Dictionary<string, string>();
        foreach (var source in container.EnvFrom ?? [])
        {
            foreach (var (name, value) in One<V1ConfigMap>(source.ConfigMapRef.Name).Data)
            {
                environment[name] = value;
            }
        }

        foreach (var variable in container.Env ?? [])
        {
            environment[variable.Name] = variable switch
            {
                { Value: { } value } => value,
                { ValueFrom.ConfigMapKeyRef: { } map } => One<V1ConfigMap>(map.Name).Data[map.Key],
                { ValueFrom.SecretKeyRef: { } secret } => Secret(secret) ?? outside[$"{secret.Name}/{secret.Key}"],
                { ValueFrom.FieldRef.FieldPath: "status.podIP" } => "10.1.2.3",
                { ValueFrom.FieldRef.FieldPath: "metadata.name" or "metadata.namespace" } => "of-the-pod",
                _ => throw new InvalidDataException($"{variable.Name} comes from a source that is not known here."),
            };
        }

        return environment;
    }

    string? Secret(V1SecretKeySelector reference) =>
        All<V1Secret>().SingleOrDefault(s => s.Name() == reference.Name) is { } secret ? Encoding.UTF8.GetString(secret.Data[reference.Key]) : null;
}

sealed record Workload(string Name, V1PodTemplateSpec Template)
{
    public V1PodSpec Pod => Template.Spec;

    public V1Container Container => Assert.Single(Pod.Containers);
}
