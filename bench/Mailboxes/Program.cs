using OrleansRealtime.Bench.Mailboxes;

// Started without a role it is the coordinator, which starts itself again as silo and gateways.
return args switch
{
    ["silo", var transport, var redis] => await SiloProcess.RunAsync(transport, redis),
    ["gateway", var transport, var redis, var id] => await GatewayProcess.RunAsync(transport, redis, id),
    _ => await Coordinator.RunAsync(),
};
