using System.Net;
using k8s.Models;

namespace OrleansRealtime.Tests.Kubernetes;

/// <summary>One end of a connection: a pod of ours, a pod of another namespace, or an address outside of the cluster.</summary>
sealed record Peer(IDictionary<string, string>? Labels = null, string? OtherNamespace = null, string? Address = null)
{
    public bool IsOurs => Labels is not null;
}

/// <summary>What a set of network policies lets through, as the API's documentation defines it.</summary>
sealed class NetworkPaths(IEnumerable<V1NetworkPolicy> policies)
{
    readonly List<V1NetworkPolicy> _policies = [.. policies];

    public bool Allow(Peer from, Peer to, int port, string protocol = "TCP") =>
        (!from.IsOurs || Leaves(from, to, port, protocol)) && (!to.IsOurs || Enters(from, to, port, protocol));

    bool Leaves(Peer from, Peer to, int port, string protocol)
    {
        var applying = Applying(from, "Egress");
        return applying.Count == 0 || applying.SelectMany(p => p.Spec.Egress ?? []).Any(r => Includes(r.To, to) && Includes(r.Ports, port, protocol));
    }

    bool Enters(Peer from, Peer to, int port, string protocol)
    {
        var applying = Applying(to, "Ingress");
        return applying.Count == 0 || applying.SelectMany(p => p.Spec.Ingress ?? []).Any(r => Includes(r.FromProperty, from) && Includes(r.Ports, port, protocol));
    }

    List<V1NetworkPolicy> Applying(Peer pod, string direction) =>
        [.. _policies.Where(p => p.Spec.PolicyTypes.Contains(direction) && Matches(p.Spec.PodSelector, pod.Labels!))];

    /// <summary>No ports: all of them.</summary>
    static bool Includes(IList<V1NetworkPolicyPort>? ports, int port, string protocol) =>
        ports is null or { Count: 0 } || ports.Any(p => p.Port.Value == $"{port}" && p.Protocol == protocol);

    /// <summary>No peers: anyone.</summary>
    static bool Includes(IList<V1NetworkPolicyPeer>? peers, Peer peer) => peers is null or { Count: 0 } || peers.Any(p => p switch
    {
        { IpBlock: { } block } => peer.Address is { } address && IPNetwork.Parse(block.Cidr).Contains(IPAddress.Parse(address)),
        { NamespaceSelector: { } space } => peer.OtherNamespace is { } name && p.PodSelector is null
            && Matches(space, new Dictionary<string, string> { ["kubernetes.io/metadata.name"] = name }),
        _ => peer.IsOurs && Matches(p.PodSelector, peer.Labels!),
    });

    static bool Matches(V1LabelSelector selector, IDictionary<string, string> labels) =>
        (selector.MatchLabels?.All(labels.Contains) ?? true)
        && (selector.MatchExpressions?.All(e => e.OperatorProperty == "In"
            ? labels.TryGetValue(e.Key, out string? value) && e.Values.Contains(value)
            : throw new NotSupportedException(e.OperatorProperty)) ?? true);
}
