using k8s.Models;

namespace OrleansRealtime.Tests.Kubernetes;

/// <summary>That the other suites here would notice a mistake.</summary>
public sealed class StrictnessTests
{
    const string Pod = """
        apiVersion: v1
        kind: Pod
        metadata:
          name: pod
        spec:
          containers:
          - name: container
            image: image:1
            readinessProbe:
              httpGet:
                path: /health/ready
                port: 8080
        """;

    [Fact]
    public void A_correct_object_is_accepted() =>
        Assert.Equal("/health/ready", Assert.IsType<V1Pod>(Assert.Single(Overlay.Load(Pod))).Spec.Containers[0].ReadinessProbe.HttpGet.Path);

    [Theory]
    [InlineData("readinessProbe", "readynessProbe")]
    [InlineData("spec:", "specification:")]
    [InlineData("path:", "url:")]
    [InlineData("port: 8080", "port: 8080\n        hots: localhost")]
    [InlineData("image: image:1", "image: image:1\n    image: image:2")]
    [InlineData("image: image:1", "image: image:1\n    stdin: perhaps")]
    [InlineData("image: image:1", "image: image:1\n    resources: { requests: { memory: 1Gigabyte } }")]
    public void A_mistake_however_deep_is_refused(string right, string wrong)
    {
        string yaml = Pod.Replace(right, wrong, StringComparison.Ordinal);
        Assert.NotEqual(Pod, yaml);
        Assert.ThrowsAny<Exception>(() => Overlay.Load(yaml));
    }
}
