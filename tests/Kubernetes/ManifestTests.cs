using k8s;
using k8s.Models;

namespace OrleansRealtime.Tests.Kubernetes;

/// <summary>Each overlay is one whole: what one object names, another one is.</summary>
public sealed class ManifestTests
{
    public static TheoryData<string> Overlays => [Overlay.Base, Overlay.Dev, Overlay.Production];

    [Theory, MemberData(nameof(Overlays))]
    public async Task Every_document_is_an_object_of_the_Kubernetes_API(string folder)
    {
        string yaml = await Overlay.KustomizeAsync(folder);
        var objects = Overlay.Load(yaml);
        Assert.Equal(yaml.Split("\n---\n").Length, objects.Count);
        Assert.All(objects, o => Assert.IsAssignableFrom<IKubernetesObject<V1ObjectMeta>>(o));
        Assert.Equal(objects.Count, objects.Cast<IKubernetesObject<V1ObjectMeta>>().DistinctBy(o => (o.Kind, o.Name())).Count());
    }

    [Fact]
    public async Task The_base_leaves_the_namespace_to_the_overlays()
    {
        var overlay = await Overlay.RenderAsync(Overlay.Base);
        Assert.All(overlay.All<IKubernetesObject<V1ObjectMeta>>(), o => Assert.Null(o.Namespace()));
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Selectors_find_their_pods(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        var selectors = overlay.All<V1Service>().Select(s => (s.Name(), s.Spec.Selector))
            .Concat(overlay.All<V1Deployment>().Select(d => (d.Name(), d.Spec.Selector.MatchLabels)))
            .Concat(overlay.All<V1StatefulSet>().Select(s => (s.Name(), s.Spec.Selector.MatchLabels)))
            .Concat(overlay.All<V1PodDisruptionBudget>().Select(p => (p.Name(), p.Spec.Selector.MatchLabels)))
            .Concat(overlay.Workloads.SelectMany(w => (w.Pod.TopologySpreadConstraints ?? []).Select(t => (w.Name, t.LabelSelector.MatchLabels))));
        Assert.All(selectors, s => Assert.Equal(s.Item1, Assert.Single(overlay.Workloads, w => s.Item2.All(w.Template.Metadata.Labels.Contains)).Name));
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Ports_that_are_named_exist(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        Assert.All(overlay.All<V1Service>(), service => Assert.All(
            service.Spec.Ports, port => Assert.Contains(overlay.Workload(service.Name()).Container.Ports, p => p.Name == port.TargetPort.Value)));
        Assert.All(overlay.All<V1Ingress>().SelectMany(i => i.Spec.Rules).SelectMany(r => r.Http.Paths), path => Assert.Contains(
            overlay.One<V1Service>(path.Backend.Service.Name).Spec.Ports, p => p.Name == path.Backend.Service.Port.Name));
        foreach (var workload in overlay.Workloads)
        {
            Assert.All([workload.Container.StartupProbe, workload.Container.ReadinessProbe, workload.Container.LivenessProbe], probe =>
            {
                if ((probe.HttpGet?.Port ?? probe.TcpSocket?.Port)?.Value is { } port)
                {
                    Assert.Contains(workload.Container.Ports, p => p.Name == port);
                }
            });
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Scaling_and_access_name_what_exists(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        var autoscaler = Assert.Single(overlay.All<V2HorizontalPodAutoscaler>());
        var target = overlay.One<V1Deployment>(autoscaler.Spec.ScaleTargetRef.Name);
        Assert.Equal((target.Kind, target.ApiVersion), (autoscaler.Spec.ScaleTargetRef.Kind, autoscaler.Spec.ScaleTargetRef.ApiVersion));
        Assert.Null(target.Spec.Replicas);
        Assert.True(autoscaler.Spec.MinReplicas >= 2);
        Assert.True(autoscaler.Spec.Behavior.ScaleDown.StabilizationWindowSeconds >= 300);

        Assert.All(overlay.Workloads.Where(w => w.Pod.ServiceAccountName is not null), w => overlay.One<V1ServiceAccount>(w.Pod.ServiceAccountName));
        var binding = Assert.Single(overlay.All<V1RoleBinding>());
        var subject = Assert.Single(binding.Subjects);
        Assert.Equal(overlay.Workload("realtime-silo").Pod.ServiceAccountName, subject.Name);
        Assert.Equal(binding.Namespace(), subject.NamespaceProperty);
        var rule = Assert.Single(overlay.One<V1Role>(binding.RoleRef.Name).Rules);
        Assert.Equal(["pods"], rule.Resources);
        Assert.Equal(["get", "list", "watch"], rule.Verbs);
    }

    [Fact]
    public async Task Only_production_scales_by_connections()
    {
        Assert.Equal(["cpu"], await Metrics(Overlay.Base));
        Assert.Equal(["cpu"], await Metrics(Overlay.Dev));
        Assert.Equal(["cpu", "realtime_connections"], await Metrics(Overlay.Production));

        static async Task<IEnumerable<string>> Metrics(string folder) =>
            (await Overlay.RenderAsync(folder)).All<V2HorizontalPodAutoscaler>().Single().Spec.Metrics.Select(m => m.Resource?.Name ?? m.Pods.Metric.Name);
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task What_pods_refer_to_is_there_or_is_documented(string folder)
    {
        var overlay = await Overlay.RenderAsync(folder);
        var containers = overlay.Workloads.Select(w => w.Container).ToList();
        var maps = containers.SelectMany(c => c.EnvFrom ?? []).Select(e => e.ConfigMapRef.Name)
            .Concat(containers.SelectMany(c => c.Env ?? []).Select(e => e.ValueFrom?.ConfigMapKeyRef?.Name).OfType<string>());
        Assert.All(maps, name => overlay.One<V1ConfigMap>(name));

        var missing = containers.SelectMany(c => c.Env ?? []).Select(e => e.ValueFrom?.SecretKeyRef?.Name).OfType<string>()
            .Concat(overlay.All<V1Ingress>().SelectMany(i => i.Spec.Tls ?? []).Select(t => t.SecretName))
            .Except(overlay.All<V1Secret>().Select(s => s.Name())).ToList();
        string readme = await File.ReadAllTextAsync(Path.Combine(Overlay.Root, "k8s/README.md"), TestContext.Current.CancellationToken);
        Assert.All(missing, name => Assert.Contains($"`{name}`", readme, StringComparison.Ordinal));
        if (folder == Overlay.Dev)
        {
            Assert.Empty(missing);
        }
        else
        {
            Assert.Empty(overlay.All<V1Secret>());
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Pods_are_confined(string folder)
    {
        foreach (var workload in (await Overlay.RenderAsync(folder)).Workloads)
        {
            var (pod, container) = (workload.Pod, workload.Container);
            Assert.True(pod.SecurityContext.RunAsNonRoot);
            Assert.True(pod.SecurityContext.RunAsUser > 0);
            Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
            Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
            Assert.False(container.SecurityContext.AllowPrivilegeEscalation);
            Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
            Assert.Contains(container.VolumeMounts, m => m.MountPath == "/tmp");
            Assert.Equal("orleans-realtime", workload.Template.Metadata.Labels["app.kubernetes.io/part-of"]);
            Assert.Equal(workload.Name == "realtime-silo", pod.AutomountServiceAccountToken ?? true);
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Pods_ask_for_what_they_need_and_are_never_throttled(string folder)
    {
        foreach (var workload in (await Overlay.RenderAsync(folder)).Workloads)
        {
            var resources = workload.Container.Resources;
            Assert.True(resources.Requests["cpu"].ToDecimal() > 0);
            Assert.InRange(resources.Requests["memory"].ToDecimal(), 64 << 20, resources.Limits["memory"].ToDecimal());
            Assert.DoesNotContain("cpu", resources.Limits);
        }
    }

    [Theory]
    [InlineData(Overlay.Dev)]
    [InlineData(Overlay.Production)]
    public async Task Images_have_a_version(string folder) => Assert.All(
        (await Overlay.RenderAsync(folder)).Workloads,
        w => Assert.Matches("^[^:]+:(?!latest$)[^:]+$", w.Container.Image));

    [Theory, MemberData(nameof(Overlays))]
    public async Task Rolling_updates_never_have_fewer_pods_than_before(string folder) => Assert.All(
        (await Overlay.RenderAsync(folder)).All<V1Deployment>(),
        d => Assert.Equal(("0", "1"), (d.Spec.Strategy.RollingUpdate.MaxUnavailable.Value, d.Spec.Strategy.RollingUpdate.MaxSurge.Value)));
}
