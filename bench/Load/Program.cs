using OrleansRealtime.Bench;

try
{
    switch (args)
    {
        case ["fanout", .. var rest]:
            return new FanoutScenario(new(rest)).Run();
        case ["publish", .. var rest]:
            return new PublishScenario(new(rest)).Run();
        case ["storm", .. var rest]:
            return new JoinStorm(new(rest)).Run();
        case ["table", .. var files]:
            Table.Print(files.SelectMany(File.ReadLines));
            return 0;
        default:
            Console.Error.WriteLine("usage: fanout|publish|storm [--name value …], or table FILE…; see bench/README.md");
            return 1;
    }
}
catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or IOException)
{
    Console.Error.WriteLine(exception.Message);
    return 1;
}
